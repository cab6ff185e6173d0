"""The event bus."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.adapters.aws.bus import EventBridgeBus
from tidegate.adapters.memory.bus import MemoryBus
from tidegate.errors import ThrottledError, UnavailableError


class Events:
    """EventBridge, as far as a bus calls it."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.entries: list[dict[str, Any]] = []

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.entries += Entries
        return self.answer


def test_an_event_goes_to_the_deployments_bus_with_its_detail() -> None:
    events = Events({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]})

    EventBridgeBus("tidegate", events=events).publish("tidegate.run", {"run_id": "r", "n": 1})

    assert [{**one, "Detail": json.loads(one["Detail"])} for one in events.entries] == [
        {
            "Source": "tidegate",
            "DetailType": "tidegate.run",
            "Detail": {"run_id": "r", "n": 1},
            "EventBusName": "tidegate",
        }
    ]


@pytest.mark.parametrize(
    ("code", "kind"),
    [("ThrottlingException", ThrottledError), ("InternalFailure", UnavailableError)],
)
def test_an_entry_that_was_not_taken_is_an_error_although_the_call_succeeded(
    code: str, kind: type[Exception]
) -> None:
    events = Events({"FailedEntryCount": 1, "Entries": [{"ErrorCode": code, "ErrorMessage": "no"}]})

    with pytest.raises(kind, match=f"Publishing tidegate.run on bus tidegate failed: {code}"):
        EventBridgeBus("tidegate", events=events).publish("tidegate.run", {})


def test_the_bus_in_memory_keeps_what_was_published() -> None:
    bus, detail = MemoryBus(), {"run_id": "r"}

    bus.publish("tidegate.run", detail)
    detail["run_id"] = "changed"

    assert bus.published == [("tidegate.run", {"run_id": "r"})]
