"""Who makes which partitions now: a run holds them from before it asks for slots until its end, and no two the same.

Holds are kept by the rows and members of ``state.py``: a row holds members of an asset, each of one run. See
``docs/adr/0012-a-run-holds-its-partitions.md``.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tidegate.domain.conflict import SKIPPED
from tidegate.domain.run import AT_TURN
from tidegate.errors import RequestError

ON_RUNNING_TAG = "tidegate/on_running"
LONG = 512
"""Characters of a text that lists members from which on it is compressed."""


class OnRunning(StrEnum):
    """What a run does about partitions that another run holds."""

    WAIT = "wait"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Members of one row that one run holds, or wants."""

    holder: str
    """The run, with its turn: ``Run.holder``."""
    members: frozenset[str]

    @property
    def run_id(self) -> str:
        return self.holder.partition(AT_TURN)[0]

    @property
    def turn(self) -> int:
        return int(self.holder.partition(AT_TURN)[2] or 0)

    @property
    def text(self) -> str:
        """How it is kept: one member as it is, several as ranges, or listed, compressed."""
        if len(self.members) == 1:
            return f"{self.holder}#={next(iter(self.members))}"
        listed = json.dumps(_listed(self.members), separators=(",", ":"))
        if len(listed) < LONG:
            return f"{self.holder}#+{listed}"
        return f"{self.holder}#*{base64.b64encode(zlib.compress(listed.encode(), 6)).decode()}"

    @classmethod
    def read(cls, text: str) -> Hold:
        holder, _, said = text.partition("#")
        kind, listed = said[:1], said[1:]
        if kind == "=":
            return cls(holder=holder, members=frozenset({listed}))
        if kind == "*":
            listed = zlib.decompress(base64.b64decode(listed)).decode()
        return cls(holder=holder, members=_members(json.loads(listed)))


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRow:
    """One row as it is stored."""

    asset: str
    row: str
    taken: frozenset[str] = frozenset()
    holds: frozenset[str] = frozenset()
    """Each a ``Hold.text``."""
    awaited: frozenset[str] = frozenset()
    """Holders for which others wait."""
    version: int = 0
    """Grows whenever something is taken."""

    def of(self, holder: str) -> tuple[Hold, ...]:
        """What a run holds here: all that it makes of this row, or nothing."""
        return tuple(Hold.read(one) for one in self.holds if one.startswith(f"{holder}#"))

    def against(self, wanted: Hold) -> tuple[str, Hold] | None:
        """The first member that another run holds, and what that run holds; None: all are free, or its own."""
        for text in sorted(self.holds):
            if not text.startswith(f"{wanted.holder}#"):
                hold = Hold.read(text)
                both = hold.members & wanted.members
                if both:
                    return min(both, key=_order), hold
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Why a run cannot have its partitions now."""

    asset: str
    partition: str
    run_id: str
    """The run that holds it."""
    holder: str

    def __str__(self) -> str:
        return f"partition {self.partition} of {self.asset} is being made by run {self.run_id}"


def on_running(tags: dict[str, str]) -> OnRunning:
    """
    Raises:
        RequestError: the tag says something else.
    """
    said = tags.get(ON_RUNNING_TAG, OnRunning.WAIT)
    if said not in list(OnRunning):
        raise RequestError(
            f"Tag {ON_RUNNING_TAG} is {said!r}.", mend=f"Give {' or '.join(OnRunning)}."
        )
    return OnRunning(said)


def skipped_for(blocked: Blocked) -> str:
    """Why a run that would not wait did not run."""
    return f"{SKIPPED}{blocked}"


def _order(member: str) -> tuple[int, str]:
    return len(member) if member.isdecimal() else 0, member


def _listed(members: Iterable[str]) -> list[str] | list[list[int]]:
    """Numbers as ranges, both ends included; names as they are."""
    names = list(members)
    if not all(one.isascii() and one.isdecimal() and str(int(one)) == one for one in names):
        return sorted(names)
    ranges: list[list[int]] = []
    for number in sorted(map(int, names)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges


def _members(listed: list[str] | list[list[int]]) -> frozenset[str]:
    found: set[str] = set()
    for one in listed:
        found.update([one] if isinstance(one, str) else map(str, range(one[0], one[1] + 1)))
    return frozenset(found)
