"""What a run is asked for with: config that reaches its steps, and requests that are refused."""

from __future__ import annotations

import pytest

from tests.integration.chains import Deploy, add_one, chain, one, scaled, source
from tidegate import (
    Config,
    Definitions,
    graph,
    job,
    op,
)
from tidegate.errors import (
    ConfigError,
    RequestError,
    UnknownAssetError,
    UnknownJobError,
    UnknownPartitionError,
)


class Amount(Config):
    amount: int


@op
def pay(config: Amount) -> int:
    return config.amount


@job
def payment() -> None:
    pay()


@pytest.mark.parametrize(
    ("request_", "error", "says"),
    [
        ({"job": "nothing"}, UnknownJobError, "There is no job 'nothing'."),
        ({"job": "payment"}, ConfigError, "ops.pay.config"),
        (
            {"job": "payment", "run_config": {"ops": {"pay": {"config": {"amount": "many"}}}}},
            ConfigError,
            "ops.pay.config.amount",
        ),
        (
            {"job": "payment", "run_config": {"ops": {"buy": {}}}},
            ConfigError,
            "op 'buy', which is not part of this run",
        ),
        ({"job": "chain", "run_config": {"opps": {}}}, ConfigError, "unknown section 'opps'"),
        ({"job": "chain", "partition_key": "x"}, UnknownPartitionError, "nothing in this run"),
    ],
)
def test_bad_requests_are_refused_in_one_sentence_and_create_nothing(
    deploy: Deploy, request_: dict[str, object], error: type[Exception], says: str
) -> None:
    tg = deploy(Definitions(jobs=[payment, chain]))

    with pytest.raises(error) as caught:
        tg.submit(**request_)

    assert says in str(caught.value)
    assert tg.runs() == []


@pytest.mark.parametrize(
    ("selection", "partition", "error"),
    [
        ("sauce", None, UnknownAssetError),
        ("scaled", None, UnknownPartitionError),
        ("scaled", "three", UnknownPartitionError),
        ("source", "one", UnknownPartitionError),
    ],
)
def test_unknown_assets_and_partitions_are_refused(
    deploy: Deploy, selection: str, partition: str | None, error: type[Exception]
) -> None:
    tg = deploy(Definitions(assets=[source, scaled]))

    with pytest.raises(error):
        tg.materialize(selection, partition_key=partition)

    assert tg.runs() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"run_key": "\ud800"},
        {"tags": {"team": "a\udfff"}},
        {"run_config": {"ops": {"\ud800": {}}}},
    ],
)
def test_half_a_character_is_refused_before_anything_is_written(
    deploy: Deploy, fields: dict[str, object]
) -> None:
    tg = deploy(Definitions(jobs=[chain]))

    with pytest.raises(RequestError, match="half a character"):
        tg.call("submit", job="chain", **fields)

    assert tg.runs() == []


def test_a_refusal_of_a_huge_value_is_short(deploy: Deploy) -> None:
    tg = deploy(Definitions(jobs=[chain]))

    with pytest.raises(RequestError, match="must be a text") as refused:
        tg.call("submit", job="chain", run_key=["x" * 100_000])

    assert len(str(refused.value)) < 400


def test_config_reaches_the_op(deploy: Deploy) -> None:
    tg = deploy(Definitions(jobs=[payment]))

    run_id = tg.submit("payment", run_config={"ops": {"pay": {"config": {"amount": 7}}}})
    tg.settle()

    assert tg.output(run_id, "pay") == 7


def test_a_nested_graph_runs_as_its_steps(deploy: Deploy) -> None:
    @graph
    def twice(number: int) -> int:
        return add_one.alias("second")(add_one.alias("first")(number))

    @job
    def nested() -> None:
        twice(one())

    tg = deploy(Definitions(jobs=[nested]))

    run_id = tg.submit("nested")
    tg.settle()

    assert tg.run(run_id).status == "SUCCESS"
    assert tg.output(run_id, "twice.second") == 3


@pytest.mark.parametrize(
    "ops",
    [
        {"billing.pay": {"config": {"amount": 7}}},
        {"billing": {"ops": {"pay": {"config": {"amount": 7}}}}},
    ],
)
def test_config_of_a_step_in_a_graph_is_found_by_its_key_and_under_its_graph(
    deploy: Deploy, ops: dict[str, object]
) -> None:
    @graph
    def billing() -> int:
        return pay()

    @job
    def invoice() -> None:
        billing()

    tg = deploy(Definitions(jobs=[invoice]))

    run_id = tg.submit("invoice", run_config={"ops": ops})
    tg.settle()

    assert tg.output(run_id, "billing.pay") == 7
