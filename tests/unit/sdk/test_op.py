"""Ops: what is declared, and calling them as plain functions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tidegate import (
    Config,
    ConfigurableResource,
    DefinitionError,
    Ecs,
    In,
    InvocationError,
    Nothing,
    Out,
    Output,
    ResourceParam,
    RetryPolicy,
    build_op_context,
    op,
)
from tidegate.sdk.op import OpDefinition


class Load(Config):
    rows: int = 3


class Database(ConfigurableResource):
    url: str = "memory"


def test_an_op_has_the_name_inputs_and_output_of_its_function() -> None:
    @op
    def add(a: int, b: int = 2) -> int:
        """Add.

        Two numbers."""
        return a + b

    assert add.name == "add"
    assert add.description == "Add.\n\nTwo numbers."
    assert [(one.name, one.annotation, one.default) for one in add.inputs] == [
        ("a", int, ...),
        ("b", int, 2),
    ]
    assert [(one.name, one.annotation, one.required) for one in add.outputs] == [
        ("result", int, True)
    ]


def test_annotations_written_as_text_are_read_where_the_op_is_declared() -> None:
    class Local(Config):
        n: int = 1

    @op
    def one(config: Local, db: Database, client: ResourceParam[dict[str, int]], x: int) -> None: ...

    assert one.config_type is Local
    assert set(one.signature.resources) == {"db", "client"}
    assert one.input_names == ("x",)
    assert one.outputs[0].annotation is None


def test_arguments_of_the_decorator_become_settings_of_the_step() -> None:
    policy = RetryPolicy(max_retries=2)

    @op(
        name="other",
        pool="db",
        slots=2,
        tags={"dagster/priority": 5, "team": "data"},
        compute=Ecs(cpu=512, memory=1024, spot=True),
        timeout=timedelta(hours=1),
        retry_policy=policy,
        required_resource_keys={"client"},
    )
    def one() -> None: ...

    setting = one.setting
    assert one.name == "other"
    assert setting.pools == {"db": 2}
    assert setting.priority == 5
    assert setting.tags == {"tidegate/priority": "5", "team": "data"}
    assert setting.compute == {"kind": "ecs", "cpu": 512, "memory": 1024, "spot": True}
    assert setting.timeout_seconds == 3600
    assert setting.retry_policy is policy
    assert setting.required_resource_keys == {"client"}


def test_the_tag_concurrency_key_names_the_pool() -> None:
    @op(tags={"dagster/concurrency_key": "db"})
    def old() -> None: ...

    @op(pool={"db": 2, "api": 1})
    def new() -> None: ...

    assert old.setting.pools == {"db": 1}
    assert new.setting.pools == {"db": 2, "api": 1}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"pool": "a b"}, "is in pool 'a b'"),
        ({"pool": ""}, "is in pool ''"),
        ({"pool": {"db": 0}}, "wants 0 slots"),
        ({"pool": "db", "slots": True}, "wants True slots"),
        ({"slots": 2}, "of no pool"),
        ({"pool": {"db": 1}, "slots": 2}, "beside a mapping"),
        ({"pool": "a", "tags": {"dagster/concurrency_key": "b"}}, "its tag says 'b'"),
        ({"tags": {"dagster/priority": "high"}}, "has the priority 'high'"),
        ({"tags": {"a": object()}}, "has the tag 'a'"),
        ({"tags": ["a"]}, "has op_tags="),
        ({"compute": "ecs"}, "has compute='ecs'"),
        ({"compute": Ecs}, "has compute="),
        ({"timeout": 901}, "Lambda ends after 900 s"),
        ({"timeout": 0}, "has timeout=0"),
        ({"timeout": 1.5}, "has timeout=1.5"),
        ({"timeout": float("nan")}, "has timeout=nan"),
        ({"timeout": float("inf")}, "has timeout=inf"),
        ({"timeout": "9"}, "has timeout='9'"),
        ({"retry_policy": 3}, "has retry_policy=3"),
        ({"required_resource_keys": "db"}, "has required_resource_keys='db'"),
        ({"name": "a-b"}, "has the name 'a-b'"),
        ({"name": "class"}, "has the name 'class'"),
        ({"out": 3}, "has out=3"),
        ({"out": {"a-b": Out()}}, "has the name 'a-b'"),
        ({"ins": {"y": In()}}, "says ins of 'y'"),
        ({"ins": {"x": In(Nothing)}}, "for an input of type Nothing"),
        ({"ins": {"x": 3}}, "has ins="),
        ({"config_schema": {"a": object()}}, "in its config_schema"),
        ({"config_schema": [int, str]}, "in its config_schema"),
        ({"pol": "db"}, "Did you mean 'pool'?"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(arguments: dict[str, Any], said: str) -> None:
    def one(x: int) -> int:
        return x

    with pytest.raises(DefinitionError) as refused:
        op(**arguments)(one)

    assert said in str(refused.value)
    assert "test_op.py:" in str(refused.value)
    assert refused.value.mend


def test_one_output_of_several_is_annotated_by_the_tuple() -> None:
    @op(out={"a": Out(), "b": Out(is_required=False, io_manager_key="lake")})
    def two() -> tuple[int, str]:
        return 1, "x"

    assert [
        (one.name, one.annotation, one.required, one.io_manager_key) for one in two.outputs
    ] == [
        ("a", int, True, "io_manager"),
        ("b", str, False, "lake"),
    ]


def test_an_output_wrapper_or_generator_says_nothing_of_the_value_but_its_parameter() -> None:
    @op
    def wrapped() -> Output[int]:
        return Output(1)

    @op
    def stream() -> Iterator[Output[int]]:
        yield Output(1)

    @op(out=Out(Nothing))
    def silent() -> int:
        return 1

    assert wrapped.outputs[0].annotation is int
    assert stream.outputs[0].annotation is Any
    assert silent.outputs[0].annotation is None


def test_an_input_of_type_nothing_has_no_parameter_and_loads_nothing() -> None:
    @op(ins={"start": In(Nothing)})
    def after(x: int) -> int:
        return x

    assert [(one.name, one.loads) for one in after.inputs] == [("x", True), ("start", False)]
    assert after(4) == 4


def test_keyword_parameters_take_inputs_named_in_ins() -> None:
    @op(ins={"a": In(int), "b": In(int)})
    def total(**kwargs: int) -> int:
        return sum(kwargs.values())

    assert total.input_names == ("a", "b")
    assert total(a=1, b=2) == 3


def gathers(*xs: int) -> None: ...


def unnamed(x: int, /) -> None: ...


@pytest.mark.parametrize("function", [gathers, unnamed])
def test_positional_parameters_are_refused(function: Any) -> None:
    with pytest.raises(DefinitionError, match="positional parameter"):
        op(function)


@pytest.mark.parametrize("value", [3, "f", int, None.__class__])
def test_only_functions_are_ops(value: Any) -> None:
    with pytest.raises(DefinitionError, match="is not a function"):
        op(value)


def test_the_context_comes_first() -> None:
    with pytest.raises(DefinitionError, match="takes the context as 'context', after others"):

        @op
        def late(x: int, context: Any) -> None: ...


def test_a_context_is_known_by_its_annotation_too() -> None:
    @op
    def one(ctx: OpExecutionContext, x: int) -> int:  # type: ignore[name-defined]  # noqa: F821
        return x

    assert one.signature.context_parameter == "ctx"
    assert one.input_names == ("x",)


@pytest.mark.parametrize(
    ("annotation", "said"),
    [(None, "no annotation"), (set, "set"), ("Missing", "'Missing', which is not defined")],
)
def test_config_is_annotated_with_its_class(annotation: Any, said: str) -> None:
    def one(config: Any) -> None: ...

    one.__annotations__ = {} if annotation is None else {"config": annotation}

    with pytest.raises(DefinitionError, match=said):
        op(one)


def test_config_by_another_name_is_refused() -> None:
    with pytest.raises(DefinitionError, match="Name the parameter `config`"):

        @op
        def one(settings: Load) -> None: ...


def test_config_schema_beside_a_config_parameter_is_refused() -> None:
    with pytest.raises(DefinitionError, match="both `config_schema` and a parameter"):

        @op(config_schema={"a": int})
        def one(config: Load) -> None: ...


def make_reader() -> OpDefinition:
    @op
    def read(context: Any, config: Load, db: Database, table: str, limit: int = 10) -> Any:
        return context, config.rows, db.url, table, limit

    return read


def test_a_call_passes_inputs_by_place_and_resources_by_name() -> None:
    context, database = build_op_context(), Database(url="x")

    answer = make_reader()(context, "t", db=database, config=Load(rows=7))

    assert answer == (context, 7, "x", "t", 10)


def test_a_call_passes_all_parameters_in_their_order_when_all_are_given() -> None:
    context = build_op_context()

    answer = make_reader()(context, Load(rows=1), Database(), "t", 5)

    assert answer == (context, 1, "memory", "t", 5)


def test_a_call_takes_resources_and_config_from_the_context() -> None:
    context = build_op_context(resources={"db": Database(url="y")}, op_config={"rows": 9})

    with context:
        answer = make_reader()(context, table="t")

    assert answer[1:] == (9, "y", "t", 10)


def test_config_that_has_defaults_need_not_be_given() -> None:
    @op
    def one(config: Load) -> int:
        return config.rows

    assert one() == 3


def test_a_function_without_a_context_may_be_called_with_one() -> None:
    @op
    def one(db: Database, x: int) -> tuple[str, int]:
        return db.url, x

    with build_op_context(resources={"db": Database(url="z")}) as context:
        assert one(context, 4) == ("z", 4)


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        ((), {}, "takes a context"),
        ((None,), {"db": Database()}, "without a value for 'table'"),
        ((None, "t"), {}, "without the resource 'db'"),
        ((None, "t"), {"db": Database(), "tabel": 3}, "'tabel'"),
        ((None, "t", 1, 2, 3), {"db": Database()}, "4 values for 2 inputs"),
    ],
)
def test_a_call_that_lacks_something_says_what(
    args: tuple[Any, ...], kwargs: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvocationError) as refused:
        make_reader()(*args, **kwargs)

    assert said in str(refused.value)
    assert "test_op.py:" in str(refused.value)


def test_a_call_answers_what_the_function_does() -> None:
    @op
    def stream() -> Any:
        yield Output(1)
        yield Output(2)

    assert [one.value for one in stream()] == [1, 2]


def test_an_async_function_is_read_as_any_other() -> None:
    @op
    async def later(x: int) -> int:
        return x

    assert later.outputs[0].annotation is int
    assert later.input_names == ("x",)
