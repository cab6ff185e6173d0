"""The control tables, but for ``admission``: see ``models_admission.py``.

A table holds rows of several kinds. The table is one pynamodb model, with its key and its indexes; each kind of row is a
subclass with the attributes of that kind. ``TABLES`` is what CDK and the local deployment create.

All indexes are sparse and hold keys only. A row is in an index while it has that index's key attribute, and a
change of a run's status rewrites none of them but ``by_status``.
"""

from __future__ import annotations

from typing import ClassVar

from pynamodb.attributes import (
    BooleanAttribute,
    NumberAttribute,
    NumberSetAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from tidegate.adapters.dynamodb.models_admission import AdmissionTable
from tidegate.adapters.dynamodb.moment import MomentAttribute
from tidegate.adapters.dynamodb.packed import PackedAttribute
from tidegate.adapters.dynamodb.table import ControlTable

ON_DEMAND = "PAY_PER_REQUEST"


class ByDay(GlobalSecondaryIndex["RunsTable"]):  # type: ignore[no-untyped-call]
    """All runs of one day, by time.

    One partition takes the writes of the day: one a run. A partition takes 1,000 a second, and Step Functions starts
    at most 300 executions a second in an account, so runs cannot come faster for long. Keys-only entries are
    written once, at submit.
    """

    class Meta:
        index_name = "by_day"
        projection = KeysOnlyProjection()

    day = UnicodeAttribute(hash_key=True)
    order = UnicodeAttribute(range_key=True)


class ByJob(GlobalSecondaryIndex["RunsTable"]):  # type: ignore[no-untyped-call]
    """The runs of one job in one month, by time. Written once, at submit; heat as in ``ByDay``."""

    class Meta:
        index_name = "by_job"
        projection = KeysOnlyProjection()

    job_month = UnicodeAttribute(hash_key=True)
    order = UnicodeAttribute(range_key=True)


class ByStatus(GlobalSecondaryIndex["RunsTable"]):  # type: ignore[no-untyped-call]
    """Runs by status, by time; those that succeeded are left out, which are nearly all.

    The hottest partition is that of QUEUED: one write when a run is submitted and one when it is admitted, 600 a second
    at the 300 starts a second of Step Functions, of the 1,000 a partition takes.
    """

    class Meta:
        index_name = "by_status"
        projection = KeysOnlyProjection()

    by_status_key = UnicodeAttribute(hash_key=True)
    order = UnicodeAttribute(range_key=True)


class RunsTable(ControlTable):
    """Runs, their step rows and the nodes at which steps arrive: all rows of a run under ``pk`` = run id.

    ``run`` is the run, ``step#000012`` a step, ``node#7.0.3`` a node. ``pk`` = ``calendar`` and ``calendar#<job>`` list the
    days, and the months of a job, on which there is a run, so that nothing is ever looked for on a day without one.
    When each goes: ``domain/retention.py``. A run that is not over has no end.

    All writes of a run go to one partition, which takes 1,000 a second: a step is three or four writes, and at most 300 steps a
    second start in an account. DynamoDB also splits a partition that stays hot, between the rows of one run too.
    """

    class Meta:
        table_name = "tidegate-runs"
        billing_mode = ON_DEMAND

    name: ClassVar[str] = "runs"
    ttl_attribute: ClassVar[str | None] = "expires_at"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    day = UnicodeAttribute(null=True)
    job_month = UnicodeAttribute(null=True)
    by_status_key = UnicodeAttribute(null=True)
    order = UnicodeAttribute(null=True)
    """When the run was created, then its id: range key of all indexes."""
    expires_at = TTLAttribute(null=True)

    by_day = ByDay()
    by_job = ByJob()
    by_status = ByStatus()


class RunRow(RunsTable):
    """``pk`` = run id, ``sk`` = ``run``."""

    job = UnicodeAttribute()
    manifest = UnicodeAttribute()
    status = UnicodeAttribute()
    created_at = MomentAttribute()
    function = UnicodeAttribute(null=True)
    task_definition = UnicodeAttribute(null=True)
    location = UnicodeAttribute(null=True)
    partition_key = UnicodeAttribute(null=True)
    run_key = UnicodeAttribute(null=True)
    started_at = MomentAttribute(null=True)
    canceling_at = MomentAttribute(null=True)
    finished_at = MomentAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    lost_to = UnicodeSetAttribute(null=True)
    stop_cause = UnicodeAttribute(null=True)
    turn = NumberAttribute(null=True)
    asked = PackedAttribute()
    """What the run was asked to do and never changes: tags, run config, assets. Packed, because each change of the
    status pays for the whole item."""


class StepStateRow(RunsTable):
    """``pk`` = run id, ``sk`` = ``step#<number, six digits or more>``."""

    status = UnicodeAttribute()
    attempt = NumberAttribute()
    produced = UnicodeSetAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    failed = BooleanAttribute(null=True)
    fingerprint = UnicodeAttribute(null=True)
    waiting_at = MomentAttribute(null=True)
    started_at = MomentAttribute(null=True)
    finished_at = MomentAttribute(null=True)
    retry_at = MomentAttribute(null=True)
    ecs_from = NumberAttribute(null=True)


class NodeRow(RunsTable):
    """``pk`` = run id, ``sk`` = ``node#<node>``: sets of numbers, to which arrivals are added."""

    arrived = NumberSetAttribute(null=True)
    failed = NumberSetAttribute(null=True)
    missing = NumberSetAttribute(null=True)


class EventsTable(ControlTable):
    """What happened: ``pk`` = run id, ``sk`` = ``<time of the batch>#<batch>#<page>``; a row holds many events."""

    class Meta:
        table_name = "tidegate-events"
        billing_mode = ON_DEMAND

    name: ClassVar[str] = "events"
    ttl_attribute: ClassVar[str | None] = "expires_at"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    expires_at = TTLAttribute(null=True)


class EventsRow(EventsTable):
    events = PackedAttribute()
    """A list of [time, kind, step, attempt, message, level, data], in order of time."""


class AssetsTable(ControlTable):
    """Latest materializations: ``pk`` = asset key, ``sk`` = ``latest`` or ``partition#<partition>``."""

    class Meta:
        table_name = "tidegate-assets"
        billing_mode = ON_DEMAND

    name: ClassVar[str] = "assets"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)


