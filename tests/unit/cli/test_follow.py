"""Waiting for a run: what is shown meanwhile, how often it asks, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from tests.unit.cli.answers import RUN, WAITING, FakeClient, status_of
from tidegate.cli.follow import follow, progress
from tidegate.errors import DeploymentError

QUEUED = status_of(status="QUEUED", counts={"PENDING": 4}, waiting=WAITING)
STARTED = status_of(
    status="STARTED",
    finished_at=None,
    total=40,
    counts={"SUCCESS": 13, "STARTED": 5, "PENDING": 19, "WAITING": 3},
    running=["a", "b", "c", "d", "e"],
)
ENDED = status_of()
FAILED = status_of(
    status="FAILURE", reason="Step 'b' failed: boom.", counts={"SUCCESS": 3, "FAILURE": 1}
)


class FakeTime:
    """Time that passes only by sleeping. Sleep number ``interrupt_at`` is cut short by Ctrl-C."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        self.slept: list[float] = []
        self._interrupt_at = interrupt_at

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)
        if len(self.slept) == self._interrupt_at:
            raise KeyboardInterrupt


def client_of(*statuses: Any) -> FakeClient:
    return FakeClient({"runs.status": list(statuses)})


@pytest.mark.parametrize(("status", "code"), [("SUCCESS", 0), ("FAILURE", 1), ("CANCELED", 1)])
def test_the_exit_code_is_0_only_for_success(status: str, code: int) -> None:
    assert follow(client_of(status_of(status=status)), RUN, clock=FakeTime()) == code


def test_it_asks_ever_less_often_up_to_once_a_second() -> None:
    clock = FakeTime()

    follow(client_of(*[STARTED] * 15, ENDED), RUN, clock=clock)

    assert clock.slept[0] == 0.1
    assert clock.slept == sorted(clock.slept)
    assert clock.slept[-1] == 1.0


def test_where_nothing_can_be_redrawn_a_line_tells_each_change(
    capsys: pytest.CaptureFixture[str],
) -> None:
    follow(client_of(QUEUED, QUEUED, STARTED, STARTED, ENDED), RUN, clock=FakeTime())

    assert capsys.readouterr().out.splitlines() == [
        "queued, 0/4 steps, waits for pool/db (3 of 3 in use), 4 ahead, for 1 min 12 s",
        "started, 13/40 steps, running a, b, c and 2 more; 3 steps waiting for a slot",
        f"Run {RUN} succeeded in 10.0 s: 4 steps (4 success).",
    ]


def test_a_failure_ends_with_its_reason_and_where_to_look(
    capsys: pytest.CaptureFixture[str],
) -> None:
    follow(client_of(FAILED), RUN, clock=FakeTime())

    assert capsys.readouterr().out.splitlines() == [
        f"Run {RUN} failed in 10.0 s: 4 steps (1 failure, 3 success).",
        "Step 'b' failed: boom.",
        "See: tidegate runs show a1b2c3d4",
    ]


def test_ctrl_c_stops_the_waiting_and_not_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    code = follow(client_of(STARTED, STARTED), RUN, clock=FakeTime(interrupt_at=2))

    assert code == 130
    assert "the run goes on. `tidegate runs wait a1b2c3d4` waits again." in capsys.readouterr().err


def test_a_time_out_says_where_the_run_is() -> None:
    with pytest.raises(DeploymentError) as raised:
        follow(client_of(*[STARTED] * 9), RUN, timeout=0.2, clock=FakeTime())

    assert raised.value.message == f"Run {RUN} is started after 0.2 seconds."


def test_a_terminal_is_redrawn_and_left_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Console(width=80, force_terminal=True, highlight=False, record=True)
    monkeypatch.setattr("tidegate.cli.screen.console", lambda: terminal)

    follow(client_of(QUEUED, STARTED, ENDED), RUN, clock=FakeTime())

    assert terminal.export_text().splitlines()[-1].startswith(f"Run {RUN} succeeded in 10.0 s")


def drawn(status: dict[str, Any], *, ascii_only: bool = False) -> list[str]:
    terminal = Console(width=80, record=True, highlight=False, quiet=True)
    terminal.quiet = False
    with terminal.capture() as capture:
        terminal.print(progress(status, width=80, ascii_only=ascii_only))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_progress_is_three_lines() -> None:
    assert drawn(STARTED) == [
        "seattle_weather  a1b2c3d4  started  20.0 s",
        "━" * 15 + "─" * 33 + "  13/40 steps",
        "running a, b, c and 2 more; 3 steps waiting for a slot",
    ]


def test_progress_says_what_a_queued_run_waits_for() -> None:
    assert drawn(QUEUED, ascii_only=True) == [
        "seattle_weather  a1b2c3d4  queued  20.0 s",
        "-" * 48 + "  0/4 steps",
        "waits for pool/db (3 of 3 in use), 4 ahead, for 1 min 12 s",
    ]


def test_progress_never_wraps() -> None:
    wide = STARTED | {"running": ["a/very/long/asset/key/" * 4] * 3}

    assert all(len(line) < 80 for line in drawn(wide))
    assert len(drawn(wide)) == 3
