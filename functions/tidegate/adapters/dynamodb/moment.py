"""A moment in a text attribute."""

from __future__ import annotations

from datetime import UTC, datetime

from pynamodb.attributes import UTCDateTimeAttribute

_SECONDS = len("2026-01-01T00:00:00.000000")


class MomentAttribute(UTCDateTimeAttribute):
    """As PynamoDB writes it, to the microsecond in UTC; written and read by the interpreter, which is ten times as quick."""

    def serialize(self, value: datetime) -> str:
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return f"{moment.isoformat(timespec='microseconds')[:_SECONDS]}+0000"

    def deserialize(self, value: str) -> datetime:
        return datetime.fromisoformat(value)
