"""Admit: ask admission for the slots of a queued run, and launch it when they are granted."""

from __future__ import annotations

from tidegate.app.launch import finish, launch
from tidegate.app.services import Services
from tidegate.domain.claim import Claim, ClaimState
from tidegate.domain.event import EventKind
from tidegate.domain.limit import wants_of_run
from tidegate.domain.run import Run, RunStatus, run_claim_id
from tidegate.errors import DeploymentError, NotFoundError
from tidegate.ports import Event


def admit(services: Services, run_id: str) -> None:
    """Put the run's claim, once; launch whatever that grants. Repeated, it goes on where it stopped."""
    run = services.store.runs.get(run_id)
    if run is None or run.status.is_finished or run.status is RunStatus.CANCELING:
        return
    services.store.events.append(
        run_id, "enqueued", [Event(run_id=run_id, at=run.created_at, kind=EventKind.RUN_ENQUEUED)]
    )
    try:
        claim = _claim(services, run)
    except (DeploymentError, NotFoundError) as error:
        launch(services, finish(services, run, RunStatus.FAILURE, reason=str(error)))
        return
    grant = services.admission.acquire(claim)
    if grant.claim.state is not ClaimState.DONE:
        launch(services, grant.launch)


def _claim(services: Services, run: Run) -> Claim:
    plan = services.manifests.get(run.manifest).plan(run.job, run.assets)
    return Claim(
        claim_id=run_claim_id(run.run_id),
        wants=wants_of_run(run, plan, services.settings),
        priority=run.priority,
        enqueued_at=run.created_at,
        launch={"kind": "run", "run_id": run.run_id},
    )
