"""Table ``automation``: what is asked of it, one function for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from tidegate.adapters.backfill_document import (
    backfill_document,
    backfill_of,
    chunk_document,
    chunk_of,
)
from tidegate.adapters.dynamodb import write
from tidegate.adapters.dynamodb.models import AutomationTable
from tidegate.adapters.dynamodb.models_automation import (
    BackfillEntry,
    BackfillRow,
    ChunkRow,
    DynamicHeadRow,
    DynamicKeyRow,
)
from tidegate.adapters.dynamodb.packed import fitting, pack
from tidegate.adapters.dynamodb.table import translated
from tidegate.adapters.dynamodb.transaction import Transaction
from tidegate.adapters.text import stamp
from tidegate.domain.backfills.backfill import Backfill, Chunk
from tidegate.ports import Page

ABSENT: Condition = AutomationTable.pk.does_not_exist()
EXISTS: Condition = AutomationTable.pk.exists()
KEY, HEAD = "key#", "head"
BACKFILL, CHUNK = "backfill", "chunk#"
ALL, ACTIVE = "backfills", "backfills#active"
MOST_ASSETS = 10_000
KEPT = timedelta(days=365)
"""How long a backfill is kept that has ended."""
_BATCH = 50
"""Keys added in one transaction, of the 100 writes it may have."""


class DynamoAutomationStore:
    """``tidegate.ports.automation.AutomationStore`` on DynamoDB."""

    # Dynamic partitions ---------------------------------------------------------------------------------------

    def add_partitions(self, name: str, keys: Sequence[str]) -> tuple[str, ...]:
        """Key: pk ``dynamic#<name>``, sk ``key#<key>`` and ``head``. Condition: the keys are new, the head is as it was read.

        2 write units for each key and 2 for each 50 of them, and what it costs to read those there are.
        """
        new: list[str] = []
        left = list(dict.fromkeys(keys))
        while left:
            known = self.partition_numbers(name)
            left = [one for one in left if one not in known]
            some = left[:_BATCH]
            if some and self._add(name, some):
                new += some
                left = left[_BATCH:]
        return tuple(new)

    def _add(self, name: str, keys: Sequence[str]) -> bool:
        pk = _dynamic_pk(name)
        head = write.get("automation.add_partitions", DynamicHeadRow, pk, HEAD)
        start = 0 if head is None else int(head.next)
        transaction = Transaction("automation.add_partitions")
        as_read = ABSENT if head is None else DynamicHeadRow.next == start
        transaction.put(
            DynamicHeadRow(pk, HEAD, next=start + len(keys)), name="head", condition=as_read
        )
        for number, key in enumerate(keys, start):
            row = DynamicKeyRow(pk, f"{KEY}{key}", number=number)
            transaction.put(row, name=key, condition=ABSENT)
        return not transaction.commit()

    def delete_partition(self, name: str, key: str) -> bool:
        """Key: pk ``dynamic#<name>``, sk ``key#<key>``. Condition: it is there. 2 write units."""
        transaction = Transaction("automation.delete_partition")
        row = DynamicKeyRow(_dynamic_pk(name), f"{KEY}{key}")
        transaction.delete(row, name=key, condition=EXISTS)
        return not transaction.commit()

    def partition_numbers(self, name: str) -> dict[str, int]:
        """Key: pk ``dynamic#<name>``, sk from ``key#``. Strongly consistent: 1 read unit for each 4 KB."""
        with translated("automation.partition_numbers"):
            rows = list(
                DynamicKeyRow.query(
                    _dynamic_pk(name), DynamicKeyRow.sk.startswith(KEY), consistent_read=True
                )
            )
        found = {row.sk.removeprefix(KEY): int(row.number) for row in rows}
        return dict(sorted(found.items(), key=lambda one: one[1]))

    # Backfills ------------------------------------------------------------------------------------------------

    def create_backfill(self, backfill: Backfill) -> tuple[Backfill, bool]:
        """Key: pk ``backfill#<id>``, sk ``backfill``; two entries of lists with it. Condition: not there yet.

        A transaction, so that none is missing from the lists: 2 write units for each KB.
        """
        transaction = Transaction("automation.create_backfill")
        transaction.put(_backfill_row(backfill), name="backfill", condition=ABSENT)
        entry = f"{stamp(backfill.created_at)}#{backfill.backfill_id}"
        transaction.put(BackfillEntry(ALL, entry))
        transaction.put(BackfillEntry(ACTIVE, backfill.backfill_id))
        if not transaction.commit():
            return backfill, True
        stored = self.backfill(backfill.backfill_id)
        assert stored is not None
        return stored, False

    def backfill(self, backfill_id: str) -> Backfill | None:
        """Key: pk ``backfill#<id>``, sk ``backfill``. Strongly consistent: 1 read unit for each 4 KB."""
        row = write.get("automation.backfill", BackfillRow, _backfill_pk(backfill_id), BACKFILL)
        return None if row is None else _backfill(row)

    def backfills(self, *, limit: int = 50, cursor: str | None = None) -> Page[Backfill]:
        """Key: pk ``backfills``, backwards from the cursor; then each backfill."""
        with translated("automation.backfills"):
            rows = list(
                BackfillEntry.query(
                    ALL,
                    None if cursor is None else BackfillEntry.sk < cursor,
                    scan_index_forward=False,
                    consistent_read=True,
                    limit=max(1, limit) + 1,
                )
            )
        shown = rows[: max(1, limit)]
        found = (self.backfill(row.sk.split("#", 1)[1]) for row in shown)
        more = len(rows) > len(shown)
        return Page(
            items=tuple(one for one in found if one is not None),
            cursor=shown[-1].sk if more else None,
        )

    def active_backfills(self) -> list[str]:
        """Key: pk ``backfills#active``. 1 read unit for each 4 KB."""
        with translated("automation.active_backfills"):
            return [row.sk for row in BackfillEntry.query(ACTIVE, consistent_read=True)]

    def change_backfill(
        self,
        was: Backfill,
        now: Backfill,
        *,
        opens: Chunk | None = None,
        folds: Sequence[Chunk] = (),
    ) -> bool:
        """Key: pk ``backfill#<id>``, sk ``backfill``, and ``chunk#<number>`` of the chunks. Condition: the version is that of ``was``.

        A transaction, because a chunk is counted in its backfill: 2 write units for each KB of all of them.
        """
        pk = _backfill_pk(was.backfill_id)
        transaction = Transaction("automation.change_backfill")
        row = _backfill_row(replace(now, version=was.version + 1))
        for one in folds:
            transaction.delete(ChunkRow(pk, _chunk_sk(one.number)))
        if opens is not None:
            transaction.put(_chunk_row(opens))
        if now.status.is_finished:
            ends = (now.finished_at or now.created_at) + KEPT
            row.expires_at = ends
            entry = f"{stamp(was.created_at)}#{was.backfill_id}"
            transaction.put(BackfillEntry(ALL, entry, expires_at=ends))
            transaction.delete(BackfillEntry(ACTIVE, was.backfill_id))
        transaction.put(row, name="backfill", condition=BackfillRow.version == was.version)
        return not transaction.commit()

    def chunks(self, backfill_id: str) -> list[Chunk]:
        """Key: pk ``backfill#<id>``, sk from ``chunk#``. Strongly consistent: 1 read unit for each 4 KB."""
        with translated("automation.chunks"):
            rows = list(
                ChunkRow.query(
                    _backfill_pk(backfill_id), ChunkRow.sk.startswith(CHUNK), consistent_read=True
                )
            )
        return [_chunk(backfill_id, row) for row in rows]

    def submitted(self, chunk: Chunk) -> None:
        """Key: pk ``backfill#<id>``, sk ``chunk#<number>``. Condition: it is there. 1 write unit for each KB."""
        write.update(
            "automation.submitted",
            ChunkRow,
            _backfill_pk(chunk.backfill_id),
            _chunk_sk(chunk.number),
            [ChunkRow.is_submitted.set(True)],
            EXISTS,
        )

    def run_ended(
        self,
        backfill_id: str,
        chunk: int,
        run: int,
        *,
        done: Sequence[int],
        failed: Sequence[int],
        skipped: Sequence[int],
    ) -> bool:
        """Key: pk ``backfill#<id>``, sk ``chunk#<number>``. Condition: it is there. 1 write unit for each KB.

        Sets, so that runs that end at once do not disturb each other, and a repeat changes nothing.
        """
        pk, sk = _backfill_pk(backfill_id), _chunk_sk(chunk)
        named = ((ChunkRow.failed, set(failed)), (ChunkRow.skipped, set(skipped)))
        own = {*done, *failed, *skipped}
        ended: list[Action] = [ChunkRow.open.delete({run})]
        better = [
            attribute.delete(_numbers(run, own - now)) for attribute, now in named if own - now
        ]
        worse = [attribute.add(_numbers(run, now)) for attribute, now in named if now]
        wrote = True
        if better:  # one update cannot both add to a set and take from it
            more = [] if worse else ended
            _, wrote = write.update(
                "automation.run_ended", ChunkRow, pk, sk, [*better, *more], EXISTS
            )
        if worse and wrote:
            _, wrote = write.update(
                "automation.run_ended", ChunkRow, pk, sk, [*worse, *ended], EXISTS
            )
        return wrote


