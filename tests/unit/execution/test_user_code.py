"""The user-code function: an invocation in, a report out, and nothing but the data bucket in between."""

from __future__ import annotations

import json
import os
import warnings
from typing import Any

import pytest

from tidegate import (
    AssetExecutionContext,
    Definitions,
    HookContext,
    MetadataValue,
    OpExecutionContext,
    Output,
    asset,
    in_process_executor,
    job,
    op,
    success_hook,
)
from tidegate.domain.hook import HookCall
from tidegate.domain.task import MAX_INLINE_BYTES, Invocation, Report
from tidegate.errors import DefinitionError, InvocationError, OutputError
from tidegate.execution import user_code
from tidegate.execution.user_code import handle


def invocation(**fields: Any) -> dict[str, Any]:
    given = {
        "run_id": "r1",
        "job": "__ASSET_JOB",
        "step": "raw",
        "index": 4,
        "attempt": 2,
        **fields,
    }
    return Invocation(**given).to_json()


@asset
def raw() -> list[int]:
    return [1, 2]


@asset
def total(raw: list[int]) -> int:
    return sum(raw)


@asset
def talkative(context: AssetExecutionContext) -> int:
    for number in range(2000):
        context.log.info("line %d of what is to be said", number)
    return 1


@asset
def wordy() -> Output[int]:
    return Output(1, metadata={"text": "x" * MAX_INLINE_BYTES})


@op
def chatty(context: OpExecutionContext) -> None:
    context.log.info("1000 letters %s", "x" * 1000)


@job(executor_def=in_process_executor)
def chatter() -> None:
    for place in range(4):
        chatty.alias(f"chatty_{place}")()


COPIES: list[int] = []


@success_hook
def forks(context: HookContext) -> None:
    if copy := os.fork():
        COPIES.append(copy)


@job
def hooked() -> None:
    chatty.with_hooks({forks})()


DEFS = Definitions(assets=[raw, total, talkative, wordy], jobs=[chatter, hooked])


def test_steps_pass_values_through_the_bucket(bucket: Any) -> None:
    first = handle(invocation(), defs=DEFS, bucket=bucket)
    second = handle(invocation(step="total", index=5), defs=DEFS, bucket=bucket)

    assert Report.from_json(first).failure is None
    assert Report.from_json(second).produced == ("result",)
    assert bucket.objects["assets/raw/_"].body == b"[1,2]"
    assert bucket.objects["assets/total/_"].body == b"3"


def test_a_report_is_about_the_attempt_it_was_asked_for(bucket: Any, now: Any) -> None:
    report = Report.from_json(handle(invocation(), defs=DEFS, bucket=bucket, now=now))

    assert (report.run_id, report.index, report.attempt) == ("r1", 4, 2)
    assert report.started_at.year == report.finished_at.year == 2026
    assert report.finished_at > report.started_at


def test_an_invocation_may_be_in_the_bucket(bucket: Any) -> None:
    body = json.dumps(invocation()).encode()
    bucket.put_object("invocations/r1/4/2.json", body, content_type="application/json")

    answer = handle({"invocation_key": "invocations/r1/4/2.json"}, defs=DEFS, bucket=bucket)

    assert Report.from_json(answer).failure is None


def test_a_large_report_goes_to_its_place_in_the_bucket(bucket: Any) -> None:
    answer = handle(invocation(step="wordy"), defs=DEFS, bucket=bucket)

    assert answer == {"report_key": "reports/r1/4/2.json"}
    report = Report.from_json(json.loads(bucket.objects["reports/r1/4/2.json"].body))
    assert report.produced == ("result",)


def test_a_long_log_goes_to_the_bucket_and_the_report_says_where(bucket: Any) -> None:
    report = Report.from_json(handle(invocation(step="talkative"), defs=DEFS, bucket=bucket))

    assert (report.logs, report.logs_key) == ((), "logs/r1/4/2.jsonl")
    lines = bucket.objects["logs/r1/4/2.jsonl"].body.splitlines()
    assert len(lines) == 2000
    assert json.loads(lines[1999])[1:] == ["INFO", "line 1999 of what is to be said"]


def test_of_a_whole_run_only_so_much_log_is_in_the_report(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_code, "WHOLE_LOG_BYTES", 3000)

    whole = invocation(job="chatter", step="in_process", index=0, attempt=1, is_whole_run=True)
    report = Report.from_json(handle(whole, defs=DEFS, bucket=bucket))

    keys = [one.reports[-1].logs_key for one in report.within]
    assert keys == [None, None, "logs/r1/3/1.jsonl", "logs/r1/4/1.jsonl"]
    assert b"1000 letters" in bucket.objects["logs/r1/4/1.jsonl"].body


