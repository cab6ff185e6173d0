"""Rows of table ``automation``, and of table ``assets`` that hold the state of partitions."""

from __future__ import annotations

from pynamodb.attributes import (
    BooleanAttribute,
    NumberAttribute,
    NumberSetAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)

from tidegate.adapters.dynamodb.models import AssetsTable, AutomationTable
from tidegate.adapters.dynamodb.packed import PackedAttribute


class DynamicKeyRow(AutomationTable):
    """``pk`` = ``dynamic#<name>``, ``sk`` = ``key#<key>``."""

    number = NumberAttribute()


class DynamicHeadRow(AutomationTable):
    """``pk`` = ``dynamic#<name>``, ``sk`` = ``head``."""

    next = NumberAttribute()
    """The number that the next key gets."""


class BackfillRow(AutomationTable):
    """``pk`` = ``backfill#<id>``, ``sk`` = ``backfill``."""

    version = NumberAttribute()
    status = UnicodeAttribute()
    said = PackedAttribute()


class BackfillEntry(AutomationTable):
    """``pk`` = ``backfills``, ``sk`` = ``<time>#<id>``: all; ``pk`` = ``backfills#active``, ``sk`` = id: those that go on."""


class ChunkRow(AutomationTable):
    """``pk`` = ``backfill#<id>``, ``sk`` = ``chunk#<number, eight digits>``."""

    said = PackedAttribute()
    is_submitted = BooleanAttribute(null=True)
    open = NumberSetAttribute(null=True)
    failed = NumberSetAttribute(null=True)
    """Place of the run, times ``MOST_ASSETS``, plus the place of the asset."""
    skipped = NumberSetAttribute(null=True)


class HoldsRow(AutomationTable):
    """``pk`` = ``holds#<asset>``, ``sk`` = ``<row>``: members of the row that runs hold now."""

    taken = UnicodeSetAttribute(null=True)
    holds = UnicodeSetAttribute(null=True)
    awaited = UnicodeSetAttribute(null=True)
    version = NumberAttribute(null=True)


class HoldWaitRow(AutomationTable):
    """``pk`` = ``awaits#<run that holds>``, ``sk`` = ``<order>``."""

    run_id = UnicodeAttribute()


class NumberStateRow(AssetsTable):
    """``pk`` = asset key, ``sk`` = ``state#<row>``: windows of time, by number."""

    materialized = NumberSetAttribute(null=True)
    failed = NumberSetAttribute(null=True)
    in_progress = NumberSetAttribute(null=True)


class KeyStateRow(AssetsTable):
    """``pk`` = asset key, ``sk`` = ``state#<row>``: other partitions, by key."""

    materialized = UnicodeSetAttribute(null=True)
    failed = UnicodeSetAttribute(null=True)
    in_progress = UnicodeSetAttribute(null=True)
