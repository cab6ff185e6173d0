"""``tidegate runs``: what is asked of the deployment, and what is shown of the answer at 80 columns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.cli.answers import (
    RUN,
    WAITING,
    FakeClient,
    Tidegate,
    at,
    run_of,
    status_of,
    step_of,
)
from tidegate.cli.timeline import chosen
from tidegate.errors import UnknownRunError

OTHER = "01957f2e-5c00-7000-8000-000077aa00ff"


def show(client: FakeClient, tidegate: Tidegate, *options: str, **changes: Any) -> list[str]:
    client.answers["runs.show"] = {"waiting": None, "steps": []} | run_of(**changes)
    printed = tidegate("runs", "show", RUN, *options)
    assert printed.code == 0, printed.err
    return printed.out.splitlines()


def test_the_list_names_runs_by_the_end_of_their_id(client: FakeClient, tidegate: Tidegate) -> None:
    client.answers["runs.list"] = {
        "runs": [
            run_of(),
            run_of(run_id=OTHER, status="QUEUED", started_at=None, finished_at=None),
        ],
        "cursor": None,
    }

    printed = tidegate("runs", "list")

    assert [line.rstrip() for line in printed.out.splitlines()] == [
        "RUN       JOB              STATUS   CREATED     TOOK",
        "a1b2c3d4  seattle_weather  success  11:59:40  10.0 s",
        "77aa00ff  seattle_weather  queued   11:59:40       -",
    ]


def test_the_list_passes_its_filters_on(client: FakeClient, tidegate: Tidegate) -> None:
    client.answers["runs.list"] = {"runs": [], "cursor": None}

    printed = tidegate("runs", "list", "--job", "nightly", "--status", "failure", "--limit", "5")

    assert client.calls == [("runs.list", {"job": "nightly", "status": "failure", "limit": 5})]
    assert printed.out == "No runs.\n"


def test_a_list_that_goes_on_says_so(client: FakeClient, tidegate: Tidegate) -> None:
    client.answers["runs.list"] = {"runs": [run_of()], "cursor": "next"}

    assert tidegate("runs", "list").out.endswith("The latest 20; more with --limit.\n")


def test_a_run_of_assets_is_named_by_them(client: FakeClient, tidegate: Tidegate) -> None:
    run = run_of(job="__ASSET_JOB", assets=["raw", "clean", "report"], partition_key="2015-01-01")
    client.answers["runs.list"] = {"runs": [run], "cursor": None}

    printed = tidegate("runs", "list").out

    assert "report and 2 more  success" in printed
    assert "2015-01-01" in printed


def test_names_are_printed_as_they_are(client: FakeClient, tidegate: Tidegate) -> None:
    client.answers["runs.list"] = {"runs": [run_of(job="[bold]:smile:[/]")], "cursor": None}

    assert "[bold]:smile:[/]" in tidegate("runs", "list").out


@pytest.mark.parametrize(
    ("arguments", "action", "answer"),
    [
        (["runs", "list"], "runs.list", {"runs": [run_of()], "cursor": None}),
        (["runs", "show", RUN], "runs.show", run_of(waiting=None, steps=[step_of("a")])),
        (["runs", "wait", RUN], "runs.status", status_of()),
        (["queue"], "queue", {"runs": [run_of(waiting=WAITING)], "cursor": None}),
        (["limits", "list"], "limits.list", {"limits": []}),
        (["limits", "show", "runs"], "limits.show", {"key": "runs", "capacity": 3}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_json_is_the_answer_and_nothing_else(
    client: FakeClient, tidegate: Tidegate, arguments: list[str], action: str, answer: Any
) -> None:
    client.answers[action] = answer

    printed = tidegate(*arguments, "--json")

    assert json.loads(printed.out) == answer
    assert printed.err == ""


def test_show_draws_when_each_step_ran(client: FakeClient, tidegate: Tidegate) -> None:
    steps = [
        step_of("raw", finished_at=at(-18)),
        step_of("clean", started_at=at(-18), finished_at=at(-10)),
    ]

    assert show(client, tidegate, steps=steps) == [
        f"Run {RUN}  seattle_weather",
        "success  created 11:59:40, started 11:59:40, took 10.0 s",
        "team=weather",
        "",
        "STEP   STATUS           TOOK  0" + "10.0 s".rjust(49),
        "raw    success        2.00 s  " + "━" * 10,
        "clean  success        8.00 s  " + " " * 10 + "━" * 40,
    ]


def test_show_tells_time_that_was_waited_from_time_that_was_worked(
    client: FakeClient, tidegate: Tidegate
) -> None:
    steps = [step_of("clean", waiting_at=at(-20), started_at=at(-15), finished_at=at(-10))]

    line = show(client, tidegate, steps=steps)[-1]

    assert line.endswith("  " + "·" * 25 + "━" * 25)


def test_show_says_why_a_step_waits_and_who_holds_the_limit_once(
    client: FakeClient, tidegate: Tidegate
) -> None:
    idle = {"started_at": None, "finished_at": None, "waiting_at": at(-5)}
    steps = [
        step_of("a", "WAITING", waiting=WAITING, **idle),
        step_of("b", "WAITING", waiting=WAITING | {"ahead": 5}, **idle),
    ]

    lines = show(client, tidegate, status="STARTED", finished_at=None, steps=steps)

    assert lines[-5].startswith("a     waiting             -  ")
    assert lines[-4:-2] == [
        "  waits for pool/db (3 of 3 in use), 4 ahead, for 1 min 12 s; held by b1b2c3d4",
        "  step 2, c1b2c3d4 step 5, d1b2c3d4",
    ]
    assert lines[-1] == "  waits for pool/db (3 of 3 in use), 5 ahead, for 1 min 12 s"


def test_show_says_why_a_run_is_queued(client: FakeClient, tidegate: Tidegate) -> None:
    lines = show(
        client, tidegate, status="QUEUED", started_at=None, finished_at=None, waiting=WAITING
    )

    assert lines[2:4] == [
        "It waits for pool/db (3 of 3 in use), 4 ahead, for 1 min 12 s.",
        "Held by b1b2c3d4 step 2, c1b2c3d4 step 5, d1b2c3d4.",
    ]


def test_show_gives_the_reason_of_a_failure_two_lines(
    client: FakeClient, tidegate: Tidegate
) -> None:
    steps = [step_of("a", "FAILURE", reason="ValueError: " + "no rows\n" * 40)]

    lines = show(client, tidegate, status="FAILURE", reason="Step 'a' failed.", steps=steps)

    assert lines[2] == "Step 'a' failed."
    assert len(lines) == 9
    assert lines[-1].endswith(" ...")


def test_no_line_of_show_is_wider_than_the_terminal(client: FakeClient, tidegate: Tidegate) -> None:
    steps = [
        step_of("a/very/long/key/" * 4 + name, "WAITING", waiting=WAITING, waiting_at=at(-19))
        for name in ("one", "two")
    ] + [step_of("b", "FAILURE", reason="x" * 300)]

    lines = show(client, tidegate, steps=steps)

    assert max(len(line) for line in lines) <= 80


def test_a_long_name_keeps_its_end(client: FakeClient, tidegate: Tidegate) -> None:
    lines = show(client, tidegate, steps=[step_of("warehouse/staging/orders/daily_summary")])

    assert lines[-1].startswith("…ging/orders/daily_summary  success")


def test_of_many_steps_those_that_matter_are_shown() -> None:
    steps = [step_of(f"s{n}") for n in range(100)]
    steps[90] = step_of("s90", "FAILURE")
    steps[95] = step_of("s95", "STARTED")

    shown = [one["step"] for one in chosen(steps, most=4)]

    assert shown == ["s0", "s1", "s90", "s95"]


def test_how_many_steps_are_left_out_is_said(client: FakeClient, tidegate: Tidegate) -> None:
    steps = [step_of(f"s{n}") for n in range(60)]

    short, whole = show(client, tidegate, steps=steps), show(client, tidegate, "--all", steps=steps)

    assert short[-1] == "50 of 60 steps (60 success); --all shows them."
    assert len(whole) == 5 + 60


def test_a_run_that_ended_before_it_began_has_a_timeline(
    client: FakeClient, tidegate: Tidegate
) -> None:
    lines = show(client, tidegate, status="FAILURE", started_at=None, finished_at=at(-20), steps=[])

    assert lines[1] == "failure  created 11:59:40"


@pytest.mark.parametrize("text", ["a1b2c3d4", "A1B2C3D4", "01957f2e-5c00-7000-8000-0000a1"])
def test_a_run_is_found_by_the_beginning_or_end_of_its_id(
    client: FakeClient, tidegate: Tidegate, text: str
) -> None:
    client.answers["runs.list"] = {"runs": [run_of(run_id=OTHER), run_of()], "cursor": None}
    client.answers["runs.status"] = status_of()

    assert tidegate("runs", "wait", text).code == 0
    assert client.calls[-1] == ("runs.status", {"run_id": RUN})


def test_without_an_id_the_latest_run_is_meant(client: FakeClient, tidegate: Tidegate) -> None:
    client.answers["runs.list"] = {"runs": [run_of(run_id=OTHER)], "cursor": None}
    client.answers["runs.status"] = status_of()

    tidegate("runs", "wait")

    assert client.calls == [("runs.list", {"limit": 1}), ("runs.status", {"run_id": OTHER})]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("01957f2e", "2 runs have an id that begins or ends with '01957f2e'."),
        ("ffffffff", "None of the latest 500 runs has an id that begins or ends with 'ffffffff'."),
    ],
)
def test_an_id_that_fits_no_run_or_several_is_refused(
    client: FakeClient, tidegate: Tidegate, text: str, expected: str
) -> None:
    client.answers["runs.list"] = {"runs": [run_of(run_id=OTHER), run_of()], "cursor": None}

    printed = tidegate("runs", "show", text)

    assert printed.code == 2
    assert printed.err.splitlines()[0] == f"Error: {expected}"


def test_before_the_first_run_the_way_to_one_is_told(
    client: FakeClient, tidegate: Tidegate
) -> None:
    client.answers["runs.list"] = {"runs": [], "cursor": None}

    printed = tidegate("runs", "show")

    assert printed.code == 2
    assert printed.err == (
        "Error: There are no runs yet.\n`tidegate materialize --select NAME` makes one.\n"
    )


def test_an_unknown_run_is_bad_input(client: FakeClient, tidegate: Tidegate) -> None:
    client.answers["runs.show"] = UnknownRunError("There is no run 'x'.", mend="Look at the list.")

    printed = tidegate("runs", "show", RUN)

    assert (printed.code, printed.out) == (2, "")
    assert printed.err == "Error: There is no run 'x'.\nLook at the list.\n"


def event(kind: str, message: str = "", **changes: Any) -> dict[str, Any]:
    return {
        "at": at(0.25),
        "kind": kind,
        "step": None,
        "attempt": None,
        "level": "INFO",
        "message": message,
        "data": {},
    } | changes


def test_logs_are_events_and_lines_in_order(client: FakeClient, tidegate: Tidegate) -> None:
    client.answers["runs.logs"] = {
        "events": [
            event("RUN_START"),
            event("LOG", "Read 1,461 rows.", step="raw"),
            event("LOG", "One is odd.", step="raw", level="WARNING"),
            event("STEP_FAILURE", "ValueError: no\nrows", step="raw", level="ERROR"),
        ]
    }

    assert tidegate("runs", "logs", RUN).out.splitlines() == [
        "12:00:00.250  RUN_START",
        "12:00:00.250  raw  Read 1,461 rows.",
        "12:00:00.250  raw  WARNING  One is odd.",
        "12:00:00.250  raw  STEP_FAILURE  ValueError: no",
        "              rows",
    ]


def test_logs_of_one_step(client: FakeClient, tidegate: Tidegate) -> None:
    events = [event("RUN_START"), event("LOG", "Hello.", step="raw")]
    client.answers["runs.logs"] = {"events": events}

    assert tidegate("runs", "logs", RUN, "--step", "raw").out == "12:00:00.250  raw  Hello.\n"

    refused = tidegate("runs", "logs", RUN, "--step", "row")

    assert refused.code == 2
    assert refused.err == "Error: No event is of a step 'row'.\nSteps with events: raw.\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Say which runs."),
        ((RUN, "--all"), "not both"),
        (("--tag", "=x"), "has no key"),
        (("--tag", "a=1", "--tag", "a=2"), "given twice"),
        (("--all", "--json"), "nobody can be asked"),
    ],
)
def test_a_cancel_that_does_not_say_which_runs_is_refused(
    client: FakeClient, tidegate: Tidegate, arguments: tuple[str, ...], says: str
) -> None:
    printed = tidegate("runs", "cancel", *arguments)

    assert printed.code == 2
    assert says in printed.err
    assert client.calls == []


def test_many_runs_are_canceled_batch_by_batch(client: FakeClient, tidegate: Tidegate) -> None:
    client.answers["runs.cancel_many"] = [
        {"runs": {"QUEUED": 500}, "cursor": "0/x"},
        {"runs": {"QUEUED": 700, "STARTED": 1}, "cursor": None},
    ]

    printed = tidegate("runs", "cancel", "--tag", "team=sea", "--tag", "night", "--yes")

    wanted = {"tags": {"team": "sea", "night": ""}, "by": "ada"}
    assert client.calls == [
        ("runs.cancel_many", wanted),
        ("runs.cancel_many", {"cursor": "0/x"} | wanted),
    ]
    assert printed.out == "Cancelled: 1,201 runs (1,200 queued, 1 started).\n"
