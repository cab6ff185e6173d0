"""Sets of partitions agree with Python's sets, stay small, and can be written down."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.partitions.partition_set import WIDTH, PartitionSet, union
from tidegate.errors import RequestError

NUMBERS = st.one_of(
    st.integers(0, 200), st.integers(WIDTH - 5, WIDTH + 5), st.integers(10**9, 10**9 + 40)
)
SETS = st.builds(
    lambda numbers, ranges: set(numbers) | {n for a, size in ranges for n in range(a, a + size)},
    st.lists(NUMBERS, max_size=30),
    st.lists(st.tuples(NUMBERS, st.integers(0, 300)), max_size=5),
)


@given(SETS, SETS)
def test_the_algebra_is_that_of_sets(left: set[int], right: set[int]) -> None:
    a, b = PartitionSet.of(left), PartitionSet.of(right)

    assert list(a | b) == sorted(left | right)
    assert list(a & b) == sorted(left & right)
    assert list(a - b) == sorted(left - right)
    assert a.isdisjoint(b) is left.isdisjoint(right)
    assert a.issubset(b) is (left <= right)
    assert len(a) == len(left)
    assert bool(a) is bool(left)
    assert (a == b) is (left == right)
    assert union([a, b, a]) == a | b


@given(SETS, NUMBERS, st.integers(0, 50), st.integers(-WIDTH - 3, WIDTH + 3))
def test_what_is_asked_of_it_is_answered_as_by_a_sorted_list(
    members: set[int], number: int, count: int, by: int
) -> None:
    one, ordered = PartitionSet.of(members), sorted(members)

    assert (number in one) is (number in members)
    assert one.rank(number) == sum(other < number for other in members)
    assert list(one.take(count)) == ordered[:count]
    assert list(one.take(count, descending=True)) == ordered[len(ordered) - count :][:count] or (
        count >= len(ordered)
    )
    assert list(one.descending()) == ordered[::-1]
    assert (one.first, one.last) == ((ordered[0], ordered[-1]) if ordered else (None, None))
    assert list(one.moved(by)) == [n + by for n in ordered if n + by >= 0]


@given(SETS)
def test_ranges_are_the_longest_there_are_and_make_the_same_set_again(members: set[int]) -> None:
    one = PartitionSet.of(members)

    ranges = list(one.ranges())

    assert all(before[1] < after[0] for before, after in itertools.pairwise(ranges))
    assert list(one.ranges(descending=True)) == ranges[::-1]
    assert PartitionSet.from_ranges(ranges) == one


@given(SETS)
def test_a_set_that_was_written_down_is_read_again(members: set[int]) -> None:
    one = PartitionSet.of(members)

    assert PartitionSet.from_json(json.loads(json.dumps(one.to_json()))) == one
    assert PartitionSet.from_bytes(one.to_bytes()) == one


def test_a_million_partitions_are_a_few_hundred_bytes_and_every_other_of_them_kilobytes() -> None:
    whole = PartitionSet.range(400_000, 1_400_000)
    half = PartitionSet.of(range(400_000, 1_400_000, 2))
    scattered = PartitionSet.of(random.Random(1).sample(range(400_000, 1_400_000), 500_000))

    assert len(json.dumps(whole.to_json())) < 30
    assert len(whole.to_bytes()) < 1_000
    assert len(json.dumps(half.to_json())) < 2_000
    assert len(scattered.to_bytes()) < 130_000
    assert len(whole - half) == 500_000


@pytest.mark.parametrize("wrong", ["!", "abc", 3, [[1]], [["a", "b"]], None])
def test_what_is_no_set_is_refused(wrong: object) -> None:
    with pytest.raises(RequestError, match="no set of partitions"):
        PartitionSet.from_json(wrong)
