"""Kinds of events of a run, by Dagster's names where the thing is Dagster's."""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    RUN_ENQUEUED = "RUN_ENQUEUED"
    RUN_STARTING = "RUN_STARTING"
    RUN_START = "RUN_START"
    RUN_SUCCESS = "RUN_SUCCESS"
    RUN_FAILURE = "RUN_FAILURE"
    RUN_CANCELING = "RUN_CANCELING"
    RUN_CANCELED = "RUN_CANCELED"
    STEP_WAITING = "STEP_WAITING"
    """Everything upstream is done; a limit has no room."""
    STEP_START = "STEP_START"
    STEP_UP_FOR_RETRY = "STEP_UP_FOR_RETRY"
    """An attempt failed; ``data["retry_at"]`` is when the next begins."""
    STEP_RESTARTED = "STEP_RESTARTED"
    """STEP_START of an attempt that is not the first."""
    STEP_OUTPUT = "STEP_OUTPUT"
    STEP_SUCCESS = "STEP_SUCCESS"
    STEP_FAILURE = "STEP_FAILURE"
    STEP_SKIPPED = "STEP_SKIPPED"
    STEP_CANCELED = "STEP_CANCELED"
    """It had begun when its run was stopped."""
    ASSET_MATERIALIZATION = "ASSET_MATERIALIZATION"
    LOG = "LOG"
    """A line the user code logged."""
    LOGS_CAPTURED = "LOGS_CAPTURED"
    """``data["key"]`` is where in the data bucket all log lines of the attempt are."""
    ENGINE_EVENT = "ENGINE_EVENT"