def _numbers(run: int, assets: Iterable[int]) -> set[int]:
    return {run * MOST_ASSETS + one for one in assets}


def _dynamic_pk(name: str) -> str:
    return f"dynamic#{name}"


def _backfill_pk(backfill_id: str) -> str:
    return f"backfill#{backfill_id}"


def _chunk_sk(number: int) -> str:
    return f"{CHUNK}{number:08}"


def _backfill_row(one: Backfill) -> BackfillRow:
    said = pack(backfill_document(one))
    fitting(said, "This backfill", "Make several of it, of fewer partitions or assets each.")
    return BackfillRow(
        _backfill_pk(one.backfill_id),
        BACKFILL,
        version=one.version,
        status=one.status.value,
        said=said,
    )


def _backfill(row: BackfillRow) -> Backfill:
    return backfill_of(row.said)


def _chunk_row(one: Chunk) -> ChunkRow:
    return ChunkRow(
        _backfill_pk(one.backfill_id),
        _chunk_sk(one.number),
        said=chunk_document(one),
        open=set(one.open),
    )


def _chunk(backfill_id: str, row: ChunkRow) -> Chunk:
    known = chunk_of(backfill_id, int(row.sk.removeprefix(CHUNK)), row.said)
    return replace(
        known,
        is_submitted=bool(row.is_submitted),
        open=frozenset(int(one) for one in row.open or ()),
        failed=frozenset(_pair(one) for one in row.failed or ()),
        skipped=frozenset(_pair(one) for one in row.skipped or ()),
    )


def _pair(number: float) -> tuple[int, int]:
    run, asset = divmod(int(number), MOST_ASSETS)
    return run, asset
