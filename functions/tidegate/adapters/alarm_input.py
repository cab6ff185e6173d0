"""What an alarm is on the state machine ``alarm.asl.json``: its input, and the name of its execution."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any


def alarm_input(at: datetime, task: Mapping[str, Any]) -> dict[str, Any]:
    """The task, and ``at``: the moment in milliseconds, rounded up, so that it is never before the one asked for."""
    up = timedelta(microseconds=-at.microsecond % 1000)
    moment = (at + up).astimezone(UTC).isoformat(timespec="milliseconds")
    return {**task, "at": moment.replace("+00:00", "Z")}


def alarm_name(document: Mapping[str, Any], *more: object) -> str:
    """The same for the same moment and task; another with each value of ``more``."""
    said = json.dumps([document, *more], sort_keys=True, default=str)
    return f"{document['kind']}-{hashlib.sha256(said.encode()).hexdigest()[:40]}"
