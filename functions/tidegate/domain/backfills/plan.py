"""The decisions of a backfill: how far it is, what can be made now, and the next chunk of runs. Pure, and on whole sets:
what it costs does not depend on how many partitions there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tidegate.domain.backfills.backfill import (
    MOST_NOTES,
    Backfill,
    BackfillRun,
    BackfillStatus,
    Chunk,
)
from tidegate.domain.backfills.graph import Nodes
from tidegate.domain.partitions.definition import PartitionSpace
from tidegate.domain.partitions.multi import ProductSpace
from tidegate.domain.partitions.partition_set import EMPTY, PartitionSet, union

Found = dict[str, PartitionSet]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a backfill is, with what its chunks tell."""

    done: Found
    failed: Found
    skipped: Found
    outstanding: int
    """Runs that have not ended."""

    def lost(self, asset: str) -> PartitionSet:
        return self.failed.get(asset, EMPTY) | self.skipped.get(asset, EMPTY)


def progress(backfill: Backfill, nodes: Nodes, chunks: Iterable[Chunk]) -> Progress:
    """Count what has ended, and leave out what depends on what failed, was skipped, or is gone."""
    done, failed, skipped = (
        dict(one) for one in (backfill.done, backfill.failed, backfill.skipped)
    )
    outstanding = 0
    for chunk in chunks:
        outstanding += len(chunk.open)
        for place, asset, numbers in _ended(backfill, nodes, chunk):
            found = done
            if (place, asset) in chunk.failed:
                found = failed
            elif (place, asset) in chunk.skipped:
                found = skipped
            key = list(backfill.target)[asset]
            found[key] = found.get(key, EMPTY) | numbers
    for key, target in backfill.target.items():
        asked = backfill.requested.get(key, EMPTY)
        gone = target - asked - nodes[key].space.everything
        if gone:
            failed[key] = failed.get(key, EMPTY) | gone
        for lost in (failed, skipped):
            lost[key] = _with_descendants(backfill, nodes, key, lost, done)
    return Progress(done=done, failed=failed, skipped=skipped, outstanding=outstanding)


def _with_descendants(
    backfill: Backfill, nodes: Nodes, key: str, lost: Found, done: Found
) -> PartitionSet:
    """What is lost of an asset, once all that is lost upstream is known."""
    found = lost.get(key, EMPTY)
    node = nodes[key]
    open_ = backfill.target[key] - backfill.requested.get(key, EMPTY) - done.get(key, EMPTY) - found
    for up, mapping in node.upstream.items():
        if up != key and lost.get(up):
            found |= mapping.downstream(lost[up], nodes[up].space, node.space) & open_
    new = found
    while node.own is not None and new:
        new = node.own.downstream(new, node.space, node.space) & open_ - found
        found |= new
    return found


def _ended(
    backfill: Backfill, nodes: Nodes, chunk: Chunk
) -> Iterator[tuple[int, int, PartitionSet]]:
    """(place of the run, place of the asset, its partitions), of runs that have ended."""
    keys = list(backfill.target)
    for place, run in enumerate(chunk.runs):
        if place not in chunk.open:
            for asset in run.assets:
                yield place, asset, numbers_of(run, nodes, keys[asset])


def numbers_of(run: BackfillRun, nodes: Nodes, asset: str) -> PartitionSet:
    """The partitions of a run. Those that exist no more are its own still, if they are its ends."""
    if run.first == run.last:
        return PartitionSet.range(run.first, run.first + 1)
    ends = PartitionSet.of((run.first, run.last))
    return ends | nodes[asset].space.everything & PartitionSet.range(run.first, run.last + 1)


def folded(
    backfill: Backfill, nodes: Nodes, chunks: Sequence[Chunk]
) -> tuple[Backfill, tuple[Chunk, ...]]:
    """The backfill with all that the chunks tell that have ended, and those chunks, which it needs no longer."""
    over = tuple(one for one in chunks if one.is_submitted and not one.open)
    if not over:
        return backfill, ()
    now = progress(backfill, nodes, over)
    return (
        replace(
            backfill,
            done=_kept(now.done),
            failed=_kept(now.failed),
            skipped=_kept(now.skipped),
        ),
        over,
    )


