"""One attempt of one step: what the function is given, and that whatever it does becomes a report."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.execution.jobs import job_of
from tidegate import (
    AssetExecutionContext,
    AssetKey,
    DailyPartitionsDefinition,
    Failure,
    OpExecutionContext,
    RetryRequested,
    asset,
    get_logger,
    op,
)
from tidegate.domain.task import Report


def raising(error: BaseException) -> Any:
    @op
    def faulty() -> int:
        raise error

    return job_of(faulty)


def test_the_context_tells_of_run_step_and_attempt(attempt: Any) -> None:
    seen: list[AssetExecutionContext] = []

    @asset(key=["raw", "daily"], partitions_def=DailyPartitionsDefinition("2024-01-01"))
    def daily(context: AssetExecutionContext) -> None:
        seen.append(context)

    attempt(
        daily,
        partition_key="2024-02-01",
        attempt=3,
        tags={"team": "data"},
        assets=("raw/daily",),
    )

    (context,) = seen
    assert (context.run_id, context.job_name, context.step_key) == (
        "r1",
        "__ASSET_JOB",
        "raw__daily",
    )
    assert (context.retry_number, context.run_tags) == (2, {"team": "data"})
    assert (context.get_tag("team"), context.has_tag("none")) == ("data", False)
    assert context.asset_key == AssetKey(["raw", "daily"])
    assert context.selected_asset_keys == {AssetKey(["raw", "daily"])}
    assert context.run.asset_selection == {AssetKey(["raw", "daily"])}
    assert context.selected_output_names == {"result"}
    assert context.partition_key == "2024-02-01"
    assert (context.partition_key_range.start, context.partition_key_range.end) == (
        "2024-02-01",
        "2024-02-01",
    )
    assert context.partition_time_window.start.isoformat() == "2024-02-01T00:00:00+00:00"


def test_what_is_logged_is_in_the_report_and_reaches_the_process(
    attempt: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @op
    def talking(context: OpExecutionContext) -> None:
        assert isinstance(context.log, logging.Logger)
        context.log.info("%d rows", 3)
        get_logger().debug("below")
        try:
            raise ValueError("odd")
        except ValueError:
            context.log.exception("failed")

    lines = attempt(job_of(talking)).report.logs

    assert [(one.level, one.message.splitlines()[0]) for one in lines] == [
        ("INFO", "3 rows"),
        ("DEBUG", "below"),
        ("ERROR", "failed"),
    ]
    assert "ValueError: odd" in lines[2].message
    assert "3 rows" in caplog.messages


def test_logs_of_one_step_do_not_reach_another(attempt: Any) -> None:
    @op
    def talking(context: OpExecutionContext) -> None:
        context.log.info("mine")

    first = attempt(job_of(talking)).report
    second = attempt(job_of(talking)).report

    assert len(first.logs) == len(second.logs) == 1


def test_a_line_that_cannot_be_formatted_is_kept_as_written(attempt: Any) -> None:
    @op
    def talking(context: OpExecutionContext) -> None:
        context.log.info("%d rows", "no number")

    (line,) = attempt(job_of(talking)).report.logs

    assert line.message.startswith("%d rows (not formatted: TypeError")


def test_an_exception_becomes_a_failure_with_the_users_frames_only(attempt: Any) -> None:
    @op
    def faulty() -> int:
        return int("x")

    outcome = attempt(job_of(faulty))

    failure = outcome.report.failure
    assert (failure.error, failure.allow_retries) == ("ValueError", True)
    assert failure.message == "invalid literal for int() with base 10: 'x'"
    assert __file__ in failure.stack
    assert "/tidegate/" not in failure.stack
    assert isinstance(outcome.error, ValueError)


def test_the_cause_of_an_exception_is_in_the_stack(attempt: Any) -> None:
    @op
    def faulty() -> int:
        try:
            return int("x")
        except ValueError as error:
            raise LookupError("no number") from error

    stack = attempt(job_of(faulty)).report.failure.stack

    assert stack.index("ValueError") < stack.index("LookupError: no number")


def test_failure_carries_metadata_and_may_forbid_retries(attempt: Any) -> None:
    error = Failure("too few rows", metadata={"rows": 2}, allow_retries=False)

    failure = attempt(raising(error)).report.failure

    assert (failure.error, failure.message) == ("Failure", "too few rows")
    assert (failure.metadata, failure.allow_retries) == (
        {"rows": {"type": "int", "value": 2}},
        False,
    )


def test_retry_requested_says_when_and_how_often(attempt: Any) -> None:
    @op
    def faulty() -> int:
        try:
            return int("x")
        except ValueError as error:
            raise RetryRequested(max_retries=4, seconds_to_wait=2.5) from error

    failure = attempt(job_of(faulty)).report.failure

    assert (failure.retry_after_seconds, failure.max_retries) == (2.5, 4)
    assert "ValueError: invalid literal" in failure.message


def test_retry_requested_without_a_wait_is_a_retry_at_once(attempt: Any) -> None:
    failure = attempt(raising(RetryRequested())).report.failure

    assert (failure.retry_after_seconds, failure.max_retries) == (0.0, 1)


@pytest.mark.parametrize(
    ("error", "name", "message"),
    [
        (SystemExit(3), "SystemExit", "The step called exit(3)."),
        (KeyboardInterrupt(), "KeyboardInterrupt", "The step was interrupted."),
        (MemoryError(), "MemoryError", "The step ran out of memory."),
        (GeneratorExit(), "GeneratorExit", ""),
    ],
)
def test_what_ends_a_process_ends_only_the_step(
    attempt: Any, error: BaseException, name: str, message: str
) -> None:
    failure = attempt(raising(error)).report.failure

    assert (failure.error, failure.message, failure.allow_retries) == (name, message, True)


def test_an_exception_whose_text_fails_is_reported_all_the_same(attempt: Any) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("not even that")

    failure = attempt(raising(Mute())).report.failure

    assert (failure.error, failure.message) == ("Mute", "(its text cannot be shown: RuntimeError)")


def test_endless_recursion_gives_a_short_stack(attempt: Any) -> None:
    @op
    def deep() -> int:
        def again(n: int) -> int:
            return again(n + 1)

        return again(0)

    failure = attempt(job_of(deep)).report.failure

    assert failure.error == "RecursionError"
    assert len(failure.stack) < 20_000


def test_a_huge_message_is_cut_in_the_middle(attempt: Any) -> None:
    failure = attempt(raising(ValueError("a" + "b" * 1_000_000 + "c"))).report.failure

    assert len(failure.message) < 10_000
    assert (failure.message[0], failure.message[-1]) == ("a", "c")
    assert "characters left out" in failure.message


def test_every_report_is_json_and_reads_back_the_same(
    attempt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the step logs is for its report alone: pytest's workers cannot carry half a surrogate pair.
    monkeypatch.setattr(logging.getLogger("tidegate"), "propagate", False)

    @op
    def odd(context: OpExecutionContext) -> int:
        context.log.info("lone surrogate \ud800")
        context.add_output_metadata({"nan": float("nan"), "inside": [float("inf"), (1, 2)]})
        raise ValueError("\udcff")

    report = attempt(job_of(odd)).report

    text = json.dumps(report.to_json(), allow_nan=False)
    assert Report.from_json(json.loads(text)) == report
    text.encode()


def test_metadata_for_an_output_that_was_yielded_comes_too_late(attempt: Any) -> None:
    from tidegate import Output

    @op
    def late(context: OpExecutionContext) -> Iterator[Output[int]]:
        yield Output(1)
        context.add_output_metadata({"rows": 1})

    failure = attempt(job_of(late)).report.failure

    assert failure.message == "Output 'result' of 'late' has been yielded. Add its metadata before."


def test_running_a_step_imports_neither_aws_nor_pandas() -> None:
    code = (
        "import sys\n"
        "import tidegate.execution.user_code\n"
        "from tidegate import asset, materialize\n"
        "@asset\n"
        "def one(): return 1\n"
        "materialize([one])\n"
        "heavy = {'boto3', 'botocore', 'pynamodb', 'pandas', 'pyarrow', 'pydantic', 'asyncio'}\n"
        "print(heavy & set(sys.modules))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("set()\n", "")
