"""What a backfill must know of assets: their partitions, what they are made of, and which go together in one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.domain.backfills.policy import BackfillPolicy
from tidegate.domain.partitions.definition import PartitionsDefinition, PartitionSpace
from tidegate.domain.partitions.mapping import WHOLE, PartitionMapping
from tidegate.domain.partitions.partition_set import PartitionSet


@dataclass(frozen=True, kw_only=True)
class BackfillNode:
    """One asset of a backfill."""

    key: str
    definition: PartitionsDefinition | None
    step: str
    """Assets of one step that cannot be told apart go together."""
    is_whole_step: bool = True
    upstream: Mapping[str, PartitionMapping] = field(default_factory=dict)
    """Assets of the same backfill, or itself, that it is made of."""
    policy: BackfillPolicy | None = None
    space: PartitionSpace = WHOLE

    @property
    def own(self) -> PartitionMapping | None:
        """How it is made of its own earlier partitions."""
        return self.upstream.get(self.key)


Nodes = Mapping[str, BackfillNode]
"""Upstream first."""


def group(nodes: Nodes, target: Mapping[str, PartitionSet]) -> tuple[tuple[str, ...], ...]:
    """Assets that go together in one run, groups upstream first.

    They have the same partitions, policy and target, and what one needs of another is the same partition; and no group
    needs, by way of others, itself.
    """
    groups: list[list[str]] = []
    above: list[set[int]] = []
    """Group -> all groups that it needs, by way of others too."""
    home: dict[str, int] = {}
    for step in _steps(nodes):
        parents = {up for key in step for up in nodes[key].upstream if up not in step}
        needed = {home[up] for up in parents}
        needed |= {more for one in needed for more in above[one]}
        place = next(
            (
                n
                for n, known in enumerate(groups)
                if _fits(nodes, target, step, known, n, home, above)
            ),
            None,
        )
        if place is None:
            place = len(groups)
            groups.append([])
            above.append(set())
        groups[place] += step
        home |= dict.fromkeys(step, place)
        above[place] |= needed - {place}
        for one in above:
            if place in one:
                one |= above[place]
    order = sorted(range(len(groups)), key=lambda n: len(above[n]))
    return tuple(tuple(groups[n]) for n in order)


def _steps(nodes: Nodes) -> list[list[str]]:
    """Assets that one step makes at once, each such set once, in order of the last of them."""
    whole: dict[str, list[str]] = {}
    for key, node in nodes.items():
        whole.setdefault(node.step if node.is_whole_step else key, []).append(key)
    return list(whole.values())


def _fits(
    nodes: Nodes,
    target: Mapping[str, PartitionSet],
    step: Sequence[str],
    known: Sequence[str],
    place: int,
    home: Mapping[str, int],
    above: Sequence[set[int]],
) -> bool:
    """Whether the assets of a step can be made in the runs of a group."""
    first, other = nodes[known[0]], nodes[step[0]]
    if first.own is not None or any(nodes[key].own is not None for key in step):
        return False
    if first.definition != other.definition or first.policy != other.policy:
        return False
    if any(target[key] != target[known[0]] for key in step):
        return False
    for key in step:
        for up, mapping in nodes[key].upstream.items():
            if up in step:
                continue
            if home[up] == place:
                if not mapping.is_identity() and nodes[key].definition is not None:
                    return False
            elif place in above[home[up]]:
                return False
    return True
