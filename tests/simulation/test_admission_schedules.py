"""Random schedules of admission: calls that interleave and crash at every access of the store.

``TIDEGATE_SCHEDULES`` sets how many are run. A failure prints its seed, its rules and the last accesses; the same seed and rules
are the same schedule again.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests.simulation.invariants import Violation
from tests.simulation.schedule import Rules
from tests.simulation.world import World
from tidegate.adapters.memory.admission import MemoryAdmissionStore
from tidegate.app.admission import line as lines
from tidegate.app.admission import release as protocol
from tidegate.app.admission import turns
from tidegate.app.admission.engine import Admission
from tidegate.app.admission.line import Candidate, Lines
from tidegate.app.admission.pump import Pump
from tidegate.domain.claim import NOTHING, Claim, Line, Offer, Refusal, Spend, Standing
from tidegate.domain.fairness import Turn

SCHEDULES = int(os.environ.get("TIDEGATE_SCHEDULES", "100000"))
PARTS = 20

KINDS = {
    "one after another": Rules(claims=(2, 4), together=1),
    "interleaved": Rules(claims=(2, 3)),
    "with faults": Rules(claims=(2, 3), faults=0.08, together=2),
    "wide": Rules(claims=(2, 3), wide=True, faults=0.03),
    "never repeated": Rules(claims=(2, 3), faults=0.08, abandon=True),
    "crowded": Rules(claims=(5, 8), together=5, faults=0.03),
    "rates": Rules(claims=(2, 4), rates=True, faults=0.03),
    "wide and rates": Rules(claims=(2, 4), rates=True, wide=True, faults=0.03),
    "fair": Rules(claims=(2, 4), fair=True, faults=0.03),
    "backlog": Rules(claims=(6, 11), backlog=True, together=1, faults=0.02),
    "crowded backlog": Rules(claims=(6, 11), backlog=True),
    "rush": Rules(claims=(8, 13), together=7, rush=True, faults=0.02),
    "rush without faults": Rules(claims=(8, 13), together=6, rush=True),
    "crowd": Rules(claims=(8, 12), together=6, faults=0.03),
    "crowded and wide": Rules(claims=(5, 8), together=4, wide=True),
}
WEIGHTED = [
    *["one after another", "interleaved", "with faults", "wide", "never repeated"] * 4,
    *["rates", "fair"] * 2,
    *["crowded", "crowded and wide", "wide and rates", "backlog", "crowded backlog"],
    *["rush", "rush without faults", "crowd"],
]


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    """A schedule leaves hardly a ring of references behind: looking for them would be an eighth of the time."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("part", range(PARTS))
def test_invariants_hold_after_every_access(part: int) -> None:
    for seed in range(part, SCHEDULES, PARTS):
        World(seed, KINDS[WEIGHTED[seed // PARTS % len(WEIGHTED)]]).run()


@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        pytest.param("rates", 603, id="asked again it started before the rate allowed it"),
        pytest.param("rates", 128, id="the same"),
        pytest.param("rates", 742, id="and again"),
        pytest.param("rates", 2478, id="and once more"),
        pytest.param("crowded and wide", 169, id="room was kept for who could have none elsewhere"),
        pytest.param("with faults", 53021, id="nobody looked where a dead call had moved a queue"),
        pytest.param("crowded", 189, id="it granted others and crashed before its own claim was"),
        pytest.param("crowded", 69508, id="it handed on and died before it let go"),
    ],
)
def test_what_once_failed_holds(kind: str, seed: int) -> None:
    World(seed, replace(KINDS[kind], beliefs=False)).run()


def test_the_same_seed_is_the_same_schedule() -> None:
    first, second = World(7, KINDS["with faults"]), World(7, KINDS["with faults"])

    first.run()
    second.run()

    assert [one[1:] for one in first.history] == [one[1:] for one in second.history]


# -- The simulation would notice


class NoLookAfterParking(Admission):
    def _settle(self, claim: Claim, pump: Pump) -> None:
        self._lines.place(claim)


class NoPlaceAfterParking(Admission):
    def _settle(self, claim: Claim, pump: Pump) -> None:
        if not claim.wants_several:
            super()._settle(claim, pump)


class ReleasesWhatIsNotHeld(MemoryAdmissionStore):
    def _not_holding(self, claim: Claim) -> tuple[str, ...]:
        return ()


class ReleasesWhatIsOnlyBelieved(MemoryAdmissionStore):
    """Whatever a claim wants that holds something."""

    def _not_as_believed(self, claim: Claim) -> tuple[str, ...]:
        stored = self._claims.get(claim.claim_id)
        return (claim.claim_id,) if stored is not None and stored.handed_to else ()


class ForgetsWhatItGranted(MemoryAdmissionStore):
    """Who believes what a claim holds is not told of what calls about it have granted."""

    def _not_as_believed(self, claim: Claim) -> tuple[str, ...]:
        stored = self._claims.get(claim.claim_id)
        return () if stored is not None and stored.wants_as(claim) else (claim.claim_id,)


class GrantsWhatDoesNotWait(MemoryAdmissionStore):
    def _not_waiting(self, claim: Claim) -> tuple[str, ...]:
        return ()


class NoGate(MemoryAdmissionStore):
    def admit(self, claim: Claim, *, spend: Mapping[str, Spend] = NOTHING) -> Refusal | None:
        for key in {want.limit for want in claim.wants} & set(self._limits):
            limit = self._limits[key].limit
            if limit is not None:
                self.set_gate(limit, None)
        return super().admit(claim, spend=spend)


class TakesNoTurns(MemoryAdmissionStore):
    def park(self, claim: Claim, *, turn: Turn | None = None) -> bool:
        return super().park(claim)


class SpendsNothing(MemoryAdmissionStore):
    def _spend(self, spend: Mapping[str, Spend]) -> None:
        pass


class CountsTwice(MemoryAdmissionStore):
    def release(
        self,
        claim: Claim,
        *,
        to: Claim | None,
        closing: Collection[str],
        expires_at: datetime,
        spend: Mapping[str, Spend] = NOTHING,
        offer: Offer | None = None,
        believed: bool = False,
    ) -> Refusal | None:
        refusal = super().release(
            claim,
            to=to,
            spend=spend,
            closing=closing,
            expires_at=expires_at,
            offer=offer,
            believed=believed,
        )
        if refusal is None and to is not None:
            self._take(to.wants[0], to.wants[0].units)
        return refusal


PLAIN = (
    Rules(claims=(3, 5)),
    Rules(claims=(3, 5), faults=0.08),
    Rules(claims=(3, 4), together=1),
)
WIDE = (Rules(claims=(3, 5), wide=True),)
RATED = (Rules(claims=(3, 4), rates=True),)
RUSH = (Rules(claims=(8, 13), together=6, rush=True),)
BACKLOG = (Rules(claims=(8, 14), backlog=True, together=1),)

MUTATIONS = {
    "no look at the limit after parking": (NoLookAfterParking, MemoryAdmissionStore, PLAIN),
    "a queue is not put in a line": (NoPlaceAfterParking, MemoryAdmissionStore, PLAIN),
    "a release of what is not held": (Admission, ReleasesWhatIsNotHeld, PLAIN),
    "a release of what is only believed to be held": (
        Admission,
        ReleasesWhatIsOnlyBelieved,
        PLAIN,
    ),
    "a release that forgets what its claim granted": (Admission, ForgetsWhatItGranted, PLAIN),
    "a grant of what does not wait": (Admission, GrantsWhatDoesNotWait, PLAIN),
    "the gate lets everyone in": (Admission, NoGate, PLAIN),
    "a hand-off that counts": (Admission, CountsTwice, PLAIN),
    "a start that uses up no time": (Admission, SpendsNothing, RATED),
    "a place that uses up no turn": (Admission, TakesNoTurns, BACKLOG),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_broken_protocol_is_found(mutation: str) -> None:
    admission, store, kinds = MUTATIONS[mutation]

    assert found_within(2000, kinds, admission=admission, store=store)


def test_a_missing_look_after_a_release_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_to_look_at", lambda claim, to, lines: [])

    assert found_within(2000, PLAIN)


def test_leaving_the_first_in_line_to_an_offer_nobody_made_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = Line.left_to_others
    monkeypatch.setattr(Line, "left_to_others", lambda *seen: left(*seen) + 1)

    assert found_within(2000, RUSH)


def test_heeding_an_offer_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    left = Line.left_to_others
    monkeypatch.setattr(Line, "left_to_others", lambda *seen: 2 * left(*seen))

    assert found_within(5000, RUSH)


def test_offering_a_slot_that_is_only_believed_to_be_there_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer = MemoryAdmissionStore.offer
    monkeypatch.setattr(
        MemoryAdmissionStore, "offer", lambda self, key, one, believed: offer(self, key, one)
    )

    assert found_within(5000, [replace(one, beliefs=True) for one in RUSH])


def test_an_open_gate_after_a_release_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_may_be_awaited", lambda line: False)

    assert found_within(20000, PLAIN)


def test_a_claim_that_blocks_a_limit_too_small_for_it_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "_is_passed", lambda claim, limit, waiting: False)
    monkeypatch.setattr(Lines, "first", _first_of_all)

    assert found_within(2000, WIDE)


def _first_of_all(self: Lines, key: str, read: Line) -> Candidate | None:
    for _, candidate in self._in_order({key: read}):
        return candidate
    return None


def test_a_value_that_saves_up_turns_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "virtual_time", lambda pace, first, clock: 0)

    assert found_within(2000, BACKLOG)


def test_a_queue_that_is_never_put_in_its_place_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose first claim came later than its rank says is served too early."""
    monkeypatch.setattr(Lines, "_in_order", _in_stored_order)

    assert found_within(5000, PLAIN)


def _in_stored_order(lines: Lines, of: dict[str, Line]) -> Iterator[object]:
    for key, line in of.items():
        for entry in line.entries:
            candidate = (
                lines._candidate(entry) if isinstance(entry, Standing) else Candidate(claim=entry)
            )
            if candidate is not None:
                yield key, candidate


def found_within(schedules: int, kinds: Sequence[Rules], **broken: Any) -> bool:
    """Whether one of so many schedules of these kinds finds what is broken in them."""
    drawn = [replace(one, **broken) for one in kinds]
    for seed in range(schedules):
        try:
            World(seed, drawn[seed % len(drawn)]).run()
        except Violation:
            return True
        except Exception as error:
            # A broken store may break the call that trusts it: that is found too.
            if not isinstance(error, KeyError | AssertionError):
                raise
            return True
    return False
