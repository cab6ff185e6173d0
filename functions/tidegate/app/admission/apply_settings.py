"""Apply settings: bring limits to the capacities and rates that settings give them, outright or by a rule.

A limit somebody changed by hand keeps that value until the settings for it change; a paused one stays paused. The settings
applied last are kept in the bucket, so a start with unchanged settings costs one read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from tidegate.app.admission.limits import Decision, by_rule, change, set_lines
from tidegate.app.services import Services
from tidegate.domain.conflict import is_line
from tidegate.domain.limit import configured_limits, job_key
from tidegate.domain.pause import Setting, setting_of
from tidegate.domain.settings import Settings

APPLIED = "control/settings.json"
BY = "settings"
"""Who changes a limit when a deploy does."""
_BY_RULE = ("default", "unset")


def apply_settings(services: Services) -> list[str]:
    """Set what changed since the settings were applied last. Answers the keys. Twice is once."""
    wanted: dict[str, Any] = {
        "limits": configured_limits(services.settings),
        "rates": {key: one.to_json() for key, one in services.settings.rates.items()},
        "rules": _rules(services.settings),
        "policies": {name: one.on_conflict for name, one in services.settings.jobs.items()},
    }
    body = services.blobs.get(APPLIED)
    applied = json.loads(body) if body else {}
    if all(applied.get(name, {}) == wanted[name] for name in wanted):
        return []
    number = int(applied.get("number", 0)) + 1
    changed = []
    for key, wish in _wishes(services, wanted, applied):
        decide = partial(_decide, number, key, wish)
        if change(services, key, decide, action="settings", by=BY):
            changed.append(key)
    for name, policy in wanted["policies"].items():
        if applied.get("policies", {}).get(name) != policy:
            set_lines(services, job_key(name))
    services.blobs.put(APPLIED, json.dumps(wanted | {"number": number}, sort_keys=True).encode())
    return changed


def _decide(number: int, key: str, wish: Setting, before: Setting | None) -> Decision | None:
    """A paused limit stays paused."""
    if before is not None and before.is_paused:
        wish = replace(wish, is_paused=True)
    return None if before == wish else (_change_id(number, key, before, wish), wish)


def _change_id(number: int, key: str, before: Setting | None, wish: Setting) -> str:
    """Two functions that start at once find the same, and make one change of it."""
    said = [None if before is None else before.to_json(), wish.to_json()]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return f"settings/{number}/{key}/{digest[:12]}"


def _wishes(
    services: Services, wanted: Mapping[str, Any], applied: Mapping[str, Any]
) -> Iterator[tuple[str, Setting]]:
    """What each limit should be that the change of settings is about."""
    was: Mapping[str, int] = applied.get("limits", {})
    rates: Mapping[str, Any] = applied.get("rates", {})
    for key, capacity in wanted["limits"].items():
        if was.get(key) != capacity or rates.get(key) != wanted["rates"].get(key):
            rate = services.settings.rates.get(key)
            yield key, Setting(capacity=capacity, rate=rate, source="settings")
    for key in was:
        if key not in wanted["limits"]:
            yield key, by_rule(services, key)
    if applied.get("rules") != wanted["rules"] or _of_values(rates) != _of_values(wanted["rates"]):
        for limit in services.admission.limits():
            named = limit.key in wanted["limits"] or limit.key in was or is_line(limit.key)
            if not named and setting_of(limit).source in _BY_RULE:
                yield limit.key, by_rule(services, limit.key)


def _of_values(rates: Mapping[str, Any]) -> dict[str, Any]:
    """Rates by a rule for each value of a tag."""
    return {key: one for key, one in rates.items() if key.endswith("=")}


def _rules(settings: Settings) -> dict[str, Any]:
    """All in settings from which the capacity of a limit that is not named follows."""
    return {
        "default_pool_limit": settings.default_pool_limit,
        "op_granularity_run_buffer": settings.op_granularity_run_buffer,
        "per_unique_value": {
            rule.key: rule.limit for rule in settings.tag_limits if rule.per_unique_value
        },
    }
