"""Limits, changed live: set, pause, resume; and who did so.

A change is written to the audit table in the moment it is made, so none is made that is not written, and what it says of before
and after is so. A repeated request finds itself by its id and changes nothing a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tidegate.app.runs.launch import launch
from tidegate.app.services import Services
from tidegate.domain.claim import Limit
from tidegate.domain.conflict import (
    TRIGGER,
    OnConflict,
    is_line,
    limit_of_line,
    line_capacity,
    line_key,
    lines_of,
)
from tidegate.domain.limit import configured_limits, default_capacity, is_counted, rate_of
from tidegate.domain.pause import Setting, setting_of
from tidegate.domain.rate import Rate
from tidegate.domain.settings import UNLIMITED
from tidegate.errors import RequestError, UnknownLimitError
from tidegate.ports import Change

BY = "api"
"""Who changed a limit, when the caller does not say."""
Decision = tuple[str, Setting]
"""The id of a change, and what it makes of the limit."""
_KINDS = ("runs", "pool", "run-tag", "job", "location", "trigger")


def set_limit(
    services: Services,
    key: str,
    capacity: int | None = None,
    *,
    rate: Rate | None = None,
    no_rate: bool = False,
    by: str = BY,
    change_id: str | None = None,
) -> None:
    """Change the capacity, the rate, or both; what is not named stays. A paused limit stays paused, until it is resumed.

    ``no_rate`` takes the rate away.

    Raises:
        RequestError: the capacity is below -1, or there is nothing to change.
        UnknownLimitError: nothing is counted by this key.
    """
    if capacity is not None and capacity < UNLIMITED:
        raise RequestError(
            f"A limit cannot be {capacity}.", mend="-1 is no limit, 0 admits nothing, n admits n."
        )
    if capacity is None and rate is None and not no_rate:
        raise RequestError(
            f"Nothing is said of what {key} shall be set to.", mend="Give a number, or a rate."
        )
    given: dict[str, Any] = {} if capacity is None else {"capacity": capacity}
    if rate is not None or no_rate:
        given["rate"] = rate

    def wish(was: Setting) -> Setting:
        return replace(was, source="override", **given)

    _change(services, key, wish, action="set", by=by, change_id=change_id)


def pause(services: Services, key: str, *, by: str = BY, change_id: str | None = None) -> None:
    """Let nothing more in. The capacity and the rate stay, for ``resume``.

    Raises:
        UnknownLimitError: nothing is counted by this key.
    """
    _change(
        services,
        key,
        lambda was: replace(was, is_paused=True),
        action="pause",
        by=by,
        change_id=change_id,
    )


def resume(services: Services, key: str, *, by: str = BY, change_id: str | None = None) -> None:
    """Let in again what the capacity and the rate allow, at once.

    Raises:
        UnknownLimitError: nothing is counted by this key.
    """
    _change(
        services,
        key,
        lambda was: replace(was, is_paused=False),
        action="resume",
        by=by,
        change_id=change_id,
    )


def _change(
    services: Services,
    key: str,
    wish: Callable[[Setting], Setting],
    *,
    action: str,
    by: str,
    change_id: str | None,
) -> None:
    """
    Raises:
        UnknownLimitError: nothing is counted by this key.
    """
    _check_known(services, key)
    known_as = change_id or services.ids.run_id(services.clock.now())

    def decide(before: Setting | None) -> Decision:
        return known_as, wish(before or by_rule(services, key))

    change(services, key, decide, action=action, by=by)


def change(
    services: Services,
    key: str,
    decide: Callable[[Setting | None], Decision | None],
    *,
    action: str,
    by: str,
) -> bool:
    """Make one change, written to the audit in the same moment. The same id twice is one change.

    ``decide`` is told what the limit is set to (None: it has no row), again when another change was faster. Answers whether
    there is something to change.
    """
    store, asked = services.store, False

    def to(limit: Limit | None) -> tuple[Limit, Change] | None:
        nonlocal asked
        before = None if limit is None else setting_of(limit)
        decided = decide(before)
        asked = asked or decided is not None
        if decided is None or store.audit.find(decided[0]) is not None:
            return None
        change_id, after = decided
        made = Change(
            change_id=change_id,
            subject=_subject(key),
            action=action,
            by=by,
            at=services.clock.now(),
            before=None if before is None else before.to_json(),
            after=after.to_json(),
            is_done=True,
        )
        return after.limit(key), made

    launch(services, services.admission.change_limit(key, to))
    set_lines(services, key)
    return asked


def set_lines(services: Services, key: str) -> None:
    """Have the lines of conflict policies follow the limit they go with, also while it is paused."""
    lines = _lines(services, key)
    was = setting(services, key) if lines else None
    while was is not None:
        for line in lines:
            capacity = line_capacity(line, was.capacity)
            launch(services, services.admission.set_limit(line, capacity, source=key))
        now = setting(services, key)
        # Who sets the lines last has seen the limit as it is after that.
        was = None if now is None or now.capacity == was.capacity else now


def _lines(services: Services, key: str) -> tuple[str, ...]:
    """Lines that new runs may come to. A trigger's policy comes with the run."""
    kind, _, name = key.partition("/")
    if kind == TRIGGER:
        return tuple(line_key(key, one) for one in OnConflict if one is not OnConflict.QUEUE)
    job = services.settings.jobs.get(name) if kind == "job" else None
    return () if job is None else lines_of({key: job.on_conflict})


