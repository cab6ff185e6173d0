"""Every command on what a deployment really answers, so that the answers of the other tests cannot drift from the API's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.cli.answers import Tidegate
from tidegate import Definitions, asset, job, op
from tidegate.cli import connect, wording
from tidegate.testing import LocalDeployment


@asset(pool="db", group_name="sea")
def tides(context: Any) -> int:
    context.log.info("Read 3 rows")
    return 1


@asset(deps=["tides"])
def storms() -> None:
    raise ValueError("no storms")


@asset(deps=["storms"])
def report() -> int:
    return 3


@op
def count() -> int:
    return 1


@job
def counting() -> None:
    count()


POOLS = {"limits": {"db": 1}, "op_granularity_run_buffer": 5}
SETTINGS = {"concurrency": {"runs": {"max_concurrent_runs": 2}, "pools": POOLS}}


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalDeployment]:
    """Steps take 4 seconds of a simulated clock."""
    defs = Definitions(assets=[tides, storms, report], jobs=[counting])
    with LocalDeployment(defs, settings=SETTINGS, step_seconds=4) as deployment:
        monkeypatch.setattr(connect, "connect", lambda target: deployment)
        monkeypatch.setattr(connect, "caller", lambda target: "ada")
        monkeypatch.setattr(wording, "now", lambda answer=None: deployment.now)
        yield deployment


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_a_run_from_its_launch_to_its_end(deployed: LocalDeployment, tidegate: Tidegate) -> None:
    launched = tidegate("materialize", "--select", "*", "--tags", "team=sea")
    deployed.advance(seconds=30)
    run_id = deployed.runs()[0]
    bar = 80 - len("storms  success        4.00 s  ")

    listed = tidegate("runs", "list")
    shown = tidegate("runs", "show", run_id[-8:])
    logged = tidegate("runs", "logs")
    waited = tidegate("runs", "wait", run_id)

    assert launched.out.startswith(f"Run {run_id} is queued.\n")
    assert lines(listed.out)[1] == f"{run_id[-8:]}  report and 2 more  failure  00:00:00  8.00 s"
    assert lines(shown.out) == [
        f"Run {run_id}  report and 2 more",
        "failure  created 00:00:00, started 00:00:00, took 8.00 s",
        "step failed: storms",
        "team=sea",
        "",
        "STEP    STATUS           TOOK  0" + "8.00 s".rjust(bar - 1),
        "tides   success        4.00 s  " + "━" * (bar // 2),
        "storms  failure        4.00 s  " + " " * (bar // 2) + "━" * (bar - bar // 2),
        "  ValueError: no storms",
        "report  skipped             -",
        "  upstream failed: storms",
    ]
    assert "00:00:00.000  tides  Read 3 rows" in lines(logged.out)
    assert waited.code == 1
    assert lines(waited.out)[0].startswith(f"Run {run_id} failed in 8.00 s: 3 steps (")


def test_what_waits_is_explained(deployed: LocalDeployment, tidegate: Tidegate) -> None:
    for _ in range(3):
        tidegate("materialize", "--select", "tides")
        deployed.advance(seconds=1)
    last, second, first = (run_id[-8:] for run_id in deployed.runs())

    queue, limits = tidegate("queue"), tidegate("limits", "list")
    queued, waiting = tidegate("runs", "show", last), tidegate("runs", "show", second)

    assert lines(queue.out)[0].startswith("runs  2 of 2 in use, held by ")
    assert lines(queue.out)[2] == f"  {last}  tides      0  1.00 s"
    assert lines(limits.out)[1:] == [
        "ahead/db  ━━────────       1   5        0  default",
        "pool/db   ━━━━━━━━━━       1   1        1  settings",
        "runs      ━━━━━━━━━━       2   2        1  settings",
    ]
    assert "It waits for runs (2 of 2 in use), next in line, for 1.00 s." in lines(queued.out)
    assert lines(waiting.out)[-2:] == [
        "  waits for pool/db (1 of 1 in use), next in line, for 2.00 s; held by " + first,
        "  step 0",
    ]


def test_a_limit_is_changed_at_run_time(deployed: LocalDeployment, tidegate: Tidegate) -> None:
    changed = tidegate("limits", "set", "pool/db", "5")
    refused = tidegate("limits", "set", "db", "5")
    negative = tidegate("limits", "set", "pool/db", "-3")

    assert changed.out == "pool/db: 5 at most, 0 in use, 0 waiting\n"
    assert deployed.limits["pool/db"].capacity == 5
    assert (refused.code, negative.code) == (2, 2)
    assert refused.err.startswith("Error: There is no limit 'db'.\nKinds: ")


def test_a_limit_is_paused_and_resumed_and_its_history_says_by_whom(
    deployed: LocalDeployment, tidegate: Tidegate
) -> None:
    deployed.advance(seconds=1)
    paused = tidegate("limits", "pause", "pool/db")
    tidegate("materialize", "--select", "tides")
    deployed.advance(seconds=30)
    held_up = deployed.run_status(deployed.runs()[0])
    shown = tidegate("runs", "show")
    resumed = tidegate("limits", "resume", "pool/db")
    deployed.advance(seconds=30)
    history = tidegate("limits", "history", "pool/db")

    assert paused.out == "pool/db: 1 at most, paused, 0 in use, 0 waiting\n"
    assert held_up == "STARTED"
    assert "waits for pool/db (paused, admits nothing), next in line" in shown.out
    assert resumed.out == "pool/db: 1 at most, 1 in use, 0 waiting\n"
    assert deployed.run_status(deployed.runs()[0]) == "SUCCESS"
    assert [" ".join(line.split()[1:]) for line in lines(history.out)[1:]] == [
        "ada resume 1, paused 1",
        "ada pause 1 1, paused",
        "settings settings - 1",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["job", "launch", "nope"], "There is no job 'nope'."),
        (["materialize", "--select", "nope"], "There is no asset 'nope'"),
        (["job", "launch", "counting", "--partition", "x"], "Partition 'x' was given"),
        (["runs", "list", "--status", "odd"], "There is no run status 'odd'."),
        (["runs", "show", "01957f2e-5c00-7000-8000-0000a1b2c3d4"], "There is no run"),
    ],
)
def test_unknown_names_are_bad_input_and_create_nothing(
    deployed: LocalDeployment, tidegate: Tidegate, arguments: list[str], expected: str
) -> None:
    printed = tidegate(*arguments)

    assert (printed.code, printed.out) == (2, "")
    assert printed.err.startswith(f"Error: {expected}")
    assert deployed.runs() == []


def test_the_same_run_key_launches_once(deployed: LocalDeployment, tidegate: Tidegate) -> None:
    printed = [tidegate("job", "launch", "counting", "--run-key", "monday").out for _ in range(2)]

    assert printed[0] == printed[1]
    assert len(deployed.runs()) == 1


def test_what_is_deployed_is_listed(deployed: LocalDeployment, tidegate: Tidegate) -> None:
    assert lines(tidegate("definitions", "list").out)[:3] == [
        "definitions: 3 assets, 1 job, 0 resources",
        "",
        "ASSET   GROUP    KIND  PARTITIONS  MADE FROM",
    ]


def test_a_run_that_gives_way_is_said_to_and_shown_and_its_line_is_not_among_the_limits(
    deployed: LocalDeployment, tidegate: Tidegate
) -> None:
    first = deployed.submit("counting", trigger="tide", on_conflict="skip")

    asked = ("job", "launch", "counting", "--trigger", "tide", "--on-conflict", "skip")
    printed = tidegate(*asked)
    second = deployed.runs()[0]
    shown = tidegate("runs", "show", second)
    listed = tidegate("limits", "list")
    refused = tidegate("limits", "set", "line/trigger/tide/skip", "3")

    reason = f"skipped: run {first} of trigger tide came first"
    assert (printed.out, printed.code) == (f"Run {second} was {reason}.\n", 3)
    assert reason in shown.out
    assert "line/" not in listed.out
    assert "'line/trigger/tide/skip' follows trigger/tide." in refused.err
    assert "tidegate limits set trigger/tide N" in refused.err


def test_a_run_is_canceled_and_then_it_says_that_it_is_over(
    deployed: LocalDeployment, tidegate: Tidegate
) -> None:
    first, second = (deployed.submit("counting") for _ in range(2))
    deployed.advance(seconds=1)

    canceled = tidegate("runs", "cancel", first[-8:], "--reason", "not needed")
    deployed.advance(seconds=30)
    again = tidegate("runs", "cancel", first, second)

    assert (canceled.code, canceled.out) == (
        0,
        f"Run {first} is canceling: its steps are being stopped.\n",
    )
    assert (again.code, lines(again.out)) == (
        1,
        [f"Run {first} is canceled.", f"Run {second} was over before, at 00:00:04: success."],
    )
    assert deployed.run(first).reason == "Cancelled by ada: not needed."


def test_all_runs_of_a_job_are_canceled_after_asking(
    deployed: LocalDeployment, tidegate: Tidegate
) -> None:
    for _ in range(3):
        deployed.submit("counting")
    deployed.settle()

    refused = tidegate("runs", "cancel", "--job", "counting", input="n\n")
    counted = tidegate("runs", "cancel", "--job", "counting", input="y\n")
    deployed.settle()
    nothing = tidegate("runs", "cancel", "--all")
    as_json = tidegate("runs", "cancel", "--all", "--yes", "--json")

    assert refused.code == 1
    assert "Cancel 3 runs (1 queued, 2 started)? [y/N]" in refused.out
    assert counted.out.endswith("Cancelled: 3 runs (1 queued, 2 started).\n")
    assert {deployed.run_status(one) for one in deployed.runs()} == {"CANCELED"}
    assert (nothing.code, nothing.out) == (0, "No run fits that is not over.\n")
    assert json.loads(as_json.out) == {"runs": {}}


def test_a_run_is_retried_by_hand_and_says_whose_retry_it_is(
    deployed: LocalDeployment, tidegate: Tidegate
) -> None:
    first = deployed.submit("counting")
    deployed.settle()
    deployed.advance(seconds=4)

    printed = tidegate("runs", "retry", first, "--all")
    second = deployed.runs()[0]
    deployed.advance(seconds=4)
    shown = tidegate("runs", "show", second)
    refused = tidegate("runs", "retry", first)

    assert printed.out.splitlines()[0] == f"Run {second} is queued."
    assert f"tidegate/parent_run_id={first}" in shown.out
    assert f"Retried by hand as run {second}." in tidegate("runs", "logs", first).out
    assert refused.code == 2
    assert "nothing of it failed" in refused.err
    assert "Retry all of it (--all)" in refused.err


def test_a_retry_of_some_steps_is_asked_for_by_name(
    deployed: LocalDeployment, tidegate: Tidegate
) -> None:
    run_id = deployed.materialize("*")
    deployed.advance(minutes=1)

    refused = tidegate("runs", "retry", run_id, "--steps", "report")
    printed = tidegate("runs", "retry", run_id, "--steps", "storms+", "--json")
    both = tidegate("runs", "retry", run_id, "--all", "--from-failure")

    assert "Step 'report' needs what 'storms' makes" in refused.err
    assert json.loads(printed.out)["status"] == "QUEUED"
    assert (both.code, "Only one of" in both.err) == (2, True)