def test_a_copy_that_a_hook_makes_of_the_process_ends_with_the_hook(bucket: Any) -> None:
    call = HookCall(run_id="r1", index=0, number=0, name="forks", on="success", step="chatty")
    document = invocation(job="hooked", step="chatty", index=0, attempt=1)
    process = os.getpid()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a test worker has other threads
        handle(document | {"kind": "hook", "hook": call.to_json()}, defs=DEFS, bucket=bucket)

    if os.getpid() != process:
        os._exit(9)
    _, status = os.waitpid(COPIES.pop(), 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_log_that_cannot_be_stored_does_not_fail_the_step(bucket: Any) -> None:
    puts = bucket.put_object

    def refuse_logs(key: str, body: bytes, **more: Any) -> None:
        if key.startswith("logs/"):
            raise OutputError("The bucket is full.")
        puts(key, body, **more)

    bucket.put_object = refuse_logs
    report = Report.from_json(handle(invocation(step="talkative"), defs=DEFS, bucket=bucket))

    assert report.failure is None
    assert [one.message for one in report.logs] == [
        "The log could not be stored: The bucket is full."
    ]


def test_a_value_that_cannot_be_stored_fails_the_step_and_may_be_retried(bucket: Any) -> None:
    bucket.refuses = OutputError("S3 is away.")

    report = Report.from_json(handle(invocation(), defs=DEFS, bucket=bucket))

    assert report.failure is not None
    assert (report.failure.error, report.failure.allow_retries) == ("OutputError", True)
    assert report.produced == ()


def test_a_report_beyond_the_limit_becomes_a_failure_that_says_so(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_code, "MAX_REPORT_BYTES", 1000)

    report = Report.from_json(handle(invocation(step="wordy"), defs=DEFS, bucket=bucket))

    assert report.failure is not None
    assert report.failure.error == "BadReport"
    assert "bytes; 1,000 is the most. Keep metadata small" in report.failure.message
    assert report.materializations == ()


def test_metadata_with_text_no_encoding_carries_is_sent_all_the_same(bucket: Any) -> None:
    @asset
    def odd() -> Output[int]:
        return Output(1, metadata={"text": "\ud800", "inside": MetadataValue.json(["\udfff"])})

    answer = handle(invocation(step="odd"), defs=Definitions(assets=[odd]), bucket=bucket)

    assert json.dumps(answer, ensure_ascii=False).encode()
    assert Report.from_json(answer).materializations[0].metadata["text"]["value"] == "?"


def test_definitions_that_cannot_be_loaded_are_a_failure_of_the_step(bucket: Any) -> None:
    def load() -> Definitions:
        raise DefinitionError("'shop' cannot be imported.", mend="Mend it.")

    report = Report.from_json(handle(invocation(), defs=load, bucket=bucket))

    assert report.failure is not None
    assert (report.failure.error, report.failure.message) == (
        "DefinitionError",
        "'shop' cannot be imported. Mend it.",
    )


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"job": "nightly"}, "UnknownJobError"),
        ({"step": "gone"}, "InvocationError"),
        ({"assets": ("gone",)}, "UnknownAssetError"),
    ],
)
def test_a_step_this_code_does_not_have_is_a_failure_of_the_step(
    bucket: Any, fields: Any, error: str
) -> None:
    report = Report.from_json(handle(invocation(**fields), defs=DEFS, bucket=bucket))

    assert report.failure is not None
    assert (report.failure.error, report.failure.allow_retries) == (error, False)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({}, "no invocation of a step"),
        ({"kind": "step"}, "no invocation of a step"),
        ({"kind": "sensor"}, "unknown kind 'sensor'"),
        ({"invocation_key": "gone"}, "no invocation at s3://data/gone"),
        ([], "no invocation of a step"),
    ],
)
def test_an_event_that_asks_for_nothing_is_an_error(
    bucket: Any, payload: Any, message: str
) -> None:
    with pytest.raises(InvocationError, match=message):
        handle(payload, defs=DEFS, bucket=bucket)


def test_only_the_selected_assets_are_made(bucket: Any) -> None:
    report = Report.from_json(
        handle(invocation(step="total", assets=("total",)), defs=DEFS, bucket=bucket)
    )

    assert report.failure is not None
    assert report.failure.message.startswith("Asset 'raw' has no stored value")


def test_steps_are_worked_out_once_for_a_job_and_selection(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    @op
    def one() -> int:
        return 1

    @job
    def small() -> None:
        one()

    defs = Definitions(jobs=[small])
    asked = []
    steps = type(small).step_definitions
    monkeypatch.setattr(
        type(small), "step_definitions", lambda self, assets=None: asked.append(1) or steps(self)
    )

    for attempt in (1, 2, 3):
        handle(invocation(job="small", step="one", attempt=attempt), defs=defs, bucket=bucket)

    assert len(asked) == 1


def test_the_same_invocation_twice_stores_the_same_and_reports_the_same(
    bucket: Any, now: Any
) -> None:
    still = now()

    first = handle(invocation(), defs=DEFS, bucket=bucket, now=lambda: still)
    stored = dict(bucket.objects)
    second = handle(invocation(), defs=DEFS, bucket=bucket, now=lambda: still)

    assert first == second
    assert bucket.objects == stored
