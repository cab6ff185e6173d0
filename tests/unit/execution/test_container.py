"""The container's entry point: a report is written whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidegate import AssetExecutionContext, Definitions, asset
from tidegate.domain.task import Invocation, Report
from tidegate.errors import DefinitionError, DeploymentError, InvocationError, OutputError
from tidegate.execution import container
from tidegate.execution.container import INVOCATION, ContainerRun, stopped_by_sigterm

ENVIRON = {INVOCATION: "invocations/r1/0/1.json", "TIDEGATE_DATA_BUCKET": "data"}


@pytest.fixture
def invoked(bucket: Any) -> Any:
    """The bucket with an invocation of the step ``step`` in it."""
    invocation = Invocation(run_id="r1", job="__ASSET_JOB", step="step", index=0)
    body = json.dumps(invocation.to_json()).encode()
    bucket.put_object("invocations/r1/0/1.json", body, content_type="application/json")
    return bucket


def report_in(bucket: Any) -> Report:
    return Report.from_json(json.loads(bucket.objects["reports/r1/0/1.json"].body))


def defs_of(body: Callable[[AssetExecutionContext], Any]) -> Callable[[], Definitions]:
    @asset
    def step(context: AssetExecutionContext) -> Any:
        return body(context)

    return lambda: Definitions(assets=[step])


def test_the_report_is_written_where_the_control_plane_looks(invoked: Any) -> None:
    code = container.run(ENVIRON, load=defs_of(lambda context: 1), bucket=invoked)

    assert code == 0
    assert report_in(invoked).produced == ("result",)


def test_a_failing_step_is_a_report_too(invoked: Any) -> None:
    code = container.run(ENVIRON, load=defs_of(lambda context: 1 / 0), bucket=invoked)

    failure = report_in(invoked).failure
    assert code == 0
    assert failure is not None
    assert failure.error == "ZeroDivisionError"


def test_code_that_cannot_be_loaded_is_a_report_too(invoked: Any) -> None:
    def load() -> Definitions:
        raise DefinitionError("'shop' cannot be imported.")

    container.run(ENVIRON, load=load, bucket=invoked)

    failure = report_in(invoked).failure
    assert failure is not None
    assert failure.message == "'shop' cannot be imported."


def test_without_a_name_of_definitions_the_report_names_the_variable(invoked: Any) -> None:
    container.run(ENVIRON, bucket=invoked)

    failure = report_in(invoked).failure
    assert failure is not None
    assert "TIDEGATE_DEFINITIONS is not set" in failure.message


@pytest.mark.parametrize("missing", [INVOCATION, "TIDEGATE_DATA_BUCKET"])
def test_a_missing_variable_is_named(missing: str) -> None:
    environ = {name: value for name, value in ENVIRON.items() if name != missing}

    with pytest.raises(DeploymentError, match=f"{missing} is not set"):
        container.run(environ)


def test_an_invocation_that_is_not_there_is_an_error(bucket: Any) -> None:
    with pytest.raises(InvocationError, match="no invocation at"):
        container.run(ENVIRON, bucket=bucket)


def test_a_report_that_cannot_be_written_is_an_error(invoked: Any) -> None:
    invoked.refuses = OutputError("S3 is away.")

    with pytest.raises(OutputError, match="S3 is away"):
        container.run(ENVIRON, load=defs_of(lambda context: None), bucket=invoked)


def test_a_step_that_is_told_to_stop_tidies_up_and_says_so(invoked: Any) -> None:
    tidied = []

    def body(context: AssetExecutionContext) -> Any:
        context.log.info("begun")
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(60)
        finally:
            tidied.append(True)

    code = container.run(ENVIRON, load=defs_of(body), bucket=invoked, stoppable=stopped_by_sigterm)

    report = report_in(invoked)
    assert code == 0
    assert tidied == [True]
    assert report.failure is not None
    assert (report.failure.error, report.failure.message) == (
        "Stopped",
        "The container was told to stop (SIGTERM).",
    )
    assert report.failure.allow_retries is True
    assert [line.message for line in report.logs] == ["begun"]


def test_a_signal_after_the_step_changes_nothing(invoked: Any) -> None:
    put_object = invoked.put_object

    def signalled(key: str, body: bytes, **more: Any) -> None:
        if key.startswith("reports/"):
            os.kill(os.getpid(), signal.SIGTERM)
        put_object(key, body, **more)

    invoked.put_object = signalled

    container.run(
        ENVIRON, load=defs_of(lambda context: 1), bucket=invoked, stoppable=stopped_by_sigterm
    )

    assert report_in(invoked).failure is None


def test_while_the_step_runs_the_container_gives_signs_of_life_and_none_after(
    invoked: Any,
) -> None:
    beaten, tries = threading.Event(), 0
    put = invoked.put_object

    def put_object(key: str, body: bytes, **more: Any) -> None:
        nonlocal tries
        if key.startswith("heartbeats/"):
            tries += 1
            if tries == 1:
                raise OutputError("S3 is away.")
            beaten.set()
        put(key, body, **more)

    invoked.put_object = put_object
    this = ContainerRun(Invocation(run_id="r1", job="__ASSET_JOB", step="step", index=0), invoked)
    with container.alive(this, every=0.001):
        this.run(defs_of(lambda context: beaten.wait()))

    assert report_in(invoked).failure is None
    assert "at" in json.loads(invoked.objects["heartbeats/r1/0/1.json"].body)
    assert not [one for one in threading.enumerate() if one.name == "heartbeat"]


def test_a_short_step_gives_no_sign_of_life(invoked: Any) -> None:
    container.run(ENVIRON, load=defs_of(lambda context: 1), bucket=invoked)

    assert not [key for key in invoked.objects if key.startswith("heartbeats/")]


def test_the_first_report_stays(invoked: Any) -> None:
    invocation = Invocation(run_id="r1", job="__ASSET_JOB", step="step", index=0)
    this = ContainerRun(invocation, invoked)

    this.run(defs_of(lambda context: 1))
    this.stopped("too late")

    assert report_in(invoked).failure is None


def test_a_step_that_cannot_be_interrupted_is_reported_and_left(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from tidegate import Definitions, asset
from tidegate.domain.task import Invocation
from tidegate.execution.container import ContainerRun, stopped_by_sigterm

class Folder:
    name = "data"
    def put_object(self, key, body, *, content_type, metadata=None):
        Path({str(tmp_path / "report.json")!r}).write_bytes(body)
    def get_object(self, key):
        return None

@asset
def step():
    while True:
        try:
            print("running", flush=True)
            sys.stdin.read(1)
        except BaseException:
            pass

this = ContainerRun(Invocation(run_id="r1", job="__ASSET_JOB", step="step", index=0), Folder())
with stopped_by_sigterm(this, grace=0.1):
    this.run(lambda: Definitions(assets=[step]))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGTERM)

        assert process.wait(60) == 128 + signal.SIGTERM

    report = Report.from_json(json.loads((tmp_path / "report.json").read_bytes()))
    assert report.failure is not None
    assert report.failure.error == "Stopped"
    assert "did not end within" in report.failure.message


FORKS = """
import os, sys
from tidegate import Definitions, asset
from tidegate.domain.task import Invocation
from tidegate.execution.container import ContainerRun

