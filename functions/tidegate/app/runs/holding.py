"""Holding: a run of partitioned assets takes its partitions before it asks for slots, and keeps them until it is over.

So no two runs make the same partition of the same asset at once, whoever asks for them. A run that lets others go first takes
its partitions later, when it has its slots: see ``late.py``. What a run wants it takes in one
order, the same for all runs, and keeps while it waits for the next; nobody who has slots waits for a partition. So no two
runs wait for each other.

A run that is refused writes that it waits for the run that holds the partition, and *then* has that one's hold say so, which
succeeds only while it holds. Whoever gives up a hold learns from the same write whether somebody waits. So no wake-up is lost.
See ``docs/adr/0012-a-run-holds-its-partitions.md``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from tidegate.app.admission.patience import Patience
from tidegate.app.partitions import places_of
from tidegate.app.services import Services
from tidegate.domain.claim import order_key_of
from tidegate.domain.limit import place_in_line
from tidegate.domain.partitions.definition import PartitionsDefinition, from_json
from tidegate.domain.partitions.hold import Blocked, Hold, HoldRow, OnRunning, on_running
from tidegate.domain.partitions.range_keys import range_of
from tidegate.domain.partitions.state import by_row, key_of
from tidegate.domain.run import Run, RunStatus
from tidegate.errors import DeploymentError, NotFoundError

TURN = "turn"
"""In ``Claim.launch``, of a run that takes its partitions late: at which turn it asked for the slots."""
MOST_TOLD = 25
"""Runs that one call tells of the end of another. If more wait, another call goes on."""
REMEMBERED = timedelta(days=400)
"""How long it is written that a run waits, if nobody deletes it."""

_PATIENCE = Patience(time.sleep)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What a run wants of one row."""

    asset: str
    row: str
    hold: Hold
    definition: PartitionsDefinition

    def blocked(self, member: str, holder: Hold) -> Blocked:
        key = key_of(self.definition, self.row, member)
        return Blocked(asset=self.asset, partition=key, run_id=holder.run_id, holder=holder.holder)


def hold_partitions(services: Services, run: Run, *, waits: bool = True) -> Blocked | None:
    """Take all partitions of the run that are free, in order, up to the first that is not. None: it has all. Twice is once.

    ``waits``: the run is told when it may go on.

    Raises:
        DeploymentError, NotFoundError: the run's manifest, or its job in there, is gone.
    """
    for wanted in _wanted(services, run):
        blocked = _take(services, run, wanted, waits=waits)
        if blocked is not None:
            return blocked
    return None


def wait_for_partitions(services: Services, run: Run) -> Blocked | None:
    """See whether all partitions of the run are free, and take none. It is told when those it waits for may be.

    Raises:
        DeploymentError, NotFoundError: the run's manifest, or its job in there, is gone.
    """
    for _ in _PATIENCE.rounds(f"Partitions of run {run.run_id}"):
        found = _against(services, run)
        if found is None:
            return None
        wanted, member, holder = found
        if not _is_buried(services, wanted, holder) and _wait(services, run, wanted, holder):
            return wanted.blocked(member, holder)
    raise AssertionError  # rounds() has raised


def blocked_by(services: Services, run: Run) -> Blocked | None:
    """What a queued run waits for now; None: for no partition."""
    found = _against(services, run)
    return None if found is None else found[0].blocked(*found[1:])


def _against(services: Services, run: Run) -> tuple[_Wanted, str, Hold] | None:
    """The first that the run wants and another has: which member it is, and what that one has."""
    rows: dict[tuple[str, str], HoldRow] = {}
    wanted = list(_wanted(services, run))
    if run.partition_key is None:
        for asset in {one.asset for one in wanted}:
            rows |= {(asset, row.row): row for row in services.store.partition_holds.rows(asset)}
    for one in wanted:
        if run.partition_key is not None:
            row: HoldRow | None = services.store.partition_holds.row(one.asset, one.row)
        else:
            row = rows.get((one.asset, one.row))
        against = None if row is None else row.against(one.hold)
        if against is not None:
            return one, *against
    return None


