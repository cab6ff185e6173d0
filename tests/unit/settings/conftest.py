"""Settings files to be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.settings.files import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(text: str, name: str = "tidegate.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return _write
