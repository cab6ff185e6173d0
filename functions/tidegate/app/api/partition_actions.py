"""The part of the API that is about partitions and backfills."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tidegate.app import partitions
from tidegate.app.api.fields import Fields
from tidegate.app.backfills import backfill as backfills
from tidegate.app.backfills.estimate import estimate
from tidegate.app.backfills.query import backfill_document, list_backfills, show_backfill
from tidegate.app.backfills.target import BackfillRequest
from tidegate.app.services import Services
from tidegate.domain.backfills.backfill import Backfill
from tidegate.errors import RequestError

Action = Callable[[Services, Fields], dict[str, Any]]


def partition_tags(fields: Fields) -> dict[str, str]:
    """Tags of a run for the range that a request names, if it does."""
    text = fields.optional_text("partition_range")
    return {} if text is None else partitions.range_tags(text)


def _launch(services: Services, fields: Fields) -> dict[str, Any]:
    order = fields.optional_text("order") or "asc"
    if order not in ("asc", "desc"):
        raise RequestError(f"The field 'order' must be asc or desc, and is {order!r}.")
    request = BackfillRequest(
        selection=fields.optional_text("selection"),
        job=fields.optional_text("job"),
        partition_keys=fields.texts("partition_keys"),
        partition_range=fields.optional_text("partition_range"),
        all_partitions=fields.flag("all_partitions"),
        only=fields.optional_text("only"),
        tags=fields.tags(),
        run_config=fields.mapping("run_config"),
        title=fields.optional_text("title") or "",
        descending=order == "desc",
        max_outstanding=fields.optional_integer("max_outstanding"),
        backfill_id=fields.optional_text("backfill_id"),
        by=fields.optional_text("by") or "",
    )
    if fields.flag("dry_run"):
        return estimate(services, *backfills.plan_backfill(services, request))
    return backfill_document(backfills.launch_backfill(services, request))


def _change(
    change: Callable[[Services, str], Backfill], services: Services, fields: Fields
) -> dict[str, Any]:
    return backfill_document(change(services, fields.text("backfill_id")))


def _retry(services: Services, fields: Fields) -> dict[str, Any]:
    again = backfills.retry_backfill(
        services,
        fields.text("backfill_id"),
        by=fields.optional_text("by") or "",
        only_failed=fields.flag("only_failed"),
        as_id=fields.optional_text("as_id"),
    )
    return backfill_document(again)


ACTIONS: dict[str, Action] = {
    "backfills.cancel": partial(_change, backfills.cancel),
    "backfills.launch": _launch,
    "backfills.list": lambda services, fields: list_backfills(
        services, limit=fields.page_size(), cursor=fields.optional_text("cursor")
    ),
    "backfills.pause": partial(_change, backfills.pause),
    "backfills.resume": partial(_change, backfills.resume),
    "backfills.retry": _retry,
    "backfills.show": lambda services, fields: show_backfill(services, fields.text("backfill_id")),
    "partitions.add": lambda services, fields: partitions.add_dynamic(
        services, fields.text("name"), fields.texts("keys")
    ),
    "partitions.delete": lambda services, fields: partitions.delete_dynamic(
        services, fields.text("name"), fields.text("key")
    ),
    "partitions.list": lambda services, fields: partitions.list_dynamic(
        services, fields.text("name")
    ),
    "partitions.status": lambda services, fields: partitions.show_states(
        services,
        fields.text("asset"),
        limit=fields.page_size(),
        cursor=fields.optional_text("cursor"),
    ),
}
