"""The manifest: what is written down of the definitions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from tidegate import (
    AssetIn,
    AssetSpec,
    Config,
    ConfigurableResource,
    DailyPartitionsDefinition,
    DefinitionError,
    Definitions,
    Ecs,
    EnvVar,
    InMemoryIOManager,
    RetryPolicy,
    asset,
    define_asset_job,
    job,
    op,
    resource,
)
from tidegate.manifest.compiler import compile_manifest
from tidegate.manifest.document import Manifest

DAYS = DailyPartitionsDefinition("2024-01-01")


class Load(Config):
    url: str
    rows: int = 3


class Database(ConfigurableResource):
    url: str
    password: str = "none"


def compiled(defs: Definitions) -> Manifest:
    """As the control plane reads it: through its text."""
    made = compile_manifest(defs, location="here", code_version="abc")
    read = Manifest.parse(made.text)
    assert read.hash == made.hash
    return read


def weather() -> Definitions:
    @asset(
        key_prefix="raw",
        deps=["station"],
        group_name="in",
        tags={"team": "data"},
        kinds={"csv"},
        owners=["team:data"],
        metadata={"rows": 3, "site": "x"},
        code_version="7",
        partitions_def=DAYS,
        pool={"b": 2, "a": 1},
        op_tags={"dagster/priority": 4},
        retry_policy=RetryPolicy(max_retries=2, delay=3),
        timeout=60,
        io_manager_key="lake",
    )
    def daily(context: Any, config: Load, db: Database) -> None:
        """Rows of a day."""

    @asset(
        ins={"daily": AssetIn(key_prefix="raw")},
        compute=Ecs(),
        partitions_def=DAYS,
        output_required=False,
    )
    def report(daily: int) -> int:
        return 1

    nightly = define_asset_job(
        "nightly",
        "+report",
        tags={"a": "b"},
        config={
            "ops": {"raw__daily": {"config": {"url": "u"}}},
            "execution": {"config": {"max_concurrent": 5}},
        },
        op_retry_policy=RetryPolicy(max_retries=9),
        description="Each night.",
    )
    return Definitions(
        assets=[report, daily, AssetSpec("station", metadata={"open": True})],
        jobs=[nightly],
        resources={"db": Database(url=EnvVar("DB_URL")), "lake": InMemoryIOManager()},
    )


def test_an_asset_is_written_with_all_that_is_said_of_it() -> None:
    assert compiled(weather()).assets["raw/daily"] == {
        "key": "raw/daily",
        "step": "raw__daily",
        "output": "result",
        "deps": ["station"],
        "group": "in",
        "description": "Rows of a day.",
        "tags": {"team": "data"},
        "kinds": ["csv"],
        "owners": ["team:data"],
        "metadata": {
            "rows": {"type": "int", "value": 3},
            "site": {"type": "text", "value": "x"},
        },
        "partitions": DAYS.to_json(),
        "code_version": "7",
        "io_manager": "lake",
    }


def test_an_external_asset_has_no_step() -> None:
    station = compiled(weather()).assets["station"]

    assert station["step"] is None
    assert station["metadata"] == {"open": {"type": "bool", "value": True}}


def test_a_step_is_written_with_all_that_is_said_of_it() -> None:
    step = dict(compiled(weather()).document["steps"]["raw__daily"])

    schema = step.pop("config_schema")
    assert step == {
        "key": "raw__daily",
        "description": "Rows of a day.",
        "inputs": [],
        "outputs": [{"name": "result", "required": True, "asset": "raw/daily"}],
        "pools": {"a": 1, "b": 2},
        "priority": 4,
        "tags": {"tidegate/priority": "4"},
        "compute": {"kind": "lambda"},
        "timeout_seconds": 60,
        "retry": {"max_retries": 2, "delay": 3, "backoff": None, "jitter": None, "retry_on": None},
        "resources": ["db", "lake"],
        "can_subset": False,
    }
    fastjsonschema.validate(schema, {"url": "x"})
    with pytest.raises(fastjsonschema.JsonSchemaException):
        fastjsonschema.validate(schema, {"rows": 3})


def test_what_reads_an_asset_names_its_step_and_output() -> None:
    report = compiled(weather()).document["steps"]["report"]

    assert report["inputs"] == [
        {"name": "daily", "sources": [["raw__daily", "result"]], "fan_in": False}
    ]
    assert report["outputs"] == [{"name": "result", "required": False, "asset": "report"}]
    assert report["compute"] == {"kind": "ecs", "cpu": 1024, "memory": 2048, "spot": False}
    assert report["resources"] == ["io_manager", "lake"]


def test_jobs_are_written_with_their_assets_and_what_runs_get() -> None:
    manifest = compiled(weather())

    assert manifest.job("nightly") == {
        "name": "nightly",
        "description": "Each night.",
        "steps": None,
        "assets": ["raw/daily", "report"],
        "tags": {"a": "b"},
        "run_config": {
            "ops": {"raw__daily": {"config": {"url": "u"}}},
            "execution": {"config": {"max_concurrent": 5}},
        },
        "partitions": DAYS.to_json(),
        "max_concurrent": 5,
        "retry": {
            "max_retries": 9,
            "delay": None,
            "backoff": None,
            "jitter": None,
            "retry_on": None,
        },
    }
    assert manifest.job("__ASSET_JOB")["assets"] == ["raw/daily", "report"]


def test_retries_of_an_asset_job_are_those_of_steps_without_their_own() -> None:
    plan = compiled(weather()).plan("nightly")

    assert [step.retry["max_retries"] for step in plan.steps if step.retry] == [2, 9]
    assert compiled(weather()).plan("__ASSET_JOB").steps[1].retry is None


def test_a_job_of_ops_has_steps_of_its_own() -> None:
    @op(pool="db", config_schema={"rows": int})
    def one() -> int:
        return 1

    @op
    def total(xs: list[int]) -> int:
        return sum(xs)

    @job(partitions_def=DAYS, description="Sums.")
    def sums() -> None:
        total([one(), one()])

    manifest = compiled(Definitions(jobs=[sums]))

    document = manifest.job("sums")
    assert [step["key"] for step in document["steps"] or []] == ["one", "one_2", "total"]
    assert (document["assets"], document["partitions"]) == (None, DAYS.to_json())
    plan = manifest.plan("sums")
    assert plan.steps[2].inputs[0].fan_in
    assert plan.steps[2].inputs[0].sources == ((0, "result"), (1, "result"))
    assert plan.steps[0].pools == (("db", 1),)


def test_resources_are_written_with_their_schema_and_no_values() -> None:
    @resource(config_schema={"size": int})
    def made() -> int:
        return 1

    @asset
    def one() -> None: ...

    manifest = compiled(
        Definitions(
            assets=[one],
            resources={"db": Database(url="secret-url"), "made": made, "plain": object()},
        )
    )

    schemas = manifest.document["resources"]
    assert schemas["plain"] is None
    fastjsonschema.validate(schemas["db"], {"password": {"env": "DB_PASSWORD"}})
    fastjsonschema.validate(schemas["made"], {"size": 3})
    with pytest.raises(fastjsonschema.JsonSchemaException):
        fastjsonschema.validate(schemas["made"], {"size": "big"})
    assert "secret-url" not in manifest.text


def test_steps_come_upstream_first_also_after_reading() -> None:
    """Keys sort the other way."""

    @asset
    def z() -> int:
        return 1

    @asset
    def m(z: int) -> int:
        return z

    @asset
    def a(m: int) -> int:
        return m

    plan = compiled(Definitions(assets=[a, m, z])).plan("__ASSET_JOB")

    assert [step.key for step in plan.steps] == ["z", "m", "a"]
    assert [step.upstream for step in plan.steps] == [(), (0,), (1,)]


def test_config_that_json_cannot_describe_is_refused_with_its_step() -> None:
    class Odd(Config):
        handler: Callable[[], int] = int

    @asset
    def one(config: Odd) -> None: ...

    with pytest.raises(DefinitionError, match=r"config of step 'one' \(.*test_compiler.py:"):
        compile_manifest(Definitions(assets=[one]), location="here", code_version="1")


SAMPLE = """
from tidegate import AssetSpec, Config, Definitions, asset, define_asset_job
from tidegate.manifest.compiler import compile_manifest

