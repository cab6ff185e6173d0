"""The deployment's event bus on EventBridge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tidegate.adapters.answers import THROTTLED
from tidegate.adapters.aws.clients import answered, client
from tidegate.errors import ThrottledError, UnavailableError

SOURCE = "tidegate"
BUS = "tidegate"
RUN_STATUS = "tidegate.run"
"""Detail type of a run's change of status."""


class EventBridgeBus:
    """``tidegate.ports.Bus``: each event has source ``tidegate``, its detail type, and its detail as JSON."""

    def __init__(self, bus: str = BUS, *, events: Any = None) -> None:
        self._bus = bus
        self._events = events

    def publish(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """
        Raises:
            ThrottledError, UnavailableError: it may not have been published, try again.
        """
        entry = {
            "Source": SOURCE,
            "DetailType": detail_type,
            "Detail": json.dumps(dict(detail), separators=(",", ":")),
            "EventBusName": self._bus,
        }
        call = f"Publishing {detail_type} on bus {self._bus}"
        with answered(call, mend=f"Check that bus {self._bus} exists."):
            answer = (self._events or client("events")).put_events(Entries=[entry])
        if answer.get("FailedEntryCount"):
            # PutEvents answers 200 even when it took nothing.
            failed = answer["Entries"][0]
            kind = ThrottledError if failed.get("ErrorCode") in THROTTLED else UnavailableError
            raise kind(f"{call} failed: {failed.get('ErrorCode')}: {failed.get('ErrorMessage')}")
