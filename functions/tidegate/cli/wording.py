"""How values read: run ids, durations, times, and why something waits. The same words in every command."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

SHOWN_HOLDERS = 3
MOST_COUNTED = 1000


def short(run_id: str) -> str:
    """The end of a run id. Ids begin with the time, so those of one day differ only at their end."""
    return run_id[-8:]


def moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def clock(text: str | None, now: datetime) -> str:
    """The time of day where the reader is; with the date when it is not today."""
    at = moment(text)
    if at is None:
        return "-"
    local, today = at.astimezone(), now.astimezone()
    if local.date() == today.date():
        return local.strftime("%H:%M:%S")
    same_year = local.year == today.year
    return local.strftime("%b %d %H:%M" if same_year else "%Y-%m-%d %H:%M")


def duration(seconds: float) -> str:
    seconds = max(0.0, seconds)
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600:02d} h"


def took(document: Mapping[str, Any], now: datetime) -> str:
    """How long a run or step lasted, or has lasted so far."""
    start = moment(document.get("started_at"))
    if start is None:
        return "-"
    end = moment(document.get("finished_at")) or now
    return duration((end - start).total_seconds())


def age(text: str | None, now: datetime) -> str:
    at = moment(text)
    return "-" if at is None else duration((now - at).total_seconds())


def retries(at: datetime, attempt: int, now: datetime) -> str:
    """Of a step whose attempt failed: when the next one begins."""
    left = (at - now).total_seconds()
    when = f"in {duration(left)}" if left > 0 else "now"
    return f"attempt {attempt + 1} begins {when}"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def capacity(number: int | None) -> str:
    if number is None:
        return "?"
    return "no limit" if number < 0 else f"{number:,}"


def holder(claim_id: str) -> str:
    """``run/<id>`` and ``step/<id>/<number>/<attempt>``, shortened."""
    kind, _, rest = claim_id.partition("/")
    run_id, *step = rest.split("/")
    if kind == "step" and step:
        return f"{short(run_id)} step {step[0]}"
    return short(run_id) if kind == "run" else claim_id


def holders(waiting: Mapping[str, Any]) -> str:
    """The runs or steps that hold the limit, the rest of them as a number; nothing when nobody does."""
    known = list(waiting.get("holders") or ())
    if not known or waiting.get("partition"):
        return ""
    named = ", ".join(holder(one) for one in known[:SHOWN_HOLDERS])
    in_use = waiting.get("in_use") or 0
    rest = max(len(known), in_use) - SHOWN_HOLDERS
    return f"held by {named} and {rest:,} more" if rest > 0 else f"held by {named}"


def ahead(waiting: Mapping[str, Any]) -> str:
    """How many come first. They are counted up to 1,000."""
    number = waiting.get("ahead") or 0
    return f"{number:,}+" if number >= MOST_COUNTED else f"{number:,}"


PERIODS = {1: "second", 60: "minute", 3600: "hour", 86_400: "day"}


def rate(said: Mapping[str, Any] | None) -> str:
    """A rate as it is written on the command line: ``100/minute``, and its burst if it has one."""
    if said is None:
        return ""
    period = PERIODS.get(said["per"]) or f"{said['per']:g} s"
    burst = f", burst {said['burst']:,}" if said["burst"] > 1 else ""
    return f"{said['limit']:,}/{period}{burst}"


def pace(limit: Mapping[str, Any], now: datetime) -> str:
    """The rate of a limit, and when it lets the next one start; nothing if it has none."""
    said = rate(limit.get("rate"))
    if not said:
        return ""
    at = limit.get("next_start")
    return f"rate {said}, next start at {clock(at, now)}" if at else f"rate {said}"


def fill(waiting: Mapping[str, Any], now: datetime) -> str:
    """How full the limit is, and how fast it may start."""
    most, units = waiting.get("capacity"), waiting.get("units") or 1
    if waiting.get("partition"):
        return f"being made by run {short(waiting['partition']['run_id'])}"
    if waiting.get("paused"):
        return "paused, admits nothing"
    if most == 0:
        return "set to 0, admits nothing"
    if most is not None and 0 < most < units:
        return f"set to {capacity(most)}, and {units:,} are needed"
    said = pace(waiting, now)
    full = f"{waiting.get('in_use')} of {capacity(most)} in use"
    if most is not None and most < 0 and said:
        return said
    return f"{full}, {said}" if said else full


def limit_name(key: str) -> str:
    """A limit as people know it; those within a run are kept under the id of the run."""
    if not key.startswith("run/"):
        return key
    _, _, tag = key.partition("/tag/")
    return f"its run's limit on {tag}" if tag else "its run's max_concurrent"


def why(waiting: Mapping[str, Any], now: datetime) -> str:
    """Why something waits, in one sentence: the limit, how full it is, who is ahead, since when."""
    limit = waiting.get("blocked_by")
    if limit is None:
        return "waits to be admitted"
    since = age(waiting.get("since"), now)
    if waiting.get("partition"):
        return f"waits for {limit} ({fill(waiting, now)}), for {since}"
    place = f"{ahead(waiting)} ahead" if waiting.get("ahead") else "next in line"
    return f"waits for {limit_name(limit)} ({fill(waiting, now)}), {place}, for {since}"


def now(answer: Mapping[str, Any] | None = None) -> datetime:
    """The time of the deployment when it gave the answer, which may run faster than here; without one, the time here."""
    if answer is not None and "now" in answer:
        return datetime.fromisoformat(answer["now"])
    return datetime.now(UTC)
