"""What a deployment has called, and what that costs: the bill.

User code is counted apart from the control plane, and so is what Step Functions does by itself.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tidegate.local.role import Role

Call = tuple[str, str]
"""(service, operation): ("dynamodb", "UpdateItem")."""


@dataclass(kw_only=True)
class Tally:
    """Calls and capacity of one role."""

    calls: Counter[Call] = field(default_factory=Counter)
    read_units: float = 0.0
    write_units: float = 0.0


class Calls:
    """Counts every AWS call by role. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tallies = {role: Tally() for role in Role}

    def add(self, role: Role, service: str, operation: str) -> None:
        with self._lock:
            self._tallies[role].calls[service, operation] += 1

    def consumed(self, role: Role, *, read_units: float = 0.0, write_units: float = 0.0) -> None:
        with self._lock:
            self._tallies[role].read_units += read_units
            self._tallies[role].write_units += write_units

    def of(self, *roles: Role) -> Tally:
        """A copy of what these roles did, together; of all when none is named."""
        with self._lock:
            return _sum(self._tallies[role] for role in (roles or Role))

    @property
    def control(self) -> Counter[Call]:
        """The control plane's calls."""
        return self.of(Role.CONTROL).calls

    def clear(self) -> None:
        with self._lock:
            self._tallies = {role: Tally() for role in Role}


def _sum(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for one in tallies:
        total.calls.update(one.calls)
        total.read_units += one.read_units
        total.write_units += one.write_units
    return total
