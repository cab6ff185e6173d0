"""``tidegate limits`` and ``tidegate queue``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.unit.cli.answers import RUN, WAITING, FakeClient, Tidegate, at, run_of
from tidegate.errors import UnknownLimitError

POOL = {
    "key": "pool/db",
    "capacity": 3,
    "rate": None,
    "next_start": None,
    "paused": False,
    "in_use": 3,
    "source": "override",
    "waiting": 12,
}


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_the_list_shows_how_full_each_limit_is(client: FakeClient, tidegate: Tidegate) -> None:
    client.answers["limits.list"] = {
        "limits": [
            POOL | {"key": "runs", "capacity": 10, "in_use": 4, "source": "settings", "waiting": 0},
            POOL,
            POOL | {"key": "pool/off", "capacity": 0, "in_use": 0, "waiting": 1},
            POOL | {"key": "job/a", "capacity": -1, "in_use": 2, "source": "default", "waiting": 0},
        ]
    }

    assert lines(tidegate("limits", "list").out) == [
        "LIMIT                 IN USE        OF  WAITING  SET BY",
        "runs      ━━━━──────       4        10        0  settings",
        "pool/db   ━━━━━━━━━━       3         3       12  override",
        "pool/off  ──────────       0         0        1  override",
        "job/a                      2  no limit        0  default",
    ]


def test_show_names_holders_and_who_is_next(client: FakeClient, tidegate: Tidegate) -> None:
    client.answers["limits.show"] = POOL | {
        "holders": WAITING["holders"][:2],
        "waits": [{"claim_id": f"run/{RUN}", "since": at(-33)}],
    }

    printed = tidegate("limits", "show", "pool/db")

    assert client.calls == [("limits.show", {"key": "pool/db"})]
    assert lines(printed.out) == [
        "pool/db: 3 at most, 3 in use, 12 waiting",
        "",
        "held by   b1b2c3d4 step 2",
        "          c1b2c3d4 step 5",
        "          and 1 more",
        "",
        "next      a1b2c3d4                    33.0 s",
        "          and 11 more",
    ]


@pytest.mark.parametrize("text", ["-1", "0", "5"])
def test_a_limit_is_set_to_none_zero_or_n(
    client: FakeClient, tidegate: Tidegate, text: str
) -> None:
    client.answers["limits.set"] = POOL | {"capacity": int(text)}

    printed = tidegate("limits", "set", "pool/db", text)

    assert printed.code == 0
    ((action, fields),) = client.calls
    assert (action, fields["key"], fields["capacity"]) == ("limits.set", "pool/db", int(text))


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["--rate", "100/minute"], {"rate": {"limit": 100, "per": "minute", "burst": 1}}),
        (
            ["3", "--rate", "100/minute", "--burst", "20"],
            {"capacity": 3, "rate": {"limit": 100, "per": "minute", "burst": 20}},
        ),
        (["--rate", "1/30"], {"rate": {"limit": 1, "per": 30.0, "burst": 1}}),
        (["--rate", "1/0.5"], {"rate": {"limit": 1, "per": 0.5, "burst": 1}}),
        (["-1", "--no-rate"], {"capacity": -1}),
    ],
)
def test_a_rate_is_set_beside_a_capacity_or_alone(
    client: FakeClient, tidegate: Tidegate, words: list[str], asked: dict[str, Any]
) -> None:
    client.answers["limits.set"] = POOL

    printed = tidegate("limits", "set", "pool/db", *words)

    assert printed.code == 0
    ((_, fields),) = client.calls
    said = {name: fields[name] for name in ("capacity", "rate") if name in fields}
    assert said == asked
    assert fields["no_rate"] is ("--no-rate" in words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--rate", "fast"], "Error: A rate cannot be 'fast'.\nWrite it as 100/minute;"),
        (["--rate", "x/minute"], "Error: A rate cannot be 'x/minute'.\n"),
        (["--rate", "1/0x"], "Error: A rate cannot be '1/0x'.\n"),
        (["--burst", "3"], "Error: --burst is given without --rate.\n"),
        (["--rate", "1/day", "--no-rate"], "Error: --rate and --no-rate are both given.\n"),
    ],
)
def test_a_rate_that_is_none_is_refused_before_anything_is_asked(
    client: FakeClient, tidegate: Tidegate, words: list[str], says: str
) -> None:
    printed = tidegate("limits", "set", "pool/db", *words)

    assert printed.code == 2
    assert printed.err.startswith(says)
    assert client.calls == []


def per_minute(limit: int, burst: int = 1) -> dict[str, Any]:
    return {"limit": limit, "per": 60.0, "burst": burst}


def test_a_rate_and_its_next_start_are_shown(client: FakeClient, tidegate: Tidegate) -> None:
    rated = POOL | {"rate": per_minute(100, burst=20), "next_start": at(5)}
    client.answers["limits.list"] = {
        "limits": [
            rated,
            rated
            | {"key": "job/a", "capacity": -1, "rate": per_minute(1), "waiting": 0}
            | {"next_start": None},
        ],
        "now": at(0),
    }
    client.answers["limits.show"] = rated | {"holders": [], "waits": [], "now": at(0)}

    listed = lines(tidegate("limits", "list").out)
    shown = tidegate("limits", "show", "pool/db").out

    local = datetime.fromisoformat(at(5)).astimezone().strftime("%H:%M:%S")
    assert listed[0].split()[-3:] == ["RATE", "NEXT", "START"]
    assert [*listed[1].split()[-2:], listed[2].strip()] == ["100/minute", local, ", burst 20"]
    assert listed[3].split()[-5:] == ["no", "limit", "0", "override", "1/minute"]
    assert shown.startswith(
        f"pool/db: 3 at most, rate 100/minute, burst 20, next start at {local}, 3 in use"
    )


def test_a_change_says_who_asks_and_has_an_id_of_its_own(
    client: FakeClient, tidegate: Tidegate
) -> None:
    client.answers["limits.set"] = POOL

    tidegate("limits", "set", "pool/db", "3")
    tidegate("limits", "set", "pool/db", "3")

    assert [fields["by"] for _, fields in client.calls] == ["ada", "ada"]
    assert len({fields["change_id"] for _, fields in client.calls}) == 2


@pytest.mark.parametrize(
    ("action", "paused", "says"),
    [
        ("pause", True, "pool/db: 3 at most, paused, 3 in use, 12 waiting\n"),
        ("resume", False, "pool/db: 3 at most, 3 in use, 12 waiting\n"),
    ],
)
def test_a_limit_is_paused_and_resumed(
    client: FakeClient, tidegate: Tidegate, action: str, paused: bool, says: str
) -> None:
    client.answers[f"limits.{action}"] = POOL | {"paused": paused}

    printed = tidegate("limits", action, "pool/db")

    ((asked, fields),) = client.calls
    assert (asked, fields["key"]) == (f"limits.{action}", "pool/db")
    assert printed.out == says


def test_a_paused_limit_says_so_in_the_list(client: FakeClient, tidegate: Tidegate) -> None:
    client.answers["limits.list"] = {"limits": [POOL | {"paused": True}]}

    assert "3, paused" in tidegate("limits", "list").out


def test_history_says_who_changed_what_from_what_to_what(
    client: FakeClient, tidegate: Tidegate
) -> None:
    five, paused = {"capacity": 5, "paused": False}, {"capacity": 5, "paused": True}
    common = {"by": "ada", "at": at(-60), "done": True}
    client.answers["limits.history"] = {
        "key": "pool/db",
        "changes": [
            common | {"action": "pause", "before": five, "after": paused, "done": False},
            common
            | {"action": "set", "before": None, "after": five | {"rate": per_minute(2)}, "by": "x"},
        ],
        "cursor": None,
        "now": at(0),
    }

    printed = tidegate("limits", "history", "pool/db")

    assert client.calls == [("limits.history", {"key": "pool/db", "limit": 20})]
    rows = [line.split(maxsplit=1)[1] for line in lines(printed.out)[1:]]
    assert " ".join(rows[0].split()) == "ada pause (not known to be done) 5 5, paused"
    assert " ".join(rows[1].split()) == "x set - 5, 2/minute"


def test_a_limit_nobody_changed_says_so(client: FakeClient, tidegate: Tidegate) -> None:
    client.answers["limits.history"] = {"key": "pool/db", "changes": [], "cursor": None}

    assert tidegate("limits", "history", "pool/db").out == "pool/db has not been changed.\n"


def test_a_limit_that_is_no_number_is_refused_before_anything_is_asked(
    client: FakeClient, tidegate: Tidegate
) -> None:
    printed = tidegate("limits", "set", "pool/db", "many")

    assert printed.code == 2
    assert printed.err.startswith("Error: A limit cannot be 'many'.\n-1 is no limit")
    assert client.calls == []


def test_an_unknown_limit_is_bad_input(client: FakeClient, tidegate: Tidegate) -> None:
    client.answers["limits.set"] = UnknownLimitError("There is no kind of limit 'db'.", mend="...")

    assert tidegate("limits", "set", "db", "3").code == 2


def queued(**changes: Any) -> dict[str, Any]:
    return run_of(status="QUEUED", started_at=None, finished_at=None) | changes


def test_the_queue_says_for_each_run_what_blocks_it(client: FakeClient, tidegate: Tidegate) -> None:
    client.answers["queue"] = {
        "runs": [
            queued(waiting=WAITING | {"blocked_by": "runs", "ahead": 1}, job="second"),
            queued(waiting=WAITING | {"blocked_by": "runs", "ahead": 0}, job="first"),
            queued(waiting=None, job="fresh"),
            queued(waiting=WAITING | {"capacity": 0, "in_use": 0, "holders": []}, job="stopped"),
        ],
        "cursor": None,
    }

    assert lines(tidegate("queue").out) == [
        "Being admitted",
        "  RUN       JOB    AHEAD     FOR",
        "  a1b2c3d4  fresh      -  20.0 s",
        "",
        "pool/db  set to 0, admits nothing",
        "  RUN       JOB      AHEAD         FOR",
        "  a1b2c3d4  stopped      4  1 min 12 s",
        "",
        "runs  3 of 3 in use, held by b1b2c3d4 step 2, c1b2c3d4 step 5, d1b2c3d4",
        "  RUN       JOB     AHEAD         FOR",
        "  a1b2c3d4  first       0  1 min 12 s",
        "  a1b2c3d4  second      1  1 min 12 s",
    ]


def test_an_empty_queue_says_so(client: FakeClient, tidegate: Tidegate) -> None:
    client.answers["queue"] = {"runs": [], "cursor": None}

    assert tidegate("queue").out == "Nothing waits.\n"
