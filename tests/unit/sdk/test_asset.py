"""Assets: what ``@asset``, ``multi_asset`` and specs declare."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import (
    AssetDep,
    AssetIn,
    AssetKey,
    AssetOut,
    AssetSpec,
    Config,
    ConfigurableResource,
    DailyPartitionsDefinition,
    DefinitionError,
    Definitions,
    Ecs,
    Nothing,
    Output,
    RetryPolicy,
    SourceAsset,
    StaticPartitionsDefinition,
    asset,
    multi_asset,
    op,
)


class Load(Config):
    rows: int = 3


class Database(ConfigurableResource):
    url: str = "memory"


def make(**arguments: Any) -> Any:
    @asset(**arguments)
    def daily(raw: int) -> int:
        return raw

    return daily


def test_arguments_are_upstream_assets() -> None:
    @asset
    def report(context: Any, config: Load, db: Database, daily: int, weekly: str) -> None:
        """The report."""

    assert report.key == AssetKey("report")
    assert [(str(one.key), one.name, one.annotation, one.loads) for one in report.inputs] == [
        ("daily", "daily", int, True),
        ("weekly", "weekly", str, True),
    ]
    assert [str(key) for key in report.specs[0].deps] == ["daily", "weekly"]
    assert report.specs[0].description == "The report."
    assert report.config_type is Load
    assert set(report.signature.resources) == {"db"}
    assert report.outputs[0].annotation is None


@pytest.mark.parametrize(
    ("arguments", "key", "step"),
    [
        ({}, "daily", "daily"),
        ({"name": "other"}, "other", "other"),
        ({"key_prefix": "raw"}, "raw/daily", "raw__daily"),
        ({"key_prefix": ["a", "b"], "name": "c"}, "a/b/c", "a__b__c"),
        ({"key": "x/y.z"}, "x/y.z", "x__y_z"),
        ({"key": ["x", "y"]}, "x/y", "x__y"),
    ],
)
def test_the_key_is_given_whole_or_in_parts(arguments: Any, key: str, step: str) -> None:
    made = make(**arguments)

    assert str(made.key) == key
    assert made.name == step


def test_deps_are_waited_for_and_not_loaded() -> None:
    @multi_asset(outs={"a": AssetOut(), "b": AssetOut()})
    def both() -> Any: ...

    spec, source = AssetSpec("spec"), SourceAsset("source")
    made = make(deps=["text/key", AssetKey("k"), spec, source, both, AssetDep("dep"), ["x", "y"]])

    waited = [(one.name, str(one.key)) for one in made.inputs if not one.loads]
    assert waited == [
        ("text__key", "text/key"),
        ("k", "k"),
        ("spec", "spec"),
        ("source", "source"),
        ("a", "a"),
        ("b", "b"),
        ("dep", "dep"),
        ("x__y", "x/y"),
    ]


def test_ins_say_which_asset_an_argument_is_and_how_it_is_loaded() -> None:
    made = make(
        ins={
            "raw": AssetIn(key_prefix="lake", input_manager_key="csv", metadata={"a": 1}),
            "started": AssetIn("signal", dagster_type=Nothing),
        }
    )

    raw, started = made.inputs
    assert (str(raw.key), raw.io_manager_key, raw.metadata) == ("lake/raw", "csv", {"a": 1})
    assert (str(started.key), started.loads) == ("signal", False)


def test_everything_said_of_an_asset_is_kept() -> None:
    days, policy = DailyPartitionsDefinition("2024-01-01"), RetryPolicy(max_retries=3)
    made = make(
        group_name="weather",
        metadata={"rows": 1},
        tags={"team": "data", "dagster/kind/sql": ""},
        owners=["team:data", "a@b.org"],
        kinds={"python"},
        description="Daily rows.",
        code_version="3",
        io_manager_key="lake",
        partitions_def=days,
        retry_policy=policy,
        op_tags={"dagster/priority": 2},
        pool="db",
        slots=2,
        compute=Ecs(),
        timeout=3600,
        output_required=False,
    )

    spec, output = made.specs[0], made.outputs[0]
    assert (spec.group, spec.metadata, spec.tags) == ("weather", {"rows": 1}, {"team": "data"})
    assert (spec.owners, spec.kinds) == (("team:data", "a@b.org"), ("python", "sql"))
    assert (spec.description, spec.code_version, spec.partitions_def) == ("Daily rows.", "3", days)
    assert (output.io_manager_key, output.required, output.code_version) == ("lake", False, "3")
    assert (made.setting.pools, made.setting.priority) == ({"db": 2}, 2)
    assert (made.setting.retry_policy, made.setting.timeout_seconds) == (policy, 3600)
    assert made.partitions_def == days


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"key": "a", "name": "b"}, "has `key` beside"),
        ({"key": "a", "key_prefix": "b"}, "has `key` beside"),
        ({"name": "a/b"}, "has the name 'a/b'"),
        ({"key_prefix": "a-b"}, "has the name 'a-b'"),
        ({"key_prefix": 3}, "is not a key prefix"),
        ({"deps": "raw"}, "has deps='raw'"),
        ({"deps": ["raw"]}, "in deps, and as the argument 'raw'"),
        ({"deps": ["x", AssetKey("x")]}, "names 'x' twice in deps"),
        ({"deps": [3]}, "3 is not an asset key"),
        ({"ins": {"rw": AssetIn()}}, "Did you mean 'raw'?"),
        ({"ins": {"raw": "key"}}, "has ins="),
        ({"ins": ["raw"]}, "has ins="),
        ({"group_name": "a b"}, "has the name 'a b'"),
        ({"tags": {"a b": "c"}}, "has the tag 'a b'"),
        ({"tags": {"a": "b c"}}, "with the value 'b c'"),
        ({"tags": {"a": 3}}, "with the value 3"),
        ({"tags": ["a"]}, "has tags="),
        ({"tags": {"a" * 64: "b"}}, "has the tag"),
        ({"kinds": "python"}, "has kinds='python'"),
        ({"kinds": {"a", "b", "c", "d"}}, "has 4 kinds"),
        ({"kinds": {"a b"}}, "has the kind 'a b'"),
        ({"owners": "team:data"}, "has owners="),
        ({"owners": ["data"]}, "has the owner 'data'"),
        ({"metadata": [1]}, "has metadata=[1]"),
        ({"partitions_def": "daily"}, "has partitions_def='daily'"),
        ({"io_manager_key": 3}, "has io_manager_key=3"),
        ({"io_manager_key": ""}, "has io_manager_key=''"),
        ({"retry_policy": 3}, "has retry_policy=3"),
        ({"partition": 3}, "Did you mean 'partitions_def'?"),
        ({"io_manager_def": 3}, "name it with `io_manager_key=`"),
        ({"automation_condition": 3}, "not offered yet"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(arguments: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        make(**arguments)

    assert said in str(refused.value)
    assert refused.value.mend


def test_what_is_an_asset_or_op_already_is_no_function() -> None:
    with pytest.raises(DefinitionError, match="is not a function"):
        asset(make())
    with pytest.raises(DefinitionError, match="is not a function"):
        asset(op(lambda_named))


def lambda_named() -> int:
    return 1


def test_one_asset_is_read_by_one_argument() -> None:
    with pytest.raises(DefinitionError, match="reads 'raw' as 'a' and as 'b'"):

        @asset(ins={"a": AssetIn("raw"), "b": AssetIn("raw")})
        def twice(a: int, b: int) -> None: ...


def test_a_call_is_that_of_the_function() -> None:
    assert make()(4) == 4
    assert make()(raw=5) == 5


def test_several_assets_are_made_in_one_step() -> None:
    @multi_asset(
        outs={
            "a": AssetOut(key_prefix="p", io_manager_key="lake"),
            "b": AssetOut(key="q/b", is_required=False, code_version="2"),
        },
        deps=["raw"],
        group_name="g",
        code_version="1",
        internal_asset_deps={"b": {AssetKey("p/a")}},
        can_subset=True,
    )
    def both(start: int) -> tuple[int, Output[str]]:
        return start, Output("x")

    first, second = both.specs
    assert both.name == "both"
    assert both.can_subset
    assert [str(key) for key in first.deps] == ["start", "raw"]
    assert [str(key) for key in second.deps] == ["p/a"]
    assert [(str(one.asset_key), one.name, one.annotation) for one in both.outputs] == [
        ("p/a", "a", int),
        ("q/b", "b", str),
    ]
    assert (first.group, first.code_version, second.code_version) == ("g", "1", "2")
    assert [one.required for one in both.outputs] == [True, False]


def test_specs_bring_their_own_lineage() -> None:
    days = DailyPartitionsDefinition("2024-01-01")

    @multi_asset(
        specs=[AssetSpec("a", deps=["raw"]), AssetSpec("b", deps=["a"], skippable=True)],
        partitions_def=days,
    )
    def both() -> Any: ...

    assert [[str(key) for key in spec.deps] for spec in both.specs] == [["raw"], ["a"]]
    assert [str(one.key) for one in both.inputs] == ["raw"]
    assert [(one.name, one.required) for one in both.outputs] == [("a", True), ("b", False)]
    assert all(spec.partitions_def == days for spec in both.specs)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "needs either `outs` or `specs`"),
        ({"outs": {"a": AssetOut()}, "specs": [AssetSpec("a")]}, "needs either"),
        ({"outs": {}}, "has outs={}"),
        ({"outs": {"a": 3}}, "has 3 as output 'a'"),
        ({"outs": {"a b": AssetOut()}}, "has the name 'a b'"),
        ({"specs": []}, "has specs=[]"),
        ({"specs": ["a"]}, "has specs=['a']"),
        ({"specs": [AssetSpec("a"), AssetSpec("a")]}, "makes the asset 'a' twice"),
        ({"specs": [AssetSpec("a/b"), AssetSpec("a__b")]}, "makes the output 'a__b' twice"),
        ({"outs": {"a": AssetOut()}, "internal_asset_deps": {"b": set()}}, "which is no output"),
        ({"specs": [AssetSpec("a")], "internal_asset_deps": {"a": {AssetKey("b")}}}, "has both"),
        ({"specs": [AssetSpec("a", group_name="x")], "group_name": "y"}, "group_name='y'"),
        (
            {
                "specs": [
                    AssetSpec("a", partitions_def=StaticPartitionsDefinition(["x"])),
                    AssetSpec("b", partitions_def=StaticPartitionsDefinition(["y"])),
                ]
            },
            "with other partitions",
        ),
        ({"spec": []}, "Did you mean 'specs'?"),
    ],
)
def test_a_multi_asset_that_makes_no_sense_is_refused(arguments: Any, said: str) -> None:
    def both() -> Any: ...

    with pytest.raises(DefinitionError) as refused:
        multi_asset(**arguments)(both)

    assert said in str(refused.value)
    assert refused.value.mend


def test_a_spec_is_changed_by_making_another() -> None:
    spec = AssetSpec("a", group_name="x", tags={"t": "1"}, deps=["b"], kinds={"sql"})

    changed = spec.replace_attributes(group_name="y")
    merged = spec.merge_attributes(tags={"u": "2"}, deps=["c"], owners=["team:a"])

    assert (changed.group, changed.tags, spec.group) == ("y", {"t": "1"}, "x")
    assert merged.tags == {"t": "1", "u": "2"}
    assert [str(key) for key in merged.deps] == ["b", "c"]
    assert merged.owners == ("team:a",)


def test_specs_of_a_step_are_mapped() -> None:
    made = make(group_name="x").map_asset_specs(
        lambda spec: spec.replace_attributes(owners=["team:a"], metadata={"a": 1})
    )

    assert made.specs[0].owners == ("team:a",)
    assert made.outputs[0].metadata == {"a": 1}
    with pytest.raises(DefinitionError, match="were changed"):
        make().map_asset_specs(lambda spec: spec.replace_attributes(key="other"))


def test_an_asset_can_stand_for_one_made_elsewhere() -> None:
    source = make(io_manager_key="lake", key_prefix="p").to_source_asset()

    assert (str(source.key), source.io_manager_key) == ("p/daily", "lake")
    assert Definitions(assets=[source]).specs["p/daily"].key == AssetKey("p/daily")


def test_the_key_of_several_assets_is_not_one() -> None:
    @multi_asset(specs=[AssetSpec("a"), AssetSpec("b")])
    def both() -> Any: ...

    with pytest.raises(DefinitionError, match="has 2 assets"):
        _ = both.key
    with pytest.raises(DefinitionError, match="names 2 assets"):
        make(deps=[AssetDep(both)])
