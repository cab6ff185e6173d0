"""What every use case works with: the ports, the settings, and the manifests."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.domain.executor import Executor, executor_of
from tidegate.errors import DeploymentError
from tidegate.manifest.document import Manifest

if TYPE_CHECKING:
    from tidegate.app.admission.engine import Admission
    from tidegate.domain.partitions.range_keys import Keys
    from tidegate.domain.plan import RunPlan
    from tidegate.domain.run import Run
    from tidegate.domain.settings import Settings
    from tidegate.ports import Alarms, Blobs, Bus, Clock, Ids, Launcher, RunQueue, Store
    from tidegate.ports.automation import BackfillQueue


class Manifests:
    """Manifests by hash: the one deployed now, and, from the bucket, those that runs in flight were created with."""

    def __init__(self, current: Manifest, blobs: Blobs) -> None:
        self.current = current
        self._blobs = blobs
        self._known = {current.hash: current}

    @staticmethod
    def key(digest: str) -> str:
        return f"control/manifests/{digest}.json"

    def publish(self) -> None:
        """Keep the current manifest for as long as its runs live. Content-addressed, so it may be written twice."""
        self._blobs.put(self.key(self.current.hash), self.current.text.encode())

    def keep(self, digest: str) -> None:
        """Write it again: an object that is not written for long expires."""
        text = self._blobs.get(self.key(digest))
        if text is not None:
            self._blobs.put(self.key(digest), text)

    def get(self, digest: str) -> Manifest:
        """Raises:
        DeploymentError: no such manifest was ever deployed here.
        """
        found = self._known.get(digest)
        if found is None:
            text = self._blobs.get(self.key(digest))
            if text is None:
                raise DeploymentError(
                    f"Manifest {digest[:12]} is not in the bucket.",
                    mend="It was deleted, or the run belongs to another deployment.",
                )
            found = self._known[digest] = Manifest.parse(text)
        return found


@dataclass(frozen=True, kw_only=True)
class Services:
    store: Store
    admission: Admission
    blobs: Blobs
    launcher: Launcher
    queue: RunQueue
    backfills: BackfillQueue
    alarms: Alarms
    bus: Bus
    clock: Clock
    ids: Ids
    settings: Settings
    manifests: Manifests
    function: str = ""
    """Version of the user-code function that new runs execute on."""
    task_definition: str = ""
    """Revision of the task definition in which their steps on ECS run."""
    clocks_differ_by: timedelta = timedelta(0)
    """At most, of the functions that serve one deployment."""
    published: set[str] = field(default_factory=set)
    """Manifests this process has published already."""
    opened: dict[str, RunPlan] = field(default_factory=dict)
    """Plans with mapped steps, by run; see ``planning.py``."""
    range_keys: dict[str, Keys] = field(default_factory=dict)
    """Keys of ranges, by their hash; see ``range_keys.py``."""

    def executor_of(self, run: Run) -> Executor:
        """What holds within the run: by its config, else its job's.

        Raises:
            DeploymentError, NotFoundError: the run's manifest, or its job in there, is gone.
        """
        return executor_of(
            self.manifests.get(run.manifest).job(run.job).get("executor"), run.run_config
        )
