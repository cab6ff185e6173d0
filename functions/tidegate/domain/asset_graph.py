"""Which asset is made of which: closures, order and cycles. Keys are strings, parts joined with
``/``."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

K = TypeVar("K")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetNode:
    """One asset, as far as selections ask."""

    key: str
    deps: tuple[str, ...] = ()
    step: str | None = None
    """The step that makes it; None: external."""
    group: str = "default"
    tags: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


class AssetGraph:
    """Assets in a given order. Deps that are no node of it are left out, and that of an asset on itself."""

    def __init__(self, nodes: Iterable[AssetNode]) -> None:
        self.nodes = {node.key: node for node in nodes}

    @classmethod
    def of_documents(cls, assets: Mapping[str, Mapping[str, Any]]) -> AssetGraph:
        """The graph of a manifest's ``assets``."""
        return cls(
            AssetNode(
                key=key,
                deps=tuple(one["deps"]),
                step=one["step"],
                group=one["group"],
                tags=one["tags"],
                kinds=tuple(one["kinds"]),
                owners=tuple(one["owners"]),
            )
            for key, one in assets.items()
        )

    @cached_property
    def upstream(self) -> dict[str, tuple[str, ...]]:
        return {
            key: tuple(dep for dep in node.deps if dep in self.nodes and dep != key)
            for key, node in self.nodes.items()
        }

    @cached_property
    def downstream(self) -> dict[str, tuple[str, ...]]:
        below: dict[str, list[str]] = {key: [] for key in self.nodes}
        for key, deps in self.upstream.items():
            for dep in deps:
                below[dep].append(key)
        return {key: tuple(keys) for key, keys in below.items()}

    @cached_property
    def together(self) -> dict[str, tuple[str, ...]]:
        """Step -> the assets it makes."""
        made: dict[str, list[str]] = {}
        for key, node in self.nodes.items():
            if node.step is not None:
                made.setdefault(node.step, []).append(key)
        return {step: tuple(keys) for step, keys in made.items()}

    def reach(
        self, start: Iterable[str], neighbours: Mapping[str, tuple[str, ...]], depth: int | None
    ) -> set[str]:
        """``start`` and all that is at most ``depth`` steps away; None is any distance."""
        found = set(start)
        edge = found
        while edge and (depth is None or depth > 0):
            edge = {one for key in edge for one in neighbours[key]} - found
            found |= edge
            depth = None if depth is None else depth - 1
        return found


def in_order(names: Iterable[K], upstream: Callable[[K], Iterable[K]]) -> tuple[list[K], list[K]]:
    """Names with upstream before downstream; where that leaves a choice, in the order given.

    Answers the ordered names, and one cycle (first name repeated at its end) when there is any.
    """
    listed = list(names)
    place = {name: number for number, name in enumerate(listed)}
    above = {name: {one for one in upstream(name) if one in place} for name in listed}
    below: dict[K, list[K]] = {name: [] for name in listed}
    for name, ups in above.items():
        for up in ups:
            below[up].append(name)
    waits = {name: len(ups) for name, ups in above.items()}
    ready = [place[name] for name in listed if not waits[name]]
    ordered = []
    while ready:
        name = listed[heapq.heappop(ready)]
        ordered.append(name)
        for one in below[name]:
            waits[one] -= 1
            if not waits[one]:
                heapq.heappush(ready, place[one])
    if len(ordered) == len(listed):
        return ordered, []
    return ordered, _cycle(next(n for n in listed if waits[n]), above, waits, place)


def _cycle(
    start: K, above: Mapping[K, set[K]], waits: Mapping[K, int], place: Mapping[K, int]
) -> list[K]:
    """Walk upstream among the names that never became ready, until one comes again."""
    path, seen, name = [start], {start: 0}, start
    while True:
        name = min((one for one in above[name] if waits[one]), key=lambda one: place[one])
        path.append(name)
        if name in seen:
            return path[seen[name] :][::-1]
        seen[name] = len(path) - 1
