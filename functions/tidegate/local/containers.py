"""What a container is locally: a process of its own, or a function of this one."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from tidegate.local.faults import Crash, Hang
from tidegate.local.loop import Loop
from tidegate.local.role import Role, acting_as

Exited = Callable[[int], None]
"""Takes the exit code. Called on the loop, once."""

KILLED = 137
"""Exit code of a container that was killed: 128 + SIGKILL."""


class Running(Protocol):
    """A container that runs."""

    def stop(self, grace: float) -> None:
        """Ask it to end; after ``grace`` real seconds, kill it."""

    def kill(self) -> None:
        """End it without a word, as a lost host does."""


class Container(Protocol):
    """How to start one."""

    def start(self, environ: Mapping[str, str], exited: Exited) -> Running: ...


class FunctionContainer:
    """Calls ``main`` with the environment, on the loop. It returns the exit code, or raises.

    ``takes``: how long the container runs on the deployment's clock.
    """

    def __init__(
        self,
        loop: Loop,
        main: Callable[[Mapping[str, str]], int],
        *,
        takes: Callable[[Mapping[str, str]], timedelta] | None = None,
    ) -> None:
        self._loop = loop
        self._main = main
        self._takes = takes

    def start(self, environ: Mapping[str, str], exited: Exited) -> Running:
        running = _RunningFunction(exited)
        self._loop.call_soon(lambda: self._run(environ, running))
        return running

    def _run(self, environ: Mapping[str, str], running: _RunningFunction) -> None:
        if running.is_over:
            return
        try:
            with acting_as(Role.USER):
                code = self._main(environ)
        except Hang:
            return
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except (Exception, Crash):  # noqa: BLE001 - whatever user code raises, its container exits
            code = 1
        if self._takes is None:
            running.end(code)
        else:
            self._loop.call_later(self._takes(environ), lambda: running.end(code))


class _RunningFunction:
    def __init__(self, exited: Exited) -> None:
        self._exited = exited
        self.is_over = False

    def end(self, code: int) -> None:
        if not self.is_over:
            self.is_over = True
            self._exited(code)

    def stop(self, grace: float) -> None:
        self.end(128 + signal.SIGTERM)

    def kill(self) -> None:
        self.end(KILLED)


class ProcessContainer:
    """Runs a command as a subprocess in a session of its own, so that stopping it stops all of it.

    The process has the environment of this one, then ``environ`` of the deployment (where its AWS is), then the container's.
    """

    def __init__(
        self, loop: Loop, command: Sequence[str], *, environ: Callable[[], Mapping[str, str]]
    ) -> None:
        self._loop = loop
        self._command = list(command)
        self._environ = environ

    def start(self, environ: Mapping[str, str], exited: Exited) -> Running:
        process = subprocess.Popen(
            self._command,
            env={**os.environ, **self._environ(), **environ},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        hold = self._loop.hold()

        def watch() -> None:
            code = process.wait()
            self._loop.call_soon(lambda: exited(code if code >= 0 else 128 - code))
            hold.release()

        threading.Thread(target=watch, name="tidegate-container", daemon=True).start()
        return _RunningProcess(process)


class _RunningProcess:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def stop(self, grace: float) -> None:
        self._signal(signal.SIGTERM)
        timer = threading.Timer(grace, self.kill)
        timer.daemon = True
        timer.start()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                return
