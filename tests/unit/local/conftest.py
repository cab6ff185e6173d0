"""A local AWS for each test. Entering one takes milliseconds after the first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tidegate.local.aws import LocalAws


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with LocalAws() as local:
        yield local
