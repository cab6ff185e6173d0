"""Every AWS call of the control plane fails, in every way it can: whole runs end as they do when nothing fails.

Each scenario is played once, and at each call the process is forked: see ``forks.py``. By default faults take turns, and some
calls are struck. ``make faults`` sets ``TIDEGATE_FAULTS=all``: every fault strikes at every call, which is some ten thousand
faults and takes an hour or two of a core. Kinds of faults, with commas between, strike everywhere alone.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable

import pytest

from tests.simulation.forks import Call, Struck
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.whole_runs import strike
from tidegate.local.faults import Fault

ASKED = os.environ.get("TIDEGATE_FAULTS")
EVERYWHERE = [*Fault] if ASKED == "all" else [*map(Fault, ASKED.split(","))] if ASKED else []
SAID = "faults"
"""Of the properties of a test: what is shown when all tests are done, see ``tests/conftest.py``."""
NOBODY_CALLS_AGAIN = (Fault.ABANDONED, Fault.LOST)
"""What only the sweep makes good."""
READS = 2
"""Reads are struck so many times less often: what a crash leaves behind, it left after the last write."""


class Turns:
    """Of the faults that can strike a call, the one whose turn was longest ago."""

    def __init__(self, one_of: int) -> None:
        self._one_of = one_of
        self._waiting = list(Fault)
        self._seen: Counter[bool] = Counter()

    def __call__(self, call: Call) -> Iterable[Fault]:
        if EVERYWHERE:
            return EVERYWHERE
        self._seen[call.writes] += 1
        if self._seen[call.writes] % (self._one_of * (1 if call.writes else READS)):
            return []
        for fault in self._waiting:
            if call.can(fault):
                self._waiting.remove(fault)
                self._waiting.append(fault)
                return [fault]
        return []


@pytest.mark.parametrize("name", SCENARIOS)
def test_whatever_fails_wherever_it_all_ends_as_if_nothing_had(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    calm, forks = strike(name, Turns(SCENARIOS[name].one_of))

    wrong = [f"{one}: {said}" for one in forks.struck for said in _wrong(one, calm)]
    record_property(SAID, _said(name, forks.calls, forks.struck))
    assert calm["left over"] == []
    assert calm["repairs"] == {}
    assert {times for *_, times in calm["ran"]} == {1}
    assert len(forks.struck) >= len(forks.calls) // 16
    assert not wrong, "\n".join(wrong)


def _wrong(one: Struck, calm: dict[str, object]) -> Iterable[str]:
    """What is not as it would be without the fault."""
    if "died" in one.outcome:
        yield one.outcome["died"]
        return
    for part, expected in calm.items():
        if part != "repairs" and one.outcome[part] != expected:
            yield f"{part} is {one.outcome[part]}, not {expected}"
    repairs = one.outcome["repairs"]
    if one.fault is Fault.LOST and sum(repairs.values()) > 1:
        # What is lost when it is told a second time anyway, or is told in vain, needs no repair.
        yield f"the sweep should repair it once: {repairs}"
    is_wake_up = (one.call.service, one.call.operation) == ("lambda", "Invoke")
    if repairs and not is_wake_up and one.fault not in NOBODY_CALLS_AGAIN:
        yield f"it should not have needed the sweep: {repairs}"


def _said(name: str, calls: list[Call], struck: list[Struck]) -> dict[str, object]:
    faults = Counter(str(one.fault) for one in struck)
    repairs: Counter[str] = Counter()
    for one in struck:
        repairs.update(one.outcome.get("repairs", {}))
    return {"of": name, "calls": len(calls), "faults": dict(faults), "repairs": dict(repairs)}
