"""Late: a run of a backfill takes its partitions when it has its slots, and gives these back if another run came first.

So a live run never waits for a run of a backfill that has not begun. Whoever has slots must not wait for a partition, since who
has that may wait for slots. So a run that is refused gives all of it back, and waits with nothing in its hands:

1. its next *turn* begins, in one write on its row, which names the turn it leaves. To begin to run is a write on the same row that
   names the turn too: so of all calls about one claim, either one begins the run, or one gives the claim back;
2. it is sent to the queue, where it waits for the run in its way, and then asks for slots anew, with another claim and at its old
   place in line. Before that it does the rest, if a call that died has not;
3. what it took at this turn is given up. It took it under the name of the turn, so calls that come late, about a turn that
   is over, neither take nor give up what belongs to another;
4. the claim is released, last: until then the sweep finds it, granted and not launched.

See ``docs/adr/0012-a-run-holds-its-partitions.md``.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate.app.runs.finish import finish
from tidegate.app.runs.holding import TURN, give_up_partitions, hold_partitions
from tidegate.app.services import Services
from tidegate.domain.claim import Claim
from tidegate.domain.event import EventKind
from tidegate.domain.partitions.hold import Blocked
from tidegate.domain.run import Run, RunStatus, run_claim_id
from tidegate.errors import DeploymentError, NotFoundError
from tidegate.ports import Event


def take_late(services: Services, claim: Claim) -> list[Claim] | None:
    """Take the partitions of a run whose claim is granted, if it takes them late. Twice is once.

    None: it has them, and may begin. Else it may not, and these claims are to be launched with the slots it gave back.
    """
    turn = claim.launch.get(TURN)
    run = None if turn is None else services.store.runs.get(claim.launch["run_id"])
    if run is None:
        return None
    if run.turn != turn:
        return give_back(services, run, claim)
    if run.status is not RunStatus.QUEUED:
        return None
    try:
        blocked = hold_partitions(services, run, waits=False)
    except (DeploymentError, NotFoundError) as error:
        return finish(services, run, RunStatus.FAILURE, reason=str(error))
    if blocked is None:
        return None
    _tell(services, run, blocked)
    now = services.store.runs.next_turn(run.run_id, run.turn) or services.store.runs.get(run.run_id)
    if now is None or now.turn == run.turn:
        return None  # another call has begun it meanwhile, or it is being stopped
    return give_back(services, now, claim)


def give_back(services: Services, run: Run, claim: Claim) -> list[Claim]:
    """Give up all that the run has by a claim whose turn is over, and have it ask anew. Answers claims to launch. Twice is once."""
    services.queue.enqueue(run.run_id)
    return end_turn(services, run, claim.launch[TURN])


def end_turn(services: Services, run: Run, turn: int) -> list[Claim]:
    """Give up what the run has by a turn that is over: partitions, then slots. Answers claims to launch. Twice is once."""
    give_up_partitions(services, replace(run, turn=turn, status=RunStatus.QUEUED))
    return list(services.admission.release(run_claim_id(run.run_id, turn)))


def _tell(services: Services, run: Run, blocked: Blocked) -> None:
    event = Event(
        run_id=run.run_id,
        at=services.clock.now(),
        kind=EventKind.ENGINE_EVENT,
        message=f"It waits with no slots: {blocked}.",
        data={"run_id": blocked.run_id, "turn": run.turn},
    )
    services.store.events.append(run.run_id, f"turn/{run.turn}", [event])
