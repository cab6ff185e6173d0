"""``tidegate dev``: how other commands find it, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.cli.answers import Tidegate
from tidegate.cli.connect import running_dev
from tidegate.errors import DefinitionError

WHERE = {"endpoint": "http://127.0.0.1:4100", "region": "us-east-1", "function": "tidegate-api"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """Puts a server in place of the real one, which does as told once it is ready."""

    def _serving(then: Callable[[], None] = lambda: None) -> list[dict[str, Any]]:
        given: list[dict[str, Any]] = []

        def serve(*, on_ready: Callable[[dict[str, Any]], None], **arguments: Any) -> None:
            given.append(arguments)
            on_ready(dict(WHERE))
            then()

        module = ModuleType("tidegate.local.dev")
        module.serve = serve  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "tidegate.local.dev", module)
        return given

    return _serving


def interrupt() -> None:
    raise KeyboardInterrupt


def test_while_it_runs_others_find_it(
    tidegate: Tidegate, folder: Path, serving: Callable[..., Any]
) -> None:
    found: list[Any] = []
    serving(lambda: found.append(running_dev(folder)))

    printed = tidegate("dev")

    assert printed.code == 0
    assert (found[0].endpoint, found[0].pid) == ("http://127.0.0.1:4100", os.getpid())
    assert "tidegate materialize --select NAME --wait" in printed.out


def test_ctrl_c_stops_it_and_leaves_no_trace(
    tidegate: Tidegate, folder: Path, serving: Callable[..., Any]
) -> None:
    serving(interrupt)

    printed = tidegate("dev")

    assert (printed.code, printed.err) == (0, "")
    assert printed.out.endswith("\nStopped.\n")
    assert list((folder / ".tidegate").iterdir()) == []


def test_it_is_told_what_was_asked_for(
    tidegate: Tidegate, folder: Path, serving: Callable[..., Any]
) -> None:
    given = serving()
    (folder / "tidegate.yaml").touch()

    tidegate("dev", "-f", "pipes.py", "--persist", "state", "--port", "4100", "--speed", "60")

    assert given == [
        {
            "definitions": "./pipes.py",
            "settings_path": folder / "tidegate.yaml",
            "persist": Path("state"),
            "port": 4100,
            "speed": 60.0,
            "environ": dict(os.environ),
        }
    ]


def test_a_second_one_in_the_same_place_is_refused(
    tidegate: Tidegate, folder: Path, serving: Callable[..., Any]
) -> None:
    given = serving()
    (folder / ".tidegate").mkdir()
    (folder / ".tidegate" / "dev.json").write_text(json.dumps(WHERE | {"pid": os.getppid()}))

    printed = tidegate("dev")

    assert printed.code == 1
    assert "A tidegate dev already runs here: process" in printed.err
    assert given == []


@pytest.mark.parametrize("left_behind", [json.dumps(WHERE | {"pid": 2**22 + 1}), "damaged"])
def test_what_a_dead_one_left_is_replaced(
    tidegate: Tidegate, folder: Path, serving: Callable[..., Any], left_behind: str
) -> None:
    found: list[Any] = []
    serving(lambda: found.append(running_dev(folder)))
    (folder / ".tidegate").mkdir()
    (folder / ".tidegate" / "dev.json").write_text(left_behind)

    assert tidegate("dev").code == 0
    assert found[0].pid == os.getpid()


def test_definitions_that_cannot_be_loaded_are_bad_input(
    tidegate: Tidegate, folder: Path, serving: Callable[..., Any]
) -> None:
    def refuse() -> None:
        raise DefinitionError("There is no module 'definitions'.", mend="Name one.")

    serving(refuse)

    printed = tidegate("dev")

    assert printed.code == 2
    assert printed.err == "Error: There is no module 'definitions'.\nName one.\n"