def is_waiting(services: Services, run: Run) -> bool:
    """Whether the run waits for another that is not over, which will tell it."""
    blocked = blocked_by(services, run)
    holder = None if blocked is None else services.store.runs.get(blocked.run_id)
    if holder is None or holder.status.is_finished:
        return False
    order = _order(services, run)
    assert blocked is not None
    return services.store.partition_holds.is_waiting(blocked.holder, order)


def give_up_partitions(services: Services, run: Run) -> None:
    """The run holds no partition any more, since it is over or its turn is; those who wait for it go on. Twice is once."""
    holds = services.store.partition_holds
    awaited = []
    for asset, row, hold in _held(services, run):
        if hold is None or _PATIENCE.read(holds.give_up, asset, row, hold):
            awaited.append((asset, row))
    if not awaited:
        return
    while not _tell(services, run.holder):
        if run.status.is_finished:
            services.queue.enqueue(run.run_id)  # another call goes on
            return
    for asset, row in awaited:
        _PATIENCE.read(holds.all_told, asset, row, run.holder)


def is_late(run: Run) -> bool:
    """It lets live runs go first, so it takes its partitions when it has its slots, not before."""
    return run.yields and makes_partitions(run) and on_running(run.tags) is OnRunning.WAIT


def takes_before(services: Services, run: Run) -> bool:
    """It takes its partitions before it asks for slots: at once, or when it has let live runs go first for long enough."""
    now = services.clock.now()
    return not is_late(run) or place_in_line(run, run.created_at, services.settings) <= now


def turn_of(run: Run) -> dict[str, int]:
    """What the claim of the run says of its turn."""
    return {TURN: run.turn} if is_late(run) else {}


def makes_partitions(run: Run) -> bool:
    """It is for a partition, or a range of them."""
    return run.partition_key is not None or range_of(run.tags) is not None


def _assets(services: Services, run: Run) -> dict[str, PartitionsDefinition]:
    """The partitioned assets that the run may make, in order."""
    if not makes_partitions(run):
        return {}
    manifest = services.manifests.get(run.manifest)
    job = manifest.job(run.job)
    if job["steps"] is not None:
        return {}
    documents = {key: manifest.assets[key] for key in run.assets or job["assets"] or ()}
    return {
        key: from_json(documents[key]["partitions"] or {})
        for key in sorted(documents)
        if documents[key]["partitions"] is not None
    }


def _wanted(services: Services, run: Run) -> Iterator[_Wanted]:
    for asset, definition in _assets(services, run).items():
        for row, members in sorted(by_row(places_of(services, run, definition)).items()):
            hold = Hold(holder=run.holder, members=frozenset(map(str, members)))
            yield _Wanted(asset=asset, row=row, hold=hold, definition=definition)


def _held(services: Services, run: Run) -> Iterator[tuple[str, str, Hold | None]]:
    """(asset, row, what it holds there); None: nothing any more, but somebody waits for it there.

    Of a range, the rows are asked: it may be over before it has taken many of them.
    """
    try:
        assets = _assets(services, run)
        wanted = [] if run.partition_key is None else list(_wanted(services, run))
    except (DeploymentError, NotFoundError):
        return  # whoever meets what it holds finds that it is over
    if run.partition_key is not None:
        yield from ((one.asset, one.row, one.hold) for one in wanted)
        return
    for asset in assets:
        for row in services.store.partition_holds.rows(asset):
            found = row.of(run.holder)
            yield from ((asset, row.row, hold) for hold in found)
            if not found and run.holder in row.awaited:
                yield asset, row.row, None


