"""User code has no way to the control tables: it is refused them, it does not import them, and it runs without them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tidegate import Definitions, Ecs, asset, job, op
from tidegate.domain.task import Invocation, Report
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]


@op
def reads_a_control_table() -> None:
    import boto3

    boto3.client("dynamodb", region_name="us-east-1").get_item(
        TableName="tidegate-runs", Key={"pk": {"S": "x"}, "sk": {"S": "x"}}
    )


@op
def starts_an_execution() -> None:
    import boto3

    boto3.client("stepfunctions", region_name="us-east-1").start_execution(
        stateMachineArn="arn:aws:states:us-east-1:123456789012:stateMachine:tidegate-step"
    )


@op
def invokes_the_api() -> None:
    import boto3

    boto3.client("lambda", region_name="us-east-1").invoke(FunctionName="tidegate-api")


@job
def trespass() -> None:
    reads_a_control_table()
    starts_an_execution()
    invokes_the_api()


def test_user_code_is_refused_the_control_plane(deploy: Deploy) -> None:
    tg = deploy(Definitions(jobs=[trespass]))

    run_id = tg.submit("trespass")
    tg.settle()

    run = tg.run(run_id)
    assert set(run.steps.values()) == {"FAILURE"}
    assert all("AccessDeniedException" in reason for reason in run.reasons.values())


@asset(compute=Ecs(cpu=256, memory=512))
def trespasser() -> None:
    import boto3

    boto3.client("dynamodb").scan(TableName="tidegate-admission")


trespassers = Definitions(assets=[trespasser])


def test_user_code_in_a_container_is_refused_them_too(deploy: Deploy) -> None:
    tg = deploy(trespassers)

    run_id = tg.materialize("trespasser")
    tg.settle()

    assert "AccessDeniedException" in tg.run(run_id).reasons["trespasser"]


@pytest.mark.parametrize("entry", ["tidegate.handlers.user_code", "tidegate.execution.container"])
def test_the_entry_points_of_user_code_do_not_import_the_tables(entry: str) -> None:
    probe = f"import sys, {entry}; print([m for m in sys.modules if 'pynamodb' in m or 'adapters' in m])"

    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


PIPELINE = """
from tidegate import Definitions, job, op

@op
def one() -> None: ...

@job
def single():
    one()

defs = Definitions(jobs=[single])
"""

HANDLER = """
import json, sys
from tidegate.handlers.user_code import handler
print(json.dumps(handler(json.loads(sys.argv[1]), None)))
"""


def test_the_function_of_user_code_runs_a_step_with_no_table_in_its_environment(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("location")
    (folder / "pipeline.py").write_text(PIPELINE)
    event = Invocation(run_id="r", job="single", step="one", index=0).to_json()

    done = subprocess.run(
        [sys.executable, "-c", HANDLER, json.dumps(event)],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PYTHONPATH": ":".join(one for one in sys.path if one),
            "TIDEGATE_DEFINITIONS": str(folder / "pipeline.py"),
            "TIDEGATE_DATA_BUCKET": "nowhere",
        },
    )

    assert done.returncode == 0, done.stderr
    report = Report.from_json(json.loads(done.stdout.splitlines()[-1]))
    assert (report.failure, report.run_id) == (None, "r")
