"""No two values share a place, and no place is a folder of another."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import example, given

from tidegate.execution.value_location import (
    asset_value_key,
    escaped,
    output_value_key,
    value_keys,
)
from tidegate.sdk.io import InputContext, OutputContext

PARTS = st.lists(
    st.one_of(st.sampled_from(["_", "a", "a.b", "%5F", "%"]), st.text(min_size=1)),
    min_size=1,
    max_size=3,
)
PARTITIONS = st.one_of(st.none(), st.sampled_from(["_", "a", "", "%", "2024-01-01"]), st.text())


def test_keys_read_as_what_they_are() -> None:
    assert asset_value_key(["weather", "daily"], "2024-01-01") == "assets/weather/daily/2024-01-01"
    assert asset_value_key(["weather", "daily"], None) == "assets/weather/daily/_"
    assert output_value_key("r1", "graph.op", "result") == "runs/r1/graph%2Eop/result"


def test_values_of_a_dynamic_output_and_of_steps_mapped_over_it_have_places_of_their_own() -> None:
    one = OutputContext(run_id="r1", step_key="op", mapping_key="a")
    two = OutputContext(run_id="r1", step_key="op[a]")
    read = InputContext(run_id="r1", upstream_output=one)

    assert value_keys(one) == value_keys(read) == {None: "runs/r1/op/result/a"}
    assert value_keys(two) == {None: "runs/r1/op%5Ba%5D/result"}
    assert one.get_identifier() == ["r1", "op", "result", "a"]


@given(PARTS, PARTITIONS, PARTS, PARTITIONS)
@example(["a"], "b", ["a", "b"], None)
@example(["a"], "_", ["a"], None)
@example(["a", "_"], None, ["a"], "_")
@example(["a/b"], None, ["a", "b"], None)
def test_different_values_have_different_keys(
    left: list[str], left_partition: str | None, right: list[str], right_partition: str | None
) -> None:
    same = (left, left_partition) == (right, right_partition)

    keys = (asset_value_key(left, left_partition), asset_value_key(right, right_partition))

    assert (keys[0] == keys[1]) == same


@given(st.text())
def test_a_part_is_a_safe_file_name(part: str) -> None:
    name = escaped(part)

    assert 0 < len(name) <= 150
    assert name.isascii()
    assert not set(name) & set("./\\ ")


def test_long_parts_stay_different() -> None:
    assert escaped("a" * 500) != escaped("a" * 501)