def _kept(sets: Found) -> Found:
    return {key: one for key, one in sets.items() if one}


def next_chunk(
    backfill: Backfill,
    nodes: Nodes,
    now: Progress,
    *,
    chunk_size: int,
    at: datetime,
    by: str,
) -> tuple[Backfill, Chunk] | None:
    """The next runs to ask for. None: there are none now, or enough are under way."""
    step = min(chunk_size, max(1, backfill.max_outstanding // 2))
    room = min(chunk_size, backfill.max_outstanding - now.outstanding)
    if room < step and now.outstanding:
        return None
    runs: list[BackfillRun] = []
    requested = dict(backfill.requested)
    for group in reversed(backfill.groups):
        for run in _runs_of(backfill, nodes, now, group, room - len(runs)):
            runs.append(run)
            for asset in run.assets:
                key = list(backfill.target)[asset]
                requested[key] = requested.get(key, EMPTY) | numbers_of(run, nodes, key)
        if len(runs) >= room:
            break
    if not runs:
        return None
    chunk = Chunk(
        backfill_id=backfill.backfill_id,
        number=backfill.next_chunk,
        runs=tuple(runs),
        opened_at=at,
        opened_by=by,
        open=frozenset(range(len(runs))),
    )
    changed = replace(
        backfill,
        requested=requested,
        next_chunk=backfill.next_chunk + 1,
        runs=backfill.runs + len(runs),
    )
    return changed, chunk


def finished(backfill: Backfill, now: Progress, at: datetime) -> Backfill | None:
    """The backfill as it ends; None: it goes on."""
    if now.outstanding:
        return None
    if backfill.status is BackfillStatus.CANCELING:
        return replace(backfill, status=BackfillStatus.CANCELED, finished_at=at)
    if backfill.status is not BackfillStatus.REQUESTED:
        return None
    left = {
        key: rest
        for key, target in backfill.target.items()
        if (rest := target - now.done.get(key, EMPTY) - now.lost(key))
    }
    failed = dict(now.failed)
    notes = backfill.notes
    for key, rest in left.items():
        failed[key] = failed.get(key, EMPTY) | rest
        notes = noted(notes, f"{len(rest)} partitions of {key!r} wait for what will not come.")
    return replace(
        backfill,
        status=BackfillStatus.COMPLETED_FAILED
        if any(failed.values())
        else BackfillStatus.COMPLETED_SUCCESS,
        done=_kept(now.done),
        failed=_kept(failed),
        skipped=_kept(now.skipped),
        notes=notes,
        finished_at=at,
    )


def noted(notes: tuple[str, ...], sentence: str) -> tuple[str, ...]:
    """The notes with one more, unless it is there, or there are enough."""
    if sentence in notes or len(notes) >= MOST_NOTES:
        return notes
    return (*notes, sentence)


def runs_needed(backfill: Backfill, nodes: Nodes, group: Sequence[str]) -> int:
    """How many runs a group comes to, if nothing fails."""
    node, target = nodes[group[0]], backfill.target[group[0]]
    if node.policy is None:
        return len(target)
    most = node.policy.max_partitions_per_run
    stretches = _stretches(target, node.space, descending=False)
    return sum(1 if most is None else -(-len(one) // most) for one in stretches)


# What can be made now


def _runs_of(
    backfill: Backfill, nodes: Nodes, now: Progress, group: tuple[str, ...], count: int
) -> list[BackfillRun]:
    """At most ``count`` runs of a group that can be asked for now."""
    places = {key: place for place, key in enumerate(backfill.target)}
    alive = {key: backfill.target[key] - now.lost(key) for key in group}
    blocked = union(_blocked(backfill, nodes, now, key, group) & alive[key] for key in group)
    asked = {key: backfill.requested.get(key, EMPTY) for key in group}
    runs: list[BackfillRun] = []
    for keys, numbers in _by_members({key: alive[key] - asked[key] for key in group}):
        if len(runs) >= count:
            break
        node = nodes[keys[0]]
        pieces = _pieces(backfill, nodes, now, keys[0], numbers, blocked, count - len(runs))
        runs += [
            BackfillRun(
                assets=tuple(places[key] for key in keys),
                first=first,
                last=last,
                is_range=node.policy is not None,
            )
            for first, last in pieces
        ]
    return runs


def _blocked(
    backfill: Backfill, nodes: Nodes, now: Progress, key: str, group: tuple[str, ...]
) -> PartitionSet:
    """Partitions that are made of some that this backfill has still to make, in other runs."""
    found, node = EMPTY, nodes[key]
    for up, mapping in node.upstream.items():
        if up == key or up not in group:
            if up == key and node.policy is not None:
                continue
            pending = backfill.target[up] - now.done.get(up, EMPTY)
            found |= mapping.downstream(pending, nodes[up].space, node.space)
    return found


def _by_members(open_: Found) -> Iterator[tuple[tuple[str, ...], PartitionSet]]:
    """Sets of partitions, each with the assets that are to be made there."""
    rest = union(open_.values())
    while rest:
        keys = tuple(key for key, one in open_.items() if not one.isdisjoint(rest))
        everywhere = rest
        for key in keys:
            everywhere &= open_[key]
        if everywhere:
            yield keys, everywhere
            rest -= everywhere
            continue
        # Not all at any partition: take those that are made at the first.
        first = rest.first
        assert first is not None
        here = tuple(key for key in keys if first in open_[key])
        numbers = rest
        for key in keys:
            numbers = numbers & open_[key] if key in here else numbers - open_[key]
        yield here, numbers
        rest -= numbers


def _pieces(
    backfill: Backfill,
    nodes: Nodes,
    now: Progress,
    key: str,
    numbers: PartitionSet,
    blocked: PartitionSet,
    count: int,
) -> list[tuple[int, int]]:
    """First and last numbers of the partitions of single runs."""
    node = nodes[key]
    if node.own is not None and node.policy is not None:
        asked = backfill.requested.get(key, EMPTY)
        if not asked.issubset(now.done.get(key, EMPTY) | now.lost(key)):
            return []  # one run after the other: each is made of what the one before it makes
    ready = numbers - blocked
    descending = backfill.descending and node.own is None
    if node.policy is None:
        some = ready.take(count, descending=descending)
        return [(one, one) for one in (some.descending() if descending else some)]
    most = node.policy.max_partitions_per_run
    waits = bool(numbers & blocked)
    if most is None and waits:
        return []
    pieces: list[tuple[int, int]] = []
    for stretch in _stretches(ready, node.space, descending):
        for piece in _cut(stretch, most, descending):
            if len(pieces) >= count or (node.own is not None and pieces):
                return pieces
            if waits and most is not None and len(piece) < most and node.own is None:
                continue
            first, last = piece.first, piece.last
            assert first is not None
            assert last is not None
            pieces.append((first, last))
    return pieces


def _stretches(
    numbers: PartitionSet, space: PartitionSpace, descending: bool
) -> Iterator[PartitionSet]:
    """Partitions that follow each other without one between them that is not of the set.

    Of several dimensions, those that differ in one of them alone: a range of keys is the rectangle between its corners.
    """
    if isinstance(space, ProductSpace):
        for line in space.lines(numbers, descending=descending):
            yield PartitionSet.range(*line)
        return
    others = space.everything - numbers
    current: PartitionSet | None = None
    for start, stop in numbers.ranges(descending=descending):
        one = PartitionSet.range(start, stop)
        if current is None:
            current = one
            continue
        low, high = sorted((current, one), key=lambda part: part.first or 0)
        assert low.last is not None
        assert high.first is not None
        between = PartitionSet.range(low.last + 1, high.first)
        if others.isdisjoint(between):
            current |= one
        else:
            yield current
            current = one
    if current is not None:
        yield current


def _cut(stretch: PartitionSet, most: int | None, descending: bool) -> Iterator[PartitionSet]:
    while stretch:
        piece = stretch if most is None else stretch.take(most, descending=descending)
        yield piece
        stretch -= piece
