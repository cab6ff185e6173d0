"""Sets of assets, said without naming each: by field, by distance in the graph, and by and, or,
not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from tidegate.domain.asset_graph import AssetGraph, AssetNode
from tidegate.errors import DefinitionError

FIELDS = ("group", "is", "key", "kind", "owner", "tag")
NULL = "<null>"
"""As a value: the asset has no such thing."""


class Selection:
    """A set of assets that is known once there is a graph."""

    __slots__ = ()

    def keys(self, graph: AssetGraph) -> set[str]:
        """The keys.

        Raises:
            DefinitionError: it names an asset that does not exist.
        """
        raise TypeError(f"{type(self).__name__} selects nothing by itself.")

    def resolve(self, graph: AssetGraph) -> list[str]:
        """The keys, in the order of the graph."""
        found = self.keys(graph)
        return [key for key in graph.nodes if key in found]


@dataclass(frozen=True, slots=True)
class Everything(Selection):
    """All assets; external ones only if asked for."""

    external: bool = True

    def keys(self, graph: AssetGraph) -> set[str]:
        return {key for key, node in graph.nodes.items() if self.external or node.step is not None}


@dataclass(frozen=True, slots=True)
class Named(Selection):
    """Assets by their keys, each of which must exist."""

    names: tuple[str, ...]

    def keys(self, graph: AssetGraph) -> set[str]:
        for name in self.names:
            if name not in graph.nodes:
                close = get_close_matches(name, graph.nodes, n=1) or _same_end(name, graph)
                raise DefinitionError(
                    f"There is no asset {name!r} to select.",
                    mend=f"Did you mean {close[0]!r}?" if close else "Select an asset that exists.",
                )
        return set(self.names)


@dataclass(frozen=True, slots=True)
class Where(Selection):
    """Assets by a field. ``*`` in the value stands for any text."""

    field: str
    value: str
    tag_value: str | None = None
    """Of ``tag:key=value``; None: any."""

    def keys(self, graph: AssetGraph) -> set[str]:
        test = self._test()
        return {key for key, node in graph.nodes.items() if test(node)}

    def _test(self) -> Callable[[AssetNode], bool]:
        same = _pattern(self.value)
        if self.field == "key":
            return lambda node: same(node.key)
        if self.field == "group":
            return lambda node: same(node.group)
        if self.field == "is":
            return lambda node: (node.step is None) == (self.value == "external")
        if self.field == "tag":
            return self._tag_test()
        if self.value == NULL:
            return lambda node: not getattr(node, f"{self.field}s")
        return lambda node: any(same(one) for one in getattr(node, f"{self.field}s"))

    def _tag_test(self) -> Callable[[AssetNode], bool]:
        if self.value == NULL:
            return lambda node: not node.tags
        key = re.sub("^dagster/", "tidegate/", self.value)
        same = _pattern("*" if self.tag_value is None else self.tag_value)
        return lambda node: key in node.tags and same(node.tags[key])


@dataclass(frozen=True, slots=True)
class Prefixed(Selection):
    """Assets whose first parts are these."""

    prefixes: tuple[tuple[str, ...], ...]

    def keys(self, graph: AssetGraph) -> set[str]:
        return {
            key
            for key in graph.nodes
            if any(tuple(key.split("/"))[: len(one)] == one for one in self.prefixes)
        }


@dataclass(frozen=True, slots=True)
class Containing(Selection):
    """Assets whose key holds a text."""

    text: str

    def keys(self, graph: AssetGraph) -> set[str]:
        return {key for key in graph.nodes if self.text in key}


@dataclass(frozen=True, slots=True)
class Walk(Selection):
    """What is at most ``depth`` steps upstream or downstream; None is any distance."""

    of: Selection
    upstream: bool
    depth: int | None = None
    include_self: bool = True

    def keys(self, graph: AssetGraph) -> set[str]:
        start = self.of.keys(graph)
        near = graph.upstream if self.upstream else graph.downstream
        found = graph.reach(start, near, self.depth)
        return found if self.include_self else found - start


@dataclass(frozen=True, slots=True)
class Ends(Selection):
    """Those of a set that have nothing of it upstream (roots), or downstream (sinks)."""

    of: Selection
    roots: bool

    def keys(self, graph: AssetGraph) -> set[str]:
        found = self.of.keys(graph)
        near = graph.upstream if self.roots else graph.downstream
        return {key for key in found if found.isdisjoint(near[key])}


@dataclass(frozen=True, slots=True)
class Either(Selection):
    parts: tuple[Selection, ...]

    def keys(self, graph: AssetGraph) -> set[str]:
        return set().union(*(one.keys(graph) for one in self.parts))


@dataclass(frozen=True, slots=True)
class Both(Selection):
    parts: tuple[Selection, ...]

    def keys(self, graph: AssetGraph) -> set[str]:
        return set.intersection(*(one.keys(graph) for one in self.parts))


@dataclass(frozen=True, slots=True)
class Without(Selection):
    of: Selection
    less: Selection

    def keys(self, graph: AssetGraph) -> set[str]:
        return self.of.keys(graph) - self.less.keys(graph)


@dataclass(frozen=True, slots=True)
class Together(Selection):
    """A set, with all that its steps must make along with it."""

    of: Selection

    def keys(self, graph: AssetGraph) -> set[str]:
        found = self.of.keys(graph)
        steps = {graph.nodes[key].step for key in found} - {None}
        return found.union(*(graph.together[step] for step in steps if step is not None))


@dataclass(frozen=True, slots=True)
class Materializable(Selection):
    """Those of a set that are made here; with ``external``, those that are not."""

    of: Selection
    external: bool = False

    def keys(self, graph: AssetGraph) -> set[str]:
        return {
            key for key in self.of.keys(graph) if (graph.nodes[key].step is None) == self.external
        }


def _pattern(text: str) -> Callable[[str], bool]:
    if "*" not in text:
        return lambda value: value == text
    found = re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)
    return lambda value: found.fullmatch(value) is not None


def _same_end(name: str, graph: AssetGraph) -> list[str]:
    return [key for key in graph.nodes if key.rpartition("/")[2] == name.rpartition("/")[2]]
