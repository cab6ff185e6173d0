"""Where the arguments of a step come from."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tidegate import (
    AssetIn,
    AssetSpec,
    DailyPartitionsDefinition,
    DefinitionError,
    InMemoryIOManager,
    InputContext,
    IOManager,
    OutputContext,
    SourceAsset,
    StaticPartitionsDefinition,
    asset,
    job,
    op,
)

COUNTRIES = StaticPartitionsDefinition(["de", "fr"])


class Recording(IOManager):
    """Answers what it is asked for, and remembers it."""

    loads_in_parallel = True

    def __init__(self) -> None:
        self.asked: list[InputContext] = []

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Keeps nothing."""

    def load_input(self, context: InputContext) -> Any:
        self.asked.append(context)
        return list(context.get_identifier())


def test_an_upstream_asset_is_loaded_by_the_manager_that_stored_it(attempt: Any) -> None:
    manager = Recording()

    @asset(key=["raw", "rows"], io_manager_key="files", metadata={"format": "csv"})
    def rows() -> int:
        return 1

    @asset(ins={"rows": AssetIn(key=["raw", "rows"])})
    def count(rows: Any) -> Any:
        return rows

    outcome = attempt([rows, count], "count", resources={"files": manager})

    assert outcome.values == {"result": ["raw", "rows"]}
    (context,) = manager.asked
    assert (context.name, context.asset_key.to_user_string()) == ("rows", "raw/rows")
    assert context.upstream_output is not None
    assert context.upstream_output.step_key == "raw__rows"
    assert context.upstream_output.definition_metadata == {"format": "csv"}
    assert context.dagster_type.typing_type is Any


def test_an_input_may_be_loaded_by_another_manager(attempt: Any) -> None:
    manager = Recording()

    @asset
    def rows() -> int:
        return 1

    @asset(ins={"rows": AssetIn(input_manager_key="other", metadata={"columns": "a"})})
    def count(rows: Any) -> Any:
        return rows

    outcome = attempt([rows, count], "count", resources={"other": manager})

    assert outcome.values == {"result": ["rows"]}
    assert manager.asked[0].metadata == {"columns": "a"}


def test_an_external_asset_is_loaded_by_the_manager_it_names(attempt: Any) -> None:
    outside = SourceAsset("outside", io_manager_key="files")

    @asset
    def inside(outside: Any) -> Any:
        return outside

    outcome = attempt([outside, inside], "inside", resources={"files": Recording()})

    assert outcome.values == {"result": ["outside"]}


def test_what_a_manager_says_of_an_input_is_in_the_log(attempt: Any) -> None:
    class Saying(Recording):
        def load_input(self, context: InputContext) -> Any:
            context.add_input_metadata({"rows": 3})
            return 1

    outside = AssetSpec("outside")

    @asset
    def inside(outside: Any) -> Any:
        return outside

    report = attempt([outside, inside], "inside", resources={"io_manager": Saying()}).report

    assert [one.message for one in report.logs] == ["Input 'outside': {'rows': 3}"]


def test_deps_are_not_loaded(attempt: Any) -> None:
    @asset(deps=[AssetSpec("outside")])
    def inside() -> int:
        return 1

    assert attempt([AssetSpec("outside"), inside], "inside").values == {"result": 1}


def test_the_same_partition_of_an_upstream_asset_is_loaded(attempt: Any) -> None:
    @asset(partitions_def=COUNTRIES)
    def rows() -> int:
        return 1

    @asset(partitions_def=StaticPartitionsDefinition(["de", "fr"]))
    def count(context: Any, rows: Any) -> Any:
        return [context.asset_partition_key_for_input("rows"), rows]

    outcome = attempt(
        [rows, count], "count", partition_key="fr", resources={"io_manager": Recording()}
    )

    assert outcome.values == {"result": ["fr", ["rows", "fr"]]}


def test_an_asset_without_partitions_loads_all_of_upstream(attempt: Any) -> None:
    memory = InMemoryIOManager()

    @asset(partitions_def=COUNTRIES)
    def rows(context: Any) -> str:
        return f"rows of {context.partition_key}"

    @asset
    def everything(rows: dict[str, str]) -> dict[str, str]:
        return rows

    for key in ("de", "fr"):
        attempt([rows, everything], "rows", partition_key=key, resources={"io_manager": memory})
    outcome = attempt([rows, everything], "everything", resources={"io_manager": memory})

    assert outcome.values == {"result": {"de": "rows of de", "fr": "rows of fr"}}