class AssetRow(AssetsTable):
    order = UnicodeAttribute()
    """Time and run of the materialization: only a greater one replaces it."""
    run_id = UnicodeAttribute()
    at = MomentAttribute()
    partition = UnicodeAttribute(null=True)
    """In row ``latest``: the partition made last, whose own row holds the rest."""
    data_version = UnicodeAttribute(null=True)
    code_version = UnicodeAttribute(null=True)
    said = PackedAttribute(null=True)
    """Metadata and tags."""


class AutomationTable(ControlTable):
    """Cursors of schedules and sensors, dynamic partitions, backfills."""

    class Meta:
        table_name = "tidegate-automation"
        billing_mode = ON_DEMAND

    name: ClassVar[str] = "automation"
    ttl_attribute: ClassVar[str | None] = "expires_at"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    expires_at = TTLAttribute(null=True)


class AuditTable(ControlTable):
    """Who changed what: ``pk`` = subject, ``sk`` = ``<time>#<change id>``.

    ``pk`` = ``change#<change id>``, ``sk`` = ``change`` is the same change under its id, by which a repeated request finds it.
    """

    class Meta:
        table_name = "tidegate-audit"
        billing_mode = ON_DEMAND

    name: ClassVar[str] = "audit"
    ttl_attribute: ClassVar[str | None] = "expires_at"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    expires_at = TTLAttribute(null=True)


class AuditRow(AuditTable):
    action = UnicodeAttribute()
    by = UnicodeAttribute()
    at = MomentAttribute()
    subject = UnicodeAttribute(null=True)
    """Of the row under the change's id."""
    said = PackedAttribute()
    """What it was before and after."""
    is_done = BooleanAttribute(null=True)


TABLES: tuple[type[ControlTable], ...] = (
    RunsTable,
    AdmissionTable,
    EventsTable,
    AssetsTable,
    AutomationTable,
    AuditTable,
)
