"""The control plane plans from the manifest what user code executes from its definitions: the same steps, in the same
order, with the same sources."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate import (
    AssetSpec,
    Definitions,
    DynamicOut,
    In,
    Nothing,
    Out,
    asset,
    define_asset_job,
    graph,
    job,
    multi_asset,
    op,
)
from tidegate.domain.plan import PlanStep, RunPlan
from tidegate.errors import InvocationError, TidegateError, UnknownAssetError
from tidegate.execution.walk import plan_of
from tidegate.manifest.compiler import compile_manifest
from tidegate.manifest.document import Manifest, StepDoc
from tidegate.sdk.step import StepDefinition


def of_definition(step: StepDefinition) -> Any:
    return (
        step.key,
        [
            (one.name, list(one.sources), one.fan_in, one.collects)
            for one in step.inputs
            if one.sources
        ],
        [
            (one.name, one.required, one.is_dynamic, one.asset_key and str(one.asset_key))
            for one in step.outputs
        ],
        step.mapped_over,
    )


def of_document(step: StepDoc) -> Any:
    return (
        step["key"],
        [
            (
                one["name"],
                [tuple(s) for s in one["sources"]],
                one["fan_in"],
                one.get("collects", False),
            )
            for one in step["inputs"]
        ],
        [
            (one["name"], one["required"], one.get("is_dynamic", False), one["asset"])
            for one in step["outputs"]
        ],
        tuple(step["mapped_over"]) if "mapped_over" in step else None,
    )


def agree(defs: Definitions, name: str, assets: tuple[str, ...] | None = None) -> None:
    manifest = Manifest.parse(compile_manifest(defs, location="l", code_version="1").text)
    job_def = defs.resolve_job_def(name)
    try:
        planned = [of_document(step) for step in manifest.steps_of(name, assets)]
    except TidegateError as error:
        with pytest.raises(type(error)):
            job_def.step_definitions(assets)
        return
    assert [of_definition(step) for step in job_def.step_definitions(assets)] == planned
    plan = manifest.plan(name, assets)
    assert [step.declared_key for step in plan.steps] == [key for key, *_ in planned]
    if assets is None:
        assert plan_of(job_def.step_definitions()) == _without_settings(plan)
    assert all(number < step.index for step in plan.steps for number in step.upstream)


def _without_settings(plan: RunPlan) -> RunPlan:
    """As far as a run in one process plans."""
    kept = ("index", "key", "inputs", "mapped_over")
    return RunPlan(
        tuple(
            PlanStep(
                **{name: getattr(step, name) for name in kept},
                outputs=tuple(replace(one, asset=None) for one in step.outputs),
            )
            for step in plan.steps
        )
    )


@st.composite
def definitions(draw: st.DrawFn) -> Definitions:
    """Assets and multi-assets on earlier ones, listed in any order."""
    keys: list[str] = ["ext"]
    made: list[Any] = [AssetSpec("ext")]
    for number in range(draw(st.integers(1, 8))):
        deps = draw(st.lists(st.sampled_from(keys), max_size=3, unique=True))
        if draw(st.booleans()):
            made.append(asset(name=f"a{number}", deps=deps)(lambda: None))
            keys.append(f"a{number}")
            continue
        names = [f"m{number}x", f"m{number}y"]
        specs = [AssetSpec(names[0], deps=deps), AssetSpec(names[1], deps=[*deps[:1], names[0]])]
        whole = draw(st.booleans())
        made.append(multi_asset(name=f"m{number}", specs=specs, can_subset=whole)(lambda: None))
        keys += names
    return Definitions(assets=draw(st.permutations(made)), jobs=[define_asset_job("all")])


@settings(max_examples=60, deadline=None)
@given(definitions(), st.data())
def test_asset_jobs_agree_on_any_selection(defs: Definitions, data: st.DataObject) -> None:
    keys = [*defs.specs, "unknown"]
    chosen = data.draw(st.none() | st.lists(st.sampled_from(keys), unique=True).map(tuple))

    agree(defs, "__ASSET_JOB", chosen)
    agree(defs, "all", chosen)


@op
def one() -> int:
    return 1


@op(out={"a": Out(), "b": Out(is_required=False)})
def two(x: int) -> Any: ...


@op(ins={"start": In(Nothing)})
def total(xs: list[int]) -> int:
    return sum(xs)


def test_jobs_of_nested_graphs_agree() -> None:
    @graph
    def inner(x: int) -> Any:
        made = two(x)
        return {"first": made.a, "sum": total([made.a, made.b], start=one())}

    @job
    def nested() -> None:
        parts = inner(one())
        total([parts.first, parts.sum], start=[one(), parts.sum])

    agree(Definitions(jobs=[nested]), "nested")
    agree(Definitions(jobs=[nested]), "nested", ("a",))


def test_a_fan_in_of_a_thousand_agrees() -> None:
    @job
    def wide() -> None:
        total([one() for _ in range(1000)])

    agree(Definitions(jobs=[wide]), "wide")


@op(out={"parts": DynamicOut(is_required=False)})
def parts() -> Any: ...


def test_a_job_with_a_dynamic_output_agrees() -> None:
    @job
    def dynamic() -> None:
        outside = one()
        mapped = parts().map(lambda part: total([two(part).a, outside]))
        total(mapped.collect())

    agree(Definitions(jobs=[dynamic]), "dynamic")


def test_an_output_that_is_not_made_in_the_run_is_no_source() -> None:
    """Its reader must load what is stored, and not be skipped for want of it."""

    @multi_asset(specs=[AssetSpec("x"), AssetSpec("y")], can_subset=True)
    def both() -> Any: ...

    @asset
    def z(y: int) -> int:
        return y

    defs = Definitions(assets=[both, z])
    steps = defs.resolve_job_def("__ASSET_JOB").step_definitions(("x", "z"))

    assert steps[1].inputs[0].sources == ()
    assert str(steps[1].inputs[0].asset_key) == "y"
    agree(defs, "__ASSET_JOB", ("x", "z"))


@pytest.mark.parametrize(
    ("assets", "kind"), [(("x",), InvocationError), (("ext",), UnknownAssetError)]
)
def test_both_refuse_the_same_selection(assets: tuple[str, ...], kind: type[Exception]) -> None:
    @multi_asset(specs=[AssetSpec("x"), AssetSpec("y")])
    def both() -> Any: ...

    defs = Definitions(assets=[both, AssetSpec("ext")])

    with pytest.raises(kind):
        defs.resolve_job_def("__ASSET_JOB").step_definitions(assets)
    agree(defs, "__ASSET_JOB", assets)
