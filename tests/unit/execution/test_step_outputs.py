"""What the function of a step may return or yield, and what each of it becomes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tidegate import (
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    AssetOut,
    AssetSpec,
    DataVersion,
    IOManager,
    MaterializeResult,
    Out,
    Output,
    StaticPartitionsDefinition,
    asset,
    job,
    multi_asset,
    op,
)


def job_of(operation: Any) -> Any:
    @job
    def the_job() -> None:
        operation()

    return the_job


def test_a_returned_value_is_the_output(attempt: Any) -> None:
    @op
    def one() -> int:
        return 1

    outcome = attempt(job_of(one))

    assert outcome.report.failure is None
    assert outcome.report.produced == ("result",)
    assert outcome.values == {"result": 1}


def test_none_is_a_value_when_nothing_is_annotated(attempt: Any) -> None:
    @op
    def nothing():  # type: ignore[no-untyped-def]
        return None

    outcome = attempt(job_of(nothing))

    assert outcome.values == {"result": None}


def test_an_output_annotated_none_is_made_and_not_stored(attempt: Any) -> None:
    stored = []

    class Refusing(IOManager):
        def handle_output(self, context: Any, obj: Any) -> None:
            stored.append(obj)

        def load_input(self, context: Any) -> None:
            raise AssertionError

    @asset
    def written() -> None:
        return None

    outcome = attempt(written, resources={"io_manager": Refusing()})

    assert stored == []
    assert outcome.report.produced == ("result",)
    assert [one.asset for one in outcome.report.materializations] == ["written"]


def test_a_value_returned_where_none_is_annotated_is_a_failure(attempt: Any) -> None:
    @asset
    def written() -> None:
        return 3  # type: ignore[return-value]

    failure = attempt(written).report.failure

    assert "annotated None, and its value is of type int" in failure.message


def test_metadata_of_output_context_and_io_manager_are_put_together(attempt: Any) -> None:
    class Telling(IOManager):
        def handle_output(self, context: Any, obj: Any) -> None:
            context.add_output_metadata({"where": "there"})

        def load_input(self, context: Any) -> None:
            raise AssertionError

    @asset
    def told(context: Any) -> Output[int]:
        context.add_output_metadata({"rows": 2})
        return Output(1, metadata={"kind": "x"}, data_version=DataVersion("v1"), tags={"a": "b"})

    (made,) = attempt(told, resources={"io_manager": Telling()}).report.materializations

    assert made.metadata == {
        "kind": {"type": "text", "value": "x"},
        "rows": {"type": "int", "value": 2},
        "where": {"type": "text", "value": "there"},
    }
    assert (made.data_version, made.tags) == ("v1", {"a": "b"})


def test_metadata_of_an_output_that_is_no_asset_is_reported_by_output(attempt: Any) -> None:
    @op
    def one() -> Output[int]:
        return Output(1, metadata={"rows": 1})

    report = attempt(job_of(one)).report

    assert report.output_metadata == {"result": {"rows": {"type": "int", "value": 1}}}
    assert report.materializations == ()


def test_materialize_result_without_a_value_stores_nothing(attempt: Any) -> None:
    @asset
    def table() -> MaterializeResult[Any]:
        return MaterializeResult(metadata={"rows": 3})

    outcome = attempt(table)

    assert outcome.values == {}
    assert outcome.report.produced == ("result",)
    assert outcome.report.materializations[0].metadata == {"rows": {"type": "int", "value": 3}}


def test_materialize_result_with_a_value_stores_it(attempt: Any) -> None:
    @asset
    def table() -> MaterializeResult[Any]:
        return MaterializeResult(value=[1])

    assert attempt(table).values == {"result": [1]}


def test_a_tuple_gives_each_output_its_value(attempt: Any) -> None:
    @op(out={"low": Out(), "high": Out()})
    def split() -> tuple[int, int]:
        return 1, 2

    assert attempt(job_of(split)).values == {"low": 1, "high": 2}


@pytest.mark.parametrize("answer", [1, (1,), (1, 2, 3), [1, 2], None])
def test_anything_but_one_value_for_each_of_several_outputs_is_a_failure(
    attempt: Any, answer: Any
) -> None:
    @op(out={"low": Out(), "high": Out()})
    def split():  # type: ignore[no-untyped-def]
        return answer

    report = attempt(job_of(split)).report

    assert report.produced == ()
    assert "for its 2 outputs. Return a tuple with a value for each (low, high)" in (
        report.failure.message
    )


def test_yielded_outputs_are_stored_one_by_one_and_kept_when_a_later_one_fails(
    attempt: Any,
) -> None:
    @op(out={"low": Out(), "high": Out()})
    def split() -> Iterator[Output[int]]:
        yield Output(1, output_name="low")
        raise ValueError("no more")

    report = attempt(job_of(split)).report

    assert report.produced == ("low",)
    assert (report.failure.error, report.failure.message) == ("ValueError", "no more")


def test_a_generator_is_closed_when_storing_what_it_yielded_fails(attempt: Any) -> None:
    closed = []

    @op
    def leaking() -> Iterator[Output[int]]:
        try:
            yield Output(1, output_name="unknown")
        finally:
            closed.append(True)

    outcome = attempt(job_of(leaking))

    assert "yielded the output 'unknown', which it does not have" in outcome.report.failure.message
    assert closed == [True]


def test_an_optional_output_may_be_left_out(attempt: Any) -> None:
    @op(out={"some": Out(is_required=False), "other": Out(is_required=False)})
    def choose() -> Iterator[Output[int]]:
        yield Output(1, output_name="other")

    report = attempt(job_of(choose)).report

    assert (report.failure, report.produced) == (None, ("other",))


def test_a_required_output_left_out_is_a_failure(attempt: Any) -> None:
    @op(out={"some": Out(), "other": Out()})
    def choose() -> Iterator[Output[int]]:
        yield Output(1, output_name="other")

    failure = attempt(job_of(choose)).report.failure

    assert failure.message.startswith("Step 'choose' did not make its output 'some'.")


def test_none_returned_for_an_optional_output_is_its_value_and_warned_of(attempt: Any) -> None:
    @asset(output_required=False)
    def maybe():  # type: ignore[no-untyped-def]
        return None

    outcome = attempt(maybe)

    assert outcome.values == {"result": None}
    assert [line.level for line in outcome.report.logs] == ["WARNING"]


def test_an_output_made_twice_is_a_failure(attempt: Any) -> None:
    @op
    def twice() -> Iterator[Output[int]]:
        yield Output(1)
        yield Output(2)

    assert "made its output 'result' twice" in attempt(job_of(twice)).report.failure.message


def test_a_plain_value_yielded_is_a_failure_that_says_what_to_yield(attempt: Any) -> None:
    @op
    def plain() -> Iterator[int]:
        yield 1

    failure = attempt(job_of(plain)).report.failure

    assert failure.message == (
        "Step 'plain' yielded a value of type int. "
        "Yield Output(value), MaterializeResult(...) or an asset event."
    )


def test_a_value_that_does_not_fit_the_annotation_is_a_failure_and_not_stored(attempt: Any) -> None:
    @op
    def wrong() -> int:
        return "1"  # type: ignore[return-value]

    report = attempt(job_of(wrong)).report

    assert report.produced == ()
    assert "Output 'result' of step 'wrong' is annotated int" in report.failure.message


def test_a_multi_asset_of_specs_may_return_nothing(attempt: Any) -> None:
    @multi_asset(specs=[AssetSpec("a"), AssetSpec("b")])
    def both():  # type: ignore[no-untyped-def]
        return None

    report = attempt(both).report

    assert report.failure is None
    assert {one.asset for one in report.materializations} == {"a", "b"}


def test_a_multi_asset_may_answer_results_in_any_order(attempt: Any) -> None:
    @multi_asset(outs={"a": AssetOut(), "b": AssetOut()})
    def both():  # type: ignore[no-untyped-def]
        return MaterializeResult(asset_key="b", value=2), MaterializeResult(asset_key="a", value=1)

    assert attempt(both).values == {"a": 1, "b": 2}


def test_a_result_without_a_key_from_several_assets_is_a_failure(attempt: Any) -> None:
    @multi_asset(specs=[AssetSpec("a"), AssetSpec("b")])
    def both() -> Iterator[MaterializeResult[Any]]:
        yield MaterializeResult()

    failure = attempt(both).report.failure

    assert failure.message.endswith("with no asset_key. In this run it makes: a, b.")


def test_the_partition_of_the_run_is_that_of_the_materialization(attempt: Any) -> None:
    @asset(partitions_def=StaticPartitionsDefinition(["de", "fr"]))
    def by_country() -> int:
        return 1

    (made,) = attempt(by_country, partition_key="fr").report.materializations

    assert made.partition == "fr"


def test_a_partitioned_asset_in_a_run_without_partition_is_a_failure(attempt: Any) -> None:
    @asset(partitions_def=StaticPartitionsDefinition(["de", "fr"]))
    def by_country() -> int:
        return 1

    failure = attempt(by_country).report.failure

    assert failure.message.endswith(
        "is partitioned, and the run has no partition. Give the run a partition key."
    )


def test_events_of_other_assets_are_in_the_outcome_and_the_log_but_not_in_the_report(
    attempt: Any,
) -> None:
    @op
    def loading(context: Any) -> Iterator[Any]:
        yield AssetMaterialization("elsewhere", metadata={"rows": 2})
        context.log_event(AssetObservation(["seen", "too"], partition="p"))
        yield Output(1)

    outcome = attempt(job_of(loading))

    assert [one.asset_key for one in outcome.events] == [
        AssetKey("elsewhere"),
        AssetKey(["seen", "too"]),
    ]
    assert outcome.report.materializations == ()
    assert [line.message for line in outcome.report.logs] == [
        "AssetMaterialization of elsewhere: {'rows': 2}",
        "AssetObservation of seen/too [p]: {}",
    ]


def test_a_coroutine_and_an_asynchronous_generator_are_run_to_their_end(attempt: Any) -> None:
    @op
    async def awaited() -> int:
        return 1

    @op
    async def yielded():  # type: ignore[no-untyped-def]
        yield Output(2)

    assert attempt(job_of(awaited)).values == {"result": 1}
    assert attempt(job_of(yielded)).values == {"result": 2}


def test_an_io_manager_that_yields_is_run_to_its_end(attempt: Any) -> None:
    stored = []

    class Yielding(IOManager):
        def handle_output(self, context: Any, obj: Any) -> Any:
            stored.append(obj)
            yield {"where": "there"}

        def load_input(self, context: Any) -> None:
            raise AssertionError

    @asset
    def made() -> int:
        return 1

    report = attempt(made, resources={"io_manager": Yielding()}).report

    assert stored == [1]
    assert report.materializations[0].metadata == {"where": {"type": "text", "value": "there"}}


def test_metadata_that_is_not_json_fails_at_the_users_own_line(attempt: Any) -> None:
    @asset
    def told() -> Output[int]:
        return Output(1, metadata={"what": object()})

    failure = attempt(told).report.failure

    assert "Metadata 'what': It holds a value of type object." in failure.message
    assert __file__ in failure.stack
