"""Settings files and their refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tidegate.errors import SettingsError
from tidegate.settings_file import load_settings

Write = Callable[..., Path]


def refusal(path: Path, **environ: str) -> str:
    with pytest.raises(SettingsError) as raised:
        load_settings(path, environ)
    return str(raised.value)
