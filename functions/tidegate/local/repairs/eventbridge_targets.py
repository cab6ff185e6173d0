"""EventBridge rules whose targets are Lambda functions.

moto: ``PutEvents`` raises ``NotImplementedError`` when a rule that matches has a Lambda function as target, and the event's ``time``
is a number.
AWS: the function is invoked asynchronously, at least once; ``time`` is ISO 8601.
Can go when moto invokes Lambda targets; the invocation would then have to be routed here again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from moto.events.models import Rule
from moto.events.utils import EventTemplateParser

from tidegate.local.repairs.patch import Repair

_send_to_targets = Rule.send_to_targets

Invoke = Callable[[str, dict[str, Any]], None]
"""Takes the ARN of a function and an event."""

_invoke: Invoke | None = None


def route(invoke: Invoke | None) -> None:
    """Who invokes functions from now on; None while no deployment is up."""
    global _invoke
    _invoke = invoke


def _with_functions(self: Rule, original_event: Any, transform_input: bool = True) -> None:
    targets = self.targets
    functions = [one for one in targets if ":lambda:" in one["Arn"]] if _invoke else []
    if functions and self.state == "ENABLED" and self.event_pattern.matches_event(original_event):
        for target in functions:
            _deliver(target, original_event)
    self.targets = [one for one in targets if one not in functions]
    try:
        _send_to_targets(self, original_event, transform_input)
    finally:
        self.targets = targets


def _deliver(target: Mapping[str, Any], original: Mapping[str, Any]) -> None:
    event = {name: value for name, value in original.items() if name != "ingestion-time"}
    if isinstance(event.get("time"), int | float):
        event["time"] = datetime.fromtimestamp(event["time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if "Input" in target:
        event = json.loads(target["Input"])
    elif "InputTransformer" in target:
        transformer = target["InputTransformer"]
        event = EventTemplateParser.parse(
            input_template=transformer["InputTemplate"],
            input_paths_map=transformer.get("InputPathsMap", {}),
            event=original,  # type: ignore[arg-type]
        )
    if _invoke is not None:
        _invoke(target["Arn"], event)


REPAIR = Repair("eventbridge targets", (Rule, "send_to_targets", _with_functions))
