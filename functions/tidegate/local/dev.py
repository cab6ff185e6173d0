"""The deployment in real time: its loop in a thread, user code in worker threads, an HTTP endpoint for other processes.

with DevDeployment(defs, settings=settings) as dev:
    dev.call("materialize", selection="*")
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tidegate.execution.code_location import load_definitions
from tidegate.local.clock import RealClock
from tidegate.local.deployment import API_FUNCTION, Deployment
from tidegate.settings_file import load_settings

if TYPE_CHECKING:
    from tidegate.domain.settings import Settings
    from tidegate.sdk.definitions import Definitions


class DevDeployment:
    """A deployment that runs by itself until it is left.

    Args:
        persist: keeps state in this directory, across restarts.
        speed: seconds of the deployment that pass in one.
    """

    def __init__(
        self,
        defs: Definitions,
        *,
        settings: Settings,
        persist: Path | None = None,
        port: int = 0,
        speed: float = 1.0,
    ) -> None:
        self._deployment = Deployment(
            defs,
            settings=settings,
            clock=RealClock(speed=speed),
            store="moto" if persist is None else "dynoxide",
            persist=persist,
            inline=False,
            port=port,
        )
        self._thread = threading.Thread(target=self._run, name="tidegate-loop", daemon=True)

    def __enter__(self) -> Self:
        self._deployment.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._deployment.aws.loop.stop()
        self._thread.join()
        self._deployment.stop()

    def call(self, action: str, **fields: Any) -> dict[str, Any]:
        """One request to the API.

        Raises:
            TidegateError: the request was refused.
        """
        return self._deployment.call(action, **fields)

    def value(self, asset: str, *, partition: str | None = None) -> Any:
        """The stored value of an asset."""
        return self._deployment.load_asset(asset, partition)

    @property
    def where(self) -> dict[str, Any]:
        """What another process needs to find it: ``.tidegate/dev.json``."""
        aws = self._deployment.aws
        return {"endpoint": aws.endpoint, "region": aws.region, "function": API_FUNCTION}

    def _run(self) -> None:
        self._deployment.aws.loop.run_forever()


def serve(
    *,
    definitions: str,
    settings_path: Path | None,
    persist: Path | None,
    port: int,
    speed: float,
    environ: dict[str, str],
    on_ready: Callable[[dict[str, Any]], None],
) -> None:
    """Run the deployment of ``definitions`` (a module, or a path) until the process is told to stop.

    Raises:
        DefinitionError, SettingsError: before anything is started.
        KeyboardInterrupt: at SIGINT or SIGTERM, after everything was stopped.
    """
    defs = load_definitions(definitions)
    settings = load_settings(settings_path, environ)
    stop = threading.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: stop.set())
    with DevDeployment(
        defs, settings=settings, persist=persist, port=port, speed=speed
    ) as deployment:
        on_ready(deployment.where)
        stop.wait()
    raise KeyboardInterrupt
