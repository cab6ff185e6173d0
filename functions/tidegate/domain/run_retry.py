"""Retries of runs: whether one follows a failure, when, and which steps it runs again. Pure decisions.

A retry is a run of its own. Tags say whose retry it is, and, as in Dagster, may set for a run what settings set for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from tidegate.domain.plan import RunPlan
from tidegate.domain.retry import backed_off, bounded
from tidegate.domain.run import Run, RunStatus, run_id_of_key
from tidegate.domain.settings import Settings
from tidegate.errors import RequestError

MAX_RETRIES = "tidegate/max_retries"
STRATEGY = "tidegate/retry_strategy"
ON_STEP_FAILURE = "tidegate/retry_on_asset_or_op_failure"
PARENT = "tidegate/parent_run_id"
ROOT = "tidegate/root_run_id"
NUMBER = "tidegate/retry_number"
"""How many runs of the lineage came before, its root not counted."""
FROM_FAILURE_TAG = "tidegate/is_resume_retry"
BY_ITSELF = "retry"
"""Run key of the retry that follows a failure by itself: there is one."""
LINEAGE = frozenset({PARENT, ROOT, NUMBER, FROM_FAILURE_TAG})


class Strategy(StrEnum):
    FROM_FAILURE = "FROM_FAILURE"
    """Steps that succeeded stay as they are."""
    ALL_STEPS = "ALL_STEPS"
    FROM_ASSET_FAILURE = "FROM_ASSET_FAILURE"
    """Assets that were not materialized; of a job of ops, as FROM_FAILURE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRetry:
    """A retry that follows a failed run by itself."""

    number: int
    """Counts from 1."""
    most: int
    strategy: Strategy
    delay: timedelta


def retry_of(run: Run, settings: Settings) -> RunRetry | None:
    """What follows the failure of a run, whatever failed; None: nothing does.

    A run that was cancelled is never retried. Retries by hand count as retries.
    """
    if run.status is not RunStatus.FAILURE or not settings.retries_runs:
        return None
    number, most = number_of(run.tags) + 1, _most(run.tags, settings)
    if number > most:
        return None
    seconds = backed_off(settings.run_retry_delay_seconds, settings.run_retry_backoff, number)
    strategy = Strategy(run.tags.get(STRATEGY, settings.run_retry_strategy))
    return RunRetry(number=number, most=most, strategy=strategy, delay=bounded(seconds))


def retry_id(parent: Run) -> str:
    """Id of the run that follows this one by itself."""
    return run_id_of_key(f"{origin_of_retry(parent.run_id)}/{parent.job}", BY_ITSELF)


def origin_of_retry(run_id: str) -> str:
    return f"retry/{run_id}"


def is_retried_on_step_failure(tags: Mapping[str, str], settings: Settings) -> bool:
    flag = tags.get(ON_STEP_FAILURE)
    return settings.run_retry_on_step_failure if flag is None else flag.lower() == "true"


def check_retry_tags(tags: Mapping[str, str]) -> None:
    """Raises:
    RequestError: a tag about retries has a value that means nothing.
    """
    most, strategy, flag = (tags.get(one) for one in (MAX_RETRIES, STRATEGY, ON_STEP_FAILURE))
    if most is not None and not most.isdecimal():
        raise RequestError(f"Tag {MAX_RETRIES} is {most!r}.", mend="Give 0 or a number of retries.")
    if strategy is not None and strategy not in list(Strategy):
        raise RequestError(f"Tag {STRATEGY} is {strategy!r}.", mend=f"Give {', '.join(Strategy)}.")
    if flag is not None and flag.lower() not in ("true", "false"):
        raise RequestError(f"Tag {ON_STEP_FAILURE} is {flag!r}.", mend="Give true or false.")


def number_of(tags: Mapping[str, str]) -> int:
    """How many retries led to a run with these tags."""
    number = tags.get(NUMBER, "0")
    return int(number) if number.isdecimal() else 0


def lineage_tags(parent: Run, *, from_failure: bool) -> dict[str, str]:
    """Tags of a retry: those of its parent, and whose retry it is."""
    tags = {key: value for key, value in parent.tags.items() if key not in LINEAGE}
    tags[PARENT] = parent.run_id
    tags[ROOT] = parent.tags.get(ROOT, parent.run_id)
    tags[NUMBER] = str(number_of(parent.tags) + 1)
    if from_failure:
        tags[FROM_FAILURE_TAG] = "true"
    return tags


def chosen_steps(plan: RunPlan, names: Iterable[str]) -> frozenset[int]:
    """Numbers of the declared steps that are named; ``name+`` means also all that depends on it.

    Raises:
        RequestError: the plan has no such step, or none is named.
    """
    numbers = {step.declared_key: step.index for step in plan.steps}
    chosen: set[int] = set()
    for name in names:
        key = name.removesuffix("+")
        if key not in numbers:
            raise RequestError(
                f"The run has no step {key!r}.", mend=f"Steps: {', '.join(list(numbers)[:12])}."
            )
        chosen.add(numbers[key])
        if name.endswith("+"):
            chosen |= _below(plan, numbers[key])
    if not chosen:
        raise RequestError("No step is named.", mend="Like --steps clean,load or --steps clean+.")
    return frozenset(chosen)


def check_inputs(plan: RunPlan, chosen: frozenset[int], done: Iterable[str]) -> None:
    """Raises:
    RequestError: a chosen step reads what a step made that neither is chosen nor is done.
    """
    known = {key.partition("[")[0] for key in done}
    for number in sorted(chosen):
        step = plan.steps[number]
        for one in step.inputs:
            for source, _ in one.sources:
                above = plan.steps[source].declared_key
                if source not in chosen and above not in known and not one.fan_in:
                    raise RequestError(
                        f"Step {step.declared_key!r} needs what {above!r} makes, which is not done.",
                        mend=f"Retry {above!r} too.",
                    )


def _below(plan: RunPlan, number: int) -> set[int]:
    """Steps that depend on it, and itself."""
    found = {number}
    for step in plan.steps:  # upstream before downstream
        above = step.sources | ({step.mapped_over[0]} if step.mapped_over else set())
        if above & found:
            found.add(step.index)
    return found


def _most(tags: Mapping[str, str], settings: Settings) -> int:
    most = tags.get(MAX_RETRIES)
    return int(most) if most is not None and most.isdecimal() else settings.max_run_retries