def history(services: Services, key: str, *, limit: int, cursor: str | None) -> dict[str, Any]:
    """Changes of a limit, newest first."""
    page = services.store.audit.history(_subject(key), limit=limit, cursor=cursor)
    return {
        "key": key,
        "changes": [
            {
                "id": one.change_id,
                "action": one.action,
                "by": one.by,
                "at": one.at.isoformat(),
                "before": None if one.before is None else dict(one.before),
                "after": dict(one.after),
                "done": one.is_done,
            }
            for one in page.items
        ],
        "cursor": page.cursor,
    }


def setting(services: Services, key: str) -> Setting | None:
    """What a limit is set to; None: it has no row."""
    limit = services.admission.limit(key)
    return None if limit is None else setting_of(limit)


def _subject(key: str) -> str:
    return f"limit/{key}"


def by_rule(services: Services, key: str) -> Setting:
    """What a limit has that nobody set: as settings say, outright or by a rule of theirs."""
    capacity = configured_limits(services.settings).get(key)
    if capacity is None:
        capacity = default_capacity(key, services.settings)
    return Setting(
        capacity=UNLIMITED if capacity is None else capacity,
        rate=rate_of(key, services.settings),
        source="default",
    )


def _check_known(services: Services, key: str) -> None:
    """
    Raises:
        UnknownLimitError: it is not there, and nobody would ask for it.
    """
    if is_line(key):
        limit = limit_of_line(key)
        raise UnknownLimitError(
            f"{key!r} follows {limit}.", mend=f"`tidegate limits set {limit} N` changes both."
        )
    if is_counted(key, services.settings) or services.admission.limit(key) is not None:
        return
    kind, _, name = key.partition("/")
    if kind == "job":
        mend = f"Runs of a job are counted where settings name it: concurrency.jobs.{name}: -1 counts and limits nothing."
    elif kind == "location":
        mend = f"Runs of a code location are counted where settings name it: concurrency.locations.{name}: -1."
    elif kind == "run-tag":
        mend = "Runs are counted by the tags that concurrency.runs.tag_concurrency_limits names; limit -1 only counts."
    else:
        mend = f"Kinds: {', '.join(_KINDS)}. `tidegate limits list` shows all."
    raise UnknownLimitError(f"There is no limit {key!r}.", mend=mend)
