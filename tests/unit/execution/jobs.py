"""Jobs of one op."""

from __future__ import annotations

from typing import Any

from tidegate import job


def job_of(operation: Any) -> Any:
    @job
    def the_job() -> None:
        operation()

    return the_job
