"""Entry point of a step in a container of its own: ``python -m tidegate.execution.container``.

It reads its invocation from the data bucket, runs the step, and always writes the report to
``reports/{run}/{index}/{attempt}.json``: what the control plane reads, whatever the exit code says. Told to stop (SIGTERM: a
cancelled run, or spot capacity taken back), it stops the step, lets it tidy up, and reports that.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.domain.heartbeat import BEAT_SECONDS, beat_key, beat_of
from tidegate.domain.task import Invocation, Report, StepFailure
from tidegate.errors import DeploymentError, TidegateError
from tidegate.execution.code_location import load_definitions
from tidegate.execution.failure import StepStopped, failure_of
from tidegate.execution.io_s3 import DataBucket, S3Bucket
from tidegate.execution.step import utc_now
from tidegate.execution.user_code import (
    encoded,
    execute,
    failed_report,
    leave_if_forked,
    read_invocation,
    write_report,
)

if TYPE_CHECKING:
    from types import FrameType

    from tidegate.sdk.definitions import Definitions

INVOCATION = "TIDEGATE_INVOCATION"
"""Names the invocation's key in the data bucket."""
STOPPED_EXIT = 128 + signal.SIGTERM
LEAVE_SECONDS = 20.0
"""For threads that user code left behind, after the report is written."""
GRACE_SECONDS = 20.0
"""After SIGTERM, for the step to tidy up. ECS kills the container after 30."""


class ContainerRun:
    """One step in this process. The report is written once, by whoever comes first."""

    def __init__(
        self,
        invocation: Invocation,
        bucket: DataBucket,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._invocation, self._bucket, self._now = invocation, bucket, now
        self._started_at, self._process = now(), os.getpid()
        self._writing = threading.Lock()
        self.written = threading.Event()
        self.can_be_stopped = False
        """StepStopped may be raised now: the step runs, and nothing is being written."""

    def run(self, load: Callable[[], Definitions]) -> None:
        """Run the step and write its report."""
        try:
            self.can_be_stopped = True
            report = execute(self._invocation, defs=load, bucket=self._bucket, now=self._now)
            self.can_be_stopped = False
        except StepStopped as stopped:
            report = self._failed(failure_of(stopped))
        self.write(report)

    def stopped(self, why: str) -> None:
        """Write that the step was stopped, unless a report is written."""
        self.write(self._failed(StepFailure(error="Stopped", message=why)))

    def write(self, report: Report) -> None:
        leave_if_forked(self._process)
        with self._writing:
            if not self.written.is_set():
                write_report(self._invocation, encoded(report), self._bucket)
                self.written.set()

    def beat(self) -> None:
        """Write that it is alive."""
        one = self._invocation
        key = beat_key(one.run_id, one.index, one.attempt)
        self._bucket.put_object(key, beat_of(self._now()), content_type="application/json")

    def _failed(self, failure: StepFailure) -> Report:
        return failed_report(self._invocation, failure, self._started_at, self._now())


def run(
    environ: Mapping[str, str],
    *,
    load: Callable[[], Definitions] | None = None,
    bucket: DataBucket | None = None,
    now: Callable[[], datetime] = utc_now,
    stoppable: Callable[[ContainerRun], AbstractContextManager[Any]] = nullcontext,
) -> int:
    """Run the step that the environment names. Answers the exit code: 0 when a report was written.

    Args:
        load: Loads the definitions; left out, those that TIDEGATE_DEFINITIONS names.
        stoppable: While the step runs, this may stop it.

    Raises:
        TidegateError: there is nothing to run, or the report cannot be written.
    """
    key = _required(environ, INVOCATION)
    store = bucket or S3Bucket(_required(environ, "TIDEGATE_DATA_BUCKET"))
    this = ContainerRun(read_invocation({"invocation_key": key}, store), store, now)
    with alive(this), stoppable(this):
        this.run(load or (lambda: load_definitions(_required(environ, "TIDEGATE_DEFINITIONS"))))
    return 0


@contextmanager
def alive(this: ContainerRun, every: float = BEAT_SECONDS) -> Iterator[None]:
    """Write a sign of life each minute, until the report is written. One that cannot be written is left out."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(every):
            with suppress(Exception):
                this.beat()

    beats = threading.Thread(target=beat, name="heartbeat", daemon=True)
    beats.start()
    try:
        yield
    finally:
        over.set()
        beats.join(LEAVE_SECONDS)


def main() -> int:
    """Run with the environment of this process, and stop on SIGTERM."""
    try:
        return run(os.environ, stoppable=stopped_by_sigterm)
    except TidegateError as error:
        print(f"tidegate: {error}", file=sys.stderr)
        return 2


@contextmanager
def stopped_by_sigterm(this: ContainerRun, grace: float = GRACE_SECONDS) -> Iterator[None]:
    """Raise StepStopped in the step on SIGTERM; if that does not end it in time, report and exit without it.

    The step may be deep in code that is not Python's, where no exception reaches it. The byte that the system writes on a
    signal is there at once, so a thread waits for that.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    why = "The container was told to stop (SIGTERM)."

    def raise_in_step(signum: int, frame: FrameType | None) -> None:
        if this.can_be_stopped:
            this.can_be_stopped = False
            raise StepStopped(why)

    def watch() -> None:
        while (byte := ours.recv(1)) and byte[0] != signal.SIGTERM:
            continue
        if byte and not this.written.wait(grace):
            this.stopped(f"{why} The step did not end within {grace:.0f} s.")
            os._exit(STOPPED_EXIT)

    before = signal.signal(signal.SIGTERM, raise_in_step)
    wakeup = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, name="sigterm", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, before)
        theirs.close()  # ends the watcher
        watcher.join()
        ours.close()


def _required(environ: Mapping[str, str], name: str) -> str:
    try:
        return environ[name]
    except KeyError:
        raise DeploymentError(
            f"The environment variable {name} is not set.", mend="Deploy with infra/app.py."
        ) from None


def leave(code: int) -> None:
    """Exit, even if user code has left threads behind that do not end."""
    late = threading.Timer(LEAVE_SECONDS, os._exit, [code])
    late.daemon = True
    late.start()
    sys.exit(code)


if __name__ == "__main__":
    leave(main())
