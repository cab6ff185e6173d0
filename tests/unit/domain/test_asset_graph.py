"""Order and reach in the graph of assets."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.asset_graph import AssetGraph, AssetNode, in_order

EDGES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40)


def test_names_keep_their_order_where_dependencies_allow() -> None:
    deps = {"a": ["c"], "b": [], "c": ["d"], "d": [], "e": []}

    ordered, cycle = in_order(deps, deps.__getitem__)

    assert ordered == ["b", "d", "c", "a", "e"]
    assert cycle == []


@given(EDGES)
def test_upstream_comes_before_downstream_or_a_circle_is_told(edges: list[tuple[int, int]]) -> None:
    deps: dict[int, list[int]] = {n: [] for n in range(13)}
    for below, above in edges:
        deps[below].append(above)

    ordered, cycle = in_order(deps, deps.__getitem__)

    assert all(ordered.index(up) < place for place, n in enumerate(ordered) for up in deps[n])
    assert bool(cycle) == (len(ordered) < 13)
    if cycle:
        assert cycle[0] == cycle[-1]
        assert all(up in deps[down] for up, down in pairwise(cycle))


@given(EDGES, st.integers(0, 12), st.integers(0, 4))
def test_reach_grows_with_depth_up_to_the_closure(
    edges: list[tuple[int, int]], start: int, depth: int
) -> None:
    deps: dict[str, tuple[str, ...]] = {str(n): () for n in range(13)}
    for below, above in edges:
        deps[str(below)] = (*deps[str(below)], str(above))
    graph = AssetGraph(AssetNode(key=key, deps=ups) for key, ups in deps.items())

    near = graph.reach([str(start)], graph.upstream, depth)
    further = graph.reach([str(start)], graph.upstream, depth + 1)
    everything = graph.reach([str(start)], graph.upstream, None)

    assert str(start) in near <= further <= everything
    assert all(set(graph.upstream[key]) <= everything for key in everything)
    assert all(
        start_key in graph.upstream[key]
        for start_key, below in graph.downstream.items()
        for key in below
    )


def test_the_graph_of_a_manifest_is_that_of_its_assets() -> None:
    document = {
        "deps": ["x", "gone"],
        "step": "a",
        "group": "g",
        "tags": {"t": "1"},
        "kinds": ["sql"],
        "owners": ["team:a"],
    }

    graph = AssetGraph.of_documents({"a": document, "x": {**document, "deps": [], "step": None}})

    assert graph.upstream["a"] == ("x",)
    assert graph.nodes["a"].kinds == ("sql",)
    assert graph.together == {"a": ("a",)}