class Folder:
    name = "data"
    def put_object(self, key, body, *, content_type, metadata=None):
        if key.startswith("reports/"):
            with open(sys.argv[1], "a") as written:
                written.write(f"{os.getpid()}\\n")
    def get_object(self, key):
        return None

def copied():
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return Definitions(assets=[step]) if sys.argv[2] == "load" else None

@asset
def step():
    if sys.argv[2] == "step":
        copied()

load = copied if sys.argv[2] == "load" else lambda: Definitions(assets=[step])
this = ContainerRun(Invocation(run_id="r1", job="__ASSET_JOB", step="step", index=0), Folder())
print(os.getpid(), flush=True)
this.run(load)
"""


@pytest.mark.parametrize("where", ["step", "load"])
def test_of_a_process_and_its_copy_only_the_first_reports(tmp_path: Path, where: str) -> None:
    written = tmp_path / "written"

    done = subprocess.run(
        [sys.executable, "-c", FORKS, str(written), where],
        capture_output=True,
        text=True,
        check=True,
    )

    assert written.read_text() == done.stdout


def test_the_entry_point_says_in_one_sentence_what_is_missing() -> None:
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")
    }

    done = subprocess.run(
        [sys.executable, "-m", "tidegate.execution.container"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr == (
        "tidegate: The environment variable TIDEGATE_INVOCATION is not set. Deploy with infra/app.py.\n"
    )
