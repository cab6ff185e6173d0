"""When the last sign of life was too long ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tidegate.domain.heartbeat import beat_of, silent_since

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "is_silent"), [(-60, False), (0, False), (899, False), (900, True)]
)
def test_a_container_is_silent_from_the_timeout_on(seconds: int, is_silent: bool) -> None:
    beat = NOW - timedelta(seconds=seconds)

    assert silent_since(beat_of(beat), NOW, 900) == (beat if is_silent else None)


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"\xff",
        b"[]",
        b"3",
        b"{}",
        b'{"at": 3}',
        b'{"at": "soon"}',
        b'{"at": "2026-01-01"}',
        b'{"at": "9999-12-31T23:59:59+00:00"}',
        b"[" * 1_000,
    ],
)
def test_what_is_no_sign_of_life_is_no_sign_of_death(body: bytes | None) -> None:
    assert silent_since(body, NOW, 900) is None
