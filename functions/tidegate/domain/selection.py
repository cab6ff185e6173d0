"""Sets of assets, said without naming each: by field, by distance in the graph, by and, or, not.

A selection is a function of the graph. They are plain functions, and not a class for each, because
every cold start would pay for the classes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tidegate.domain.asset_graph import AssetGraph, AssetNode
from tidegate.errors import DefinitionError

FIELDS = ("group", "is", "key", "kind", "owner", "tag")
NULL = "<null>"
"""As a value: the asset has no such thing."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A set of assets that is known once there is a graph."""

    keys: Callable[[AssetGraph], set[str]]
    """Raises DefinitionError when it names an asset that does not exist."""

    def resolve(self, graph: AssetGraph) -> list[str]:
        """The keys, in the order of the graph."""
        found = self.keys(graph)
        return [key for key in graph.nodes if key in found]


def matching(test: Callable[[AssetNode], bool]) -> Selection:
    """Assets for which a test holds."""
    return Selection(lambda graph: {key for key, node in graph.nodes.items() if test(node)})


def everything(*, external: bool = True) -> Selection:
    """All assets; external ones only if asked for."""
    return matching(lambda node: external or node.step is not None)


def named(names: Sequence[str]) -> Selection:
    """Assets by their keys, each of which must exist."""

    def keys(graph: AssetGraph) -> set[str]:
        for name in names:
            if name not in graph.nodes:
                close = _similar(name, graph)
                raise DefinitionError(
                    f"There is no asset {name!r} to select.",
                    mend=f"Did you mean {close[0]!r}?" if close else "Select an asset that exists.",
                )
        return set(names)

    return Selection(keys)


def where(field: str, value: str, tag_value: str | None = None) -> Selection:
    """Assets by a field. ``*`` in the value stands for any text; ``tag_value`` None is any."""
    if field == "is":
        return matching(lambda node: (node.step is None) == (value == "external"))
    if field == "tag":
        return _tagged(value, tag_value)
    same = _pattern(value)
    if field in ("key", "group"):
        return matching(lambda node: same(getattr(node, field)))
    if value == NULL:
        return matching(lambda node: not getattr(node, f"{field}s"))
    return matching(lambda node: any(same(one) for one in getattr(node, f"{field}s")))


def prefixed(prefixes: Sequence[tuple[str, ...]]) -> Selection:
    """Assets whose first parts are these."""
    return matching(
        lambda node: any(tuple(node.key.split("/"))[: len(one)] == one for one in prefixes)
    )


def containing(text: str) -> Selection:
    """Assets whose key holds a text."""
    return matching(lambda node: text in node.key)


def walk(
    of: Selection, *, upstream: bool, depth: int | None = None, include_self: bool = True
) -> Selection:
    """What is at most ``depth`` steps upstream or downstream; None is any distance."""

    def keys(graph: AssetGraph) -> set[str]:
        start = of.keys(graph)
        found = graph.reach(start, graph.upstream if upstream else graph.downstream, depth)
        return found if include_self else found - start

    return Selection(keys)


def ends(of: Selection, *, roots: bool) -> Selection:
    """Those of a set that have nothing of it upstream (roots), or downstream (sinks)."""

    def keys(graph: AssetGraph) -> set[str]:
        found = of.keys(graph)
        near = graph.upstream if roots else graph.downstream
        return {key for key in found if found.isdisjoint(near[key])}

    return Selection(keys)


def either(parts: Sequence[Selection]) -> Selection:
    return Selection(lambda graph: set().union(*(one.keys(graph) for one in parts)))


def both(parts: Sequence[Selection]) -> Selection:
    return Selection(lambda graph: set.intersection(*(one.keys(graph) for one in parts)))


def without(of: Selection, less: Selection) -> Selection:
    return Selection(lambda graph: of.keys(graph) - less.keys(graph))


def together(of: Selection) -> Selection:
    """A set, with all that its steps must make along with it."""

    def keys(graph: AssetGraph) -> set[str]:
        found = of.keys(graph)
        steps = {graph.nodes[key].step for key in found}
        return found.union(*(graph.together[step] for step in steps if step is not None))

    return Selection(keys)


def materializable(of: Selection, *, external: bool = False) -> Selection:
    """Those of a set that are made here; with ``external``, those that are not."""
    return both([of, matching(lambda node: (node.step is None) == external)])


def _tagged(name: str, value: str | None) -> Selection:
    if name == NULL:
        return matching(lambda node: not node.tags)
    key = re.sub("^dagster/", "tidegate/", name)
    same = _pattern("*" if value is None else value)
    return matching(lambda node: key in node.tags and same(node.tags[key]))


def _pattern(text: str) -> Callable[[str], bool]:
    """A test for ``text`` with ``*`` for anything. No regular expression: those can be made to take
    for ever."""
    first, *middle = text.split("*")
    if not middle:
        return lambda value: value == text
    last = middle.pop()

    def fits(value: str) -> bool:
        end = len(value) - len(last)
        if not value.startswith(first) or not value.endswith(last) or end < len(first):
            return False
        place = len(first)
        for part in middle:
            place = value.find(part, place, end)
            if place < 0:
                return False
            place += len(part)
        return True

    return fits


def _similar(name: str, graph: AssetGraph) -> list[str]:
    from difflib import get_close_matches

    last = name.rpartition("/")[2]
    return get_close_matches(name, graph.nodes, n=1) or [
        key for key in graph.nodes if key.rpartition("/")[2] == last
    ]