def _take(services: Services, run: Run, wanted: _Wanted, *, waits: bool) -> Blocked | None:
    for _ in _PATIENCE.rounds(f"Partitions of {wanted.asset}"):
        refused = _try(services, wanted)
        if refused is None:
            return None
        against = refused.against(wanted.hold)
        if against is None:
            continue
        member, holder = against
        if _is_buried(services, wanted, holder):
            continue
        if not waits or _wait(services, run, wanted, holder):
            return wanted.blocked(member, holder)
    raise AssertionError  # rounds() has raised


def _try(services: Services, wanted: _Wanted) -> HoldRow | None:
    """Take what is wanted of one row. None: it has it; else the row that says who has."""
    holds, asset, row, hold = (
        services.store.partition_holds,
        wanted.asset,
        wanted.row,
        wanted.hold,
    )
    if len(hold.members) == 1:
        return _PATIENCE.read(holds.take, asset, row, hold)
    seen = _PATIENCE.read(holds.row, asset, row)
    for _ in _PATIENCE.rounds(f"Partitions of {asset}"):
        if hold.text in seen.holds:
            return None
        if seen.against(hold) is not None:
            return seen
        now = _PATIENCE.read(holds.take, asset, row, hold, version=seen.version)
        if now is None:
            return None
        seen = now
    raise AssertionError  # rounds() has raised


def _is_buried(services: Services, wanted: _Wanted, holder: Hold) -> bool:
    """Whether the run that holds it is over, or that turn of it: then it is given up here."""
    other = services.store.runs.get(holder.run_id)
    is_its_turn = other is not None and other.turn <= holder.turn
    if other is not None and is_its_turn and not other.status.is_finished:
        return False
    _bury(services, wanted, holder, ends_itself=is_its_turn)
    return True


def _bury(services: Services, wanted: _Wanted, holder: Hold, *, ends_itself: bool) -> None:
    """Give up what is held for nobody: a call that should have done so died, or is about to.

    ``ends_itself``: sent to the queue, the run gives up all that is held under this name, and tells who waits.
    """
    holds = services.store.partition_holds
    if not _PATIENCE.read(holds.give_up, wanted.asset, wanted.row, holder):
        return
    if ends_itself:
        services.queue.enqueue(holder.run_id)
        return
    while waits := _PATIENCE.read(holds.waits, holder.holder, MOST_TOLD):
        for order, run_id in waits:
            services.queue.enqueue(run_id)
            _PATIENCE.read(holds.waits_no_more, holder.holder, order)
    _PATIENCE.read(holds.all_told, wanted.asset, wanted.row, holder.holder)


def _wait(services: Services, run: Run, wanted: _Wanted, holder: Hold) -> bool:
    """Write that the run waits for another. False: that one holds it no longer."""
    holds, order = services.store.partition_holds, _order(services, run)
    until = services.clock.now() + REMEMBERED
    _PATIENCE.read(holds.wait, holder.holder, order, run.run_id, expires_at=until)
    if _PATIENCE.read(holds.announce, wanted.asset, wanted.row, holder):
        return True
    _PATIENCE.read(holds.waits_no_more, holder.holder, order)
    return False


def _order(services: Services, run: Run) -> str:
    """Higher priority first, then first come; those of backfills as they stand in the lines of limits."""
    at = place_in_line(run, run.created_at, services.settings)
    return order_key_of(run.priority, at, run.run_id)


def _tell(services: Services, holder: str) -> bool:
    """Let those go on who wait for a run, the first of them first. False: more may wait."""
    holds = services.store.partition_holds
    waits = _PATIENCE.read(holds.waits, holder, MOST_TOLD)
    for order, waiting_id in waits:
        waiting = services.store.runs.get(waiting_id)
        if (
            waiting is not None
            and waiting.status is RunStatus.QUEUED
            and takes_before(services, waiting)
        ):
            try:
                hold_partitions(services, waiting)
            except (DeploymentError, NotFoundError):
                pass  # the queue function ends it
        services.queue.enqueue(waiting_id)
        _PATIENCE.read(holds.waits_no_more, holder, order)
    return len(waits) < MOST_TOLD
