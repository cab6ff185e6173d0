"""The API: one request is ``{"action": ..., ...}``, one answer ``{"ok": true, "result": ...}`` or ``{"ok": false, "error": ...}``.

The CLI calls it by invoking the ``api`` function, so that who may do what is IAM's to say. Answers are bounded: lists are
paged.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tidegate.app.admission import limits
from tidegate.app.api import query
from tidegate.app.api.fields import Fields
from tidegate.app.api.partition_actions import ACTIONS, partition_tags
from tidegate.app.api.selecting import select_assets
from tidegate.app.runs.cancel import request_cancel
from tidegate.app.runs.cancel_many import CANCELABLE, Wanted, cancel_many
from tidegate.app.runs.retry import retry_by_hand
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.app.services import Services
from tidegate.domain.deadline import FAIL_FAST_TAG
from tidegate.domain.rate import PERIOD, Rate, period_of
from tidegate.domain.run_retry import Strategy
from tidegate.errors import RequestError, TidegateError
from tidegate.manifest.document import ASSET_JOB

logger = logging.getLogger(__name__)


def answer(services: Services, request: object) -> dict[str, Any]:
    """Answer one request. Bad input is an answer, not an exception."""
    try:
        if not isinstance(request, Mapping):
            raise RequestError("A request is a mapping with an action.")
        _check_text(request)
        action = _ACTIONS.get(str(request.get("action")))
        if action is None:
            raise RequestError(
                f"There is no action {request.get('action')!r}.",
                mend=f"Actions: {', '.join(sorted(_ACTIONS))}.",
            )
        result = action(services, Fields(request))
        # By the deployment's clock, which may run faster than the caller's (`tidegate dev --speed`).
        return {"ok": True, "result": result | {"now": services.clock.now().isoformat()}}
    except TidegateError as error:
        logger.info("request_refused", extra={"code": error.code, "reason": str(error)})
        return {"ok": False, "error": error.to_json()}


def _check_text(request: Mapping[str, Any]) -> None:
    """JSON can name half a character, which no table and no bucket takes."""
    try:
        json.dumps(request, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise RequestError(
            f"The request has a text with half a character ({half!r}).",
            mend="Send whole Unicode characters.",
        ) from error


def _submit(services: Services, fields: Fields) -> dict[str, Any]:
    run = submit(
        services,
        RunRequest(job=fields.text("job"), **_asked(fields)),
    )
    return query.run_document(run)


def _asked(fields: Fields) -> dict[str, Any]:
    """What requests for a run have in common."""
    tags, fail_fast = fields.tags(), fields.optional_flag("fail_fast")
    if fail_fast is not None:
        tags[FAIL_FAST_TAG] = "true" if fail_fast else "false"
    return {
        "run_config": fields.mapping("run_config"),
        "tags": tags | partition_tags(fields),
        "partition_key": fields.optional_text("partition_key"),
        "run_key": fields.optional_text("run_key"),
        "trigger": fields.optional_text("trigger"),
        "on_conflict": fields.optional_text("on_conflict"),
    }


def _materialize(services: Services, fields: Fields) -> dict[str, Any]:
    manifest = services.manifests.current
    run = submit(
        services,
        RunRequest(
            job=ASSET_JOB,
            assets=select_assets(manifest, fields.text("selection")),
            **_asked(fields),
        ),
    )
    return query.run_document(run)


def _cancel(services: Services, fields: Fields) -> dict[str, Any]:
    run = request_cancel(
        services,
        fields.text("run_id"),
        reason=fields.optional_text("reason") or "",
        by=fields.optional_text("by"),
    )
    return query.run_document(run)


def _retry(services: Services, fields: Fields) -> dict[str, Any]:
    strategy = fields.optional_text("strategy") or Strategy.FROM_FAILURE
    if strategy not in list(Strategy):
        raise RequestError(
            f"There is no strategy {strategy!r}.", mend=f"Strategies: {', '.join(Strategy)}."
        )
    run = retry_by_hand(
        services,
        fields.text("run_id"),
        strategy=Strategy(strategy),
        steps=fields.texts("steps"),
        run_key=fields.optional_text("run_key"),
    )
    return query.run_document(run)


def _cancel_many(services: Services, fields: Fields) -> dict[str, Any]:
    status = fields.optional_text("status")
    statuses = CANCELABLE if status is None else query.statuses_of(status)
    return cancel_many(
        services,
        Wanted(job=fields.optional_text("job"), statuses=statuses, tags=fields.tags()),
        reason=fields.optional_text("reason") or "",
        by=fields.optional_text("by"),
        cursor=fields.optional_text("cursor"),
        only_count=fields.optional_flag("only_count") or False,
    )


def _list_runs(services: Services, fields: Fields) -> dict[str, Any]:
    return query.list_runs(
        services,
        job=fields.optional_text("job"),
        status=fields.optional_text("status"),
        limit=fields.page_size(),
        cursor=fields.optional_text("cursor"),
    )


def _events(services: Services, fields: Fields) -> dict[str, Any]:
    return query.run_events(
        services,
        fields.text("run_id"),
        cursor=fields.optional_text("cursor"),
        limit=fields.page_size(),
    )


def _logs(services: Services, fields: Fields) -> dict[str, Any]:
    return query.run_logs(
        services,
        fields.text("run_id"),
        cursor=fields.optional_text("cursor"),
        limit=fields.page_size(),
    )


def _queue(services: Services, fields: Fields) -> dict[str, Any]:
    return query.queue(services, limit=fields.page_size(), cursor=fields.optional_text("cursor"))


def _change_limit(
    change: Callable[..., None], services: Services, fields: Fields, **values: Any
) -> dict[str, Any]:
    key = fields.text("key")
    by, change_id = fields.optional_text("by"), fields.optional_text("change_id")
    change(services, key, **values, by=by or limits.BY, change_id=change_id)
    limit = services.admission.limit(key)
    return {} if limit is None else query.limit_document(services, limit)


def _rate(fields: Fields) -> Rate | None:
    said = fields.mapping("rate")
    if said is None:
        return None
    period, unknown = period_of(said.get("per")), set(said) - {"limit", "per", "burst"}
    numbers = (said.get("limit"), said.get("burst", 1))
    is_whole = all(isinstance(one, int) and not isinstance(one, bool) for one in numbers)
    if period is None or unknown or not is_whole or min(numbers) < 1:
        raise RequestError(
            f"The field 'rate' is {said!r}.",
            mend=f"Give limit and burst, each at least 1, and per: {PERIOD}.",
        )
    return Rate(limit=said["limit"], per=period, burst=said.get("burst", 1))


def _history(services: Services, fields: Fields) -> dict[str, Any]:
    return limits.history(
        services,
        fields.text("key"),
        limit=fields.page_size(),
        cursor=fields.optional_text("cursor"),
    )


_ACTIONS: dict[str, Callable[[Services, Fields], dict[str, Any]]] = {
    "definitions": lambda services, _: query.definitions(services),
    "limits.history": _history,
    "limits.list": lambda services, _: query.limits(services),
    "limits.pause": partial(_change_limit, limits.pause),
    "limits.resume": partial(_change_limit, limits.resume),
    "limits.set": lambda services, fields: _change_limit(
        limits.set_limit,
        services,
        fields,
        capacity=fields.optional_integer("capacity"),
        rate=_rate(fields),
        no_rate=fields.flag("no_rate"),
    ),
    "limits.show": lambda services, fields: query.show_limit(services, fields.text("key")),
    "materialize": _materialize,
    "queue": _queue,
    "runs.cancel": _cancel,
    "runs.cancel_many": _cancel_many,
    "runs.events": _events,
    "runs.list": _list_runs,
    "runs.logs": _logs,
    "runs.retry": _retry,
    "runs.show": lambda services, fields: query.show_run(services, fields.text("run_id")),
    "runs.status": lambda services, fields: query.run_status(services, fields.text("run_id")),
    "submit": _submit,
    **ACTIONS,
}
