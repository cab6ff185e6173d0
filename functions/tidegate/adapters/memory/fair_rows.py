"""What fairness remembers, in memory: how far lines have come, and until when the turns of values are used up."""

from __future__ import annotations

from tidegate.domain.claim import Claim
from tidegate.domain.fairness import Pace, Turn


class FairRows:
    """Not locked by itself: it is part of what the store writes as one."""

    def __init__(self) -> None:
        self._reached: dict[tuple[str, str], int] = {}
        self._used_until: dict[tuple[str, str, str], int] = {}

    def pace(self, claim: Claim) -> Pace:
        flow = _flow_of(claim)
        return Pace(reached=self._reached.get(flow[:2]), used_until=self._used_until.get(flow))

    def reach(self, claim: Claim, place: int) -> None:
        line = _flow_of(claim)[:2]
        self._reached[line] = max(place, self._reached.get(line, place))

    def take(self, claim: Claim, turn: Turn) -> bool:
        flow = _flow_of(claim)
        if self._used_until.get(flow) != turn.was:
            return False
        self._used_until[flow] = turn.now
        return True

    def give_back(self, claim: Claim) -> None:
        """The turn of a claim that waits no longer, if it has one."""
        if claim.place is not None and claim.fair is not None:
            flow = _flow_of(claim)
            self._used_until[flow] = self._used_until.get(flow, 0) - claim.fair.cost


def _flow_of(claim: Claim) -> tuple[str, str, str]:
    assert claim.fair is not None
    return claim.fair.limit, claim.fair_class, claim.fair.name