def test_an_upstream_asset_of_other_partitions_is_refused_unless_a_mapping_is_given(
    attempt: Any,
) -> None:
    @asset(partitions_def=COUNTRIES)
    def rows() -> int:
        return 1

    @asset(partitions_def=DailyPartitionsDefinition("2024-01-01"))
    def count(rows: Any) -> Any:
        return rows

    with pytest.raises(DefinitionError, match="Asset 'count' .* its upstream asset 'rows'"):
        attempt([rows, count], "count", partition_key="2024-01-02")


def test_a_missing_value_names_asset_partition_and_mend(attempt: Any) -> None:
    @asset(partitions_def=COUNTRIES)
    def rows() -> int:
        return 1

    @asset(partitions_def=COUNTRIES)
    def count(rows: Any) -> Any:
        return rows

    failure = attempt([rows, count], "count", partition_key="de").report.failure

    assert failure.error == "OutputError"
    assert failure.message.startswith(
        "Asset 'rows', partition 'de' has no stored value; input 'rows' of step 'count' needs it. "
        "Materialize it first."
    )


def test_a_value_that_does_not_fit_the_annotation_is_a_failure(attempt: Any) -> None:
    @asset
    def rows() -> int:
        return 1

    @asset
    def count(rows: int) -> int:
        return rows

    failure = attempt([rows, count], "count", resources={"io_manager": Recording()}).report.failure

    assert failure.message == (
        "Input 'rows' of step 'count' is annotated int, and its value is of type list. "
        "Change the annotation or the value."
    )


@pytest.fixture
def fan_in() -> Any:
    @op
    def one() -> int:
        return 1

    @op
    def gather(context: Any, values: list[Any]) -> list[Any]:
        return values

    @job
    def wide() -> None:
        gather([one.alias(f"one_{number}")() for number in range(200)])

    return wide


def test_a_fan_in_is_a_list_in_the_order_of_its_sources(attempt: Any, fan_in: Any) -> None:
    outcome = attempt(fan_in, "gather", resources={"io_manager": Recording()})

    assert outcome.values["result"][:2] == [["r1", "one_0", "result"], ["r1", "one_1", "result"]]
    assert len(outcome.values["result"]) == 200


def test_what_was_not_produced_is_left_out_of_a_fan_in(attempt: Any, fan_in: Any) -> None:
    outcome = attempt(fan_in, "gather", missing=(0, 2), resources={"io_manager": Recording()})

    assert [one[1] for one in outcome.values["result"][:2]] == ["one_1", "one_3"]
    assert len(outcome.values["result"]) == 198


def test_a_wide_fan_in_is_loaded_side_by_side(attempt: Any, fan_in: Any) -> None:
    together = threading.Barrier(8, timeout=30)

    class Meeting(Recording):
        def load_input(self, context: InputContext) -> Any:
            together.wait()
            return 1

    outcome = attempt(fan_in, "gather", resources={"io_manager": Meeting()})

    assert outcome.report.failure is None


def test_a_manager_that_does_not_say_so_is_asked_one_by_one(attempt: Any, fan_in: Any) -> None:
    threads = set()

    class Single(Recording):
        loads_in_parallel = False

        def load_input(self, context: InputContext) -> Any:
            threads.add(threading.get_ident())
            return 1

    attempt(fan_in, "gather", resources={"io_manager": Single()})

    assert threads == {threading.get_ident()}


def test_the_first_failing_load_of_a_fan_in_is_the_failure(attempt: Any, fan_in: Any) -> None:
    failure = attempt(fan_in, "gather").report.failure

    assert failure.message == (
        "Output 'result' of step 'one_0' in run r1 has no stored value; input 'values' of step 'gather' "
        "needs it. Run the job again from that step."
    )


def test_an_op_output_that_carries_no_value_is_loaded_as_none(attempt: Any) -> None:
    @op
    def first() -> None:
        return None

    @op
    def second(value: Any) -> list[Any]:
        return [value]

    @job
    def both() -> None:
        second(first())

    assert attempt(both, "second").values == {"result": [None]}


def test_an_input_without_source_gets_its_default(attempt: Any) -> None:
    @op
    def add(a: int = 2, b: int = 3) -> int:
        return a + b

    @job
    def adding() -> None:
        add()

    assert attempt(adding).values == {"result": 5}
