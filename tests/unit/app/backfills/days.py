"""Assets by day, and their backfill in chunks of two runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate import (
    DailyPartitionsDefinition,
    Definitions,
    asset,
)
from tidegate.app.backfills.backfill import launch_backfill
from tidegate.app.backfills.target import BackfillRequest
from tidegate.domain.settings import Settings
from tidegate.manifest.compiler import compile_manifest
from tidegate.manifest.document import Manifest

DAYS = DailyPartitionsDefinition("2025-01-30", end_date="2025-02-04")


@asset(partitions_def=DAYS)
def raw() -> int:
    return 1


@asset(partitions_def=DAYS)
def clean(raw: int) -> int:
    return raw


def manifest(*assets: Any, version: str = "1") -> Manifest:
    return compile_manifest(Definitions(assets=[*assets]), location="here", code_version=version)


def _short() -> Manifest:
    """As above, of three days."""
    days = DailyPartitionsDefinition("2025-02-01", end_date="2025-02-04")
    return manifest(*(asset(partitions_def=days)(one.signature.function) for one in (raw, clean)))


PIPELINE, SHORT = manifest(raw, clean), _short()
SETTINGS = Settings(run_chunk_size=2, max_outstanding_runs=3, max_concurrent_runs=2)
ASKED = BackfillRequest(selection="*", all_partitions=True, backfill_id="one")
MakeWorld = Callable[[Manifest, Settings], Any]


def launch(tg: Any, request: BackfillRequest = ASKED) -> Any:
    return tg.again(lambda: launch_backfill(tg.services, request))


def status(tg: Any, backfill_id: str = "one") -> Any:
    return tg.store.automation.backfill(backfill_id)