class Load(Config):
    rows: int = 1
    modes: set[str] = {"x", "y", "z"}

@asset(kinds={"sql", "csv", "python"}, required_resource_keys={"a", "b", "c"}, tags={"y": "1", "x": "2"})
def one(config: Load): ...

defs = Definitions(assets=[one], resources={"c": 1, "b": 2, "a": 3}, jobs=[define_asset_job("j")])
print(compile_manifest(defs, location="here", code_version="1").hash)
"""


def test_the_same_definitions_have_the_same_hash_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "sample.py").write_text(SAMPLE)
    hashes = {
        subprocess.run(
            [sys.executable, "sample.py"],
            cwd=tmp_path,
            env={
                "PYTHONPATH": str(Path(__file__).parents[3] / "functions"),
                "PYTHONHASHSEED": seed,
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }

    assert len(hashes) == 1


def test_another_version_of_the_code_is_another_manifest() -> None:
    first = compile_manifest(weather(), location="here", code_version="1")
    second = compile_manifest(weather(), location="here", code_version="2")

    assert first.hash != second.hash


def test_text_in_other_scripts_is_kept() -> None:
    @asset(description="Größe 数据", metadata={"note": "é"})
    def one() -> None: ...

    manifest = compiled(Definitions(assets=[one]))

    assert manifest.assets["one"]["description"] == "Größe 数据"
    assert json.loads(manifest.text)["assets"]["one"]["metadata"]["note"]["value"] == "é"
