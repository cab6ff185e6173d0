"""Each test begins with nothing made and nothing failing."""

from __future__ import annotations

import pytest

from tests.integration.backfills.pipeline import FAILING, RAN


@pytest.fixture(autouse=True)
def _calm() -> None:
    RAN.clear()
    FAILING.clear()
