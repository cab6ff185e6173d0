"""What happens in a schedule, drawn from a seed: limits, claims, and the calls about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

from tests.simulation.calls import Call, acquiring, cancelling, rating, setting, trying
from tidegate.adapters.memory.admission import MemoryAdmissionStore
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import UNLIMITED, Claim, Limit, Want
from tidegate.domain.fairness import Share
from tidegate.domain.rate import Rate

START = datetime(2026, 1, 1, tzinfo=UTC)
MOST_UNITS = 3


@dataclass(frozen=True)
class Rules:
    """How a schedule is drawn."""

    admission: type[Admission] = Admission
    store: type[MemoryAdmissionStore] = MemoryAdmissionStore
    wide: bool = False
    rates: bool = False
    """Limits may have rates, and time passes."""
    fair: bool = False
    """Limits may have fairness."""
    rush: bool = False
    """One limit whose slots are released at the same moment."""
    backlog: bool = False
    """One limit with fairness, for which many wait."""
    faults: float = 0.0
    """Chance of a fault at each access."""
    together: int = 3
    """Calls on their way at once, at most."""
    claims: tuple[int, int] = (2, 5)
    abandon: bool = False
    """Crashed calls are never repeated; a sweep repairs what they left."""
    beliefs: bool = True
    """Most who release a claim say what they believe it holds, rightly or wrongly."""


def belief_of(claim: Claim, rules: Rules, draw: Random) -> tuple[Want, ...]:
    """What somebody believes a claim holds: what it wants, something else, or, if empty, nothing."""
    if not rules.beliefs or draw.random() < 0.3:
        return ()
    first, *others = claim.wants
    if draw.random() < 0.6:
        return claim.wants
    another = Want(limit=draw.choice("LMN"))
    wrong = [(another, *others), (*claim.wants, another), tuple(others)]
    wrong += [(replace(first, units=units), *others) for units in (1, 2, MOST_UNITS)]
    return draw.choice(wrong)


class Schedule:
    """Puts limits into the store; draws claims, and the calls about them in the order they may begin."""

    def __init__(self, rules: Rules, random: Random, store: MemoryAdmissionStore) -> None:
        self._rules, self._random, self._store = rules, random, store
        self.claims: dict[str, Claim] = {}
        self.calls: list[Call] = []
        if rules.backlog:
            self._backlog()
        elif rules.rush:
            self._rush()
        else:
            self._mixture()

    def _backlog(self) -> None:
        draw = self._random
        self._store.create_limit(Limit(key="L", capacity=draw.choice((1, 1, 2))))
        weights = {value: draw.choice((1, 1, 2, 3)) for value in "abc"[: draw.randint(2, 3)]}
        for number in range(draw.randint(*self._rules.claims)):
            value = draw.choice(sorted(weights))
            claim = Claim(
                claim_id=f"c{number:02}",
                wants=(Want(limit="L"),),
                enqueued_at=START,
                fair=Share(limit="L", value=value, weight=weights[value]),
            )
            self.claims[claim.claim_id] = claim
            self.calls.append(acquiring(claim))
            if draw.random() < 0.05:
                self.calls.append(self._cancelling(claim))
        draw.shuffle(self.calls)

    def _rush(self) -> None:
        draw = self._random
        self._store.create_limit(Limit(key="L", capacity=draw.randint(2, 4)))
        for number in range(draw.randint(*self._rules.claims)):
            wants = [Want(limit="L")]
            if draw.random() < 0.1:
                wants.append(Want(limit="M", capacity=9))
            claim = Claim(
                claim_id=f"c{number:02}",
                wants=tuple(wants),
                priority=draw.choice((0, 0, 0, 0, 1)),
                enqueued_at=START + timedelta(seconds=draw.randint(0, 9)),
            )
            self.claims[claim.claim_id] = claim
            self.calls.append(acquiring(claim))
            if draw.random() < 0.1:
                self.calls.append(self._cancelling(claim))
        if draw.random() < 0.3:
            self.calls.append(setting("L", draw.randint(1, 5)))
        draw.shuffle(self.calls)

    def _mixture(self) -> None:
        draw = self._random
        keys = ["L", "M", "N"][: draw.randint(1, 3)]
        for key in keys:
            if draw.random() < 0.8:
                capacity = draw.choice((0, 1, 1, 1, 2, 2, 3, UNLIMITED))
                self._store.create_limit(Limit(key=key, capacity=capacity, source="settings"))
            if self._rules.rates and draw.random() < 0.5:
                was = self._store.line(key, 0).limit or Limit(key=key, capacity=UNLIMITED)
                self._store.create_limit(was)
                self._store.set_limit(replace(was, rate=self._rate()), was=was)
                self._store.set_gate(self._store.create_limit(was), None)
        fair = [key for key in keys if self._rules.fair and draw.random() < 0.6]
        for number in range(draw.randint(*self._rules.claims)):
            limits = draw.sample(keys, draw.randint(1, len(keys)))
            most = MOST_UNITS if self._rules.wide else 1
            claim = Claim(
                claim_id=f"c{number}",
                wants=tuple(
                    Want(limit=key, units=draw.randint(1, most), capacity=draw.choice((None, 1, 2)))
                    for key in limits
                ),
                priority=draw.choice((0, 0, 0, 1)),
                enqueued_at=START + timedelta(seconds=draw.randint(0, 9)),
            )
            governed = [key for key in limits if key in fair]
            if governed:
                claim = replace(claim, fair=self._share(governed[0]))
            self.claims[claim.claim_id] = claim
            asking = trying if draw.random() < 0.08 else acquiring
            self.calls.append(asking(claim))
            if draw.random() < 0.15:
                self.calls.append(asking(claim))
            if draw.random() < 0.15:
                self.calls.append(self._cancelling(claim))
        for key in keys:
            if draw.random() < 0.25:
                self.calls.append(setting(key, draw.choice((0, 1, 2, 3, UNLIMITED))))
            if self._rules.rates and draw.random() < 0.15:
                self.calls.append(rating(key, draw.choice((None, self._rate()))))
        draw.shuffle(self.calls)

    def _cancelling(self, claim: Claim) -> Call:
        return cancelling(claim.claim_id, belief_of(claim, self._rules, self._random))

    def _rate(self) -> Rate:
        draw = self._random
        per = timedelta(seconds=draw.randint(1, 3))
        return Rate(limit=draw.randint(1, 3), per=per, burst=draw.randint(1, 2))

    def _share(self, limit: str) -> Share:
        value = self._random.choice("ab")
        lead = timedelta(seconds=self._random.choice((0, 0, 0, 10)))
        return Share(limit=limit, value=value, weight=1 + "ab".index(value), lead=lead)
