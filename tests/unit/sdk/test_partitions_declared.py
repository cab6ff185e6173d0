"""Partitions, as users declare them: refusals say where."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import DailyPartitionsDefinition, DefinitionError, StaticPartitionsDefinition


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: StaticPartitionsDefinition(["a", "a"]), "StaticPartitionsDefinition ("),
        (lambda: DailyPartitionsDefinition("soon"), "DailyPartitionsDefinition ("),
        (lambda: DailyPartitionsDefinition(start="2024-01-01"), "Did you mean 'start_date'?"),  # type: ignore[call-arg]
        (lambda: DailyPartitionsDefinition(), "missing a required argument: 'start_date'"),  # type: ignore[call-arg]
    ],
)
def test_a_refusal_names_the_class_the_file_and_the_line(declare: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        declare()

    assert said in str(refused.value)
    assert "test_partitions_declared.py:" in str(refused.value)
