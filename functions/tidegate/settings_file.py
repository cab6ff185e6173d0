"""Read the settings of a deployment: ``tidegate.yaml`` or an unchanged ``dagster.yaml``, and the environment.

What wins: an argument, then the environment, then the file, then the default. Whatever the source, the same rules hold
(``settings_schema.py``, ``settings_rules.py``), and what breaks one is named with its file and line, or its variable.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tidegate.domain.settings import Settings
from tidegate.errors import SettingsError
from tidegate.settings_rules import Rules
from tidegate.settings_schema import DAGSTER_SECTIONS, POOL_CEILING, File
from tidegate.settings_source import Source, read_yaml

logger = logging.getLogger(__name__)

FILE_NAME = "tidegate.yaml"
DAGSTER_FILE_NAME = "dagster.yaml"

ENVIRONMENT: dict[str, tuple[str, str]] = {
    "TIDEGATE_ASSET_BACKFILL_RUN_CHUNK_SIZE": ("backfills", "run_chunk_size"),
    "TIDEGATE_ASSET_BACKFILL_MATERIALIZATION_CHUNK_SIZE": (
        "backfills",
        "materialization_chunk_size",
    ),
    "TIDEGATE_BACKFILL_CANCEL_RUNS_BATCH_SIZE": ("backfills", "cancel_batch_size"),
    "TIDEGATE_EVENT_BATCH_SIZE": ("events", "batch_size"),
}
"""Variables that override the file. The names are those of Dagster's tuning guide with its prefix changed."""

CEILING_VARIABLE = "TIDEGATE_MAX_GLOBAL_OP_CONCURRENCY_LIMIT"
"""Raises or lowers the most units a pool may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings, and what a person should know about how they were read."""

    settings: Settings
    path: Path | None = None
    notes: tuple[str, ...] = ()
    """What was accepted and has no effect, one sentence each."""


def find_settings(start: Path) -> Path | None:
    """The nearest ``tidegate.yaml``, else ``dagster.yaml``, in ``start`` or a directory above it."""
    for folder in (start, *start.parents):
        for name in (FILE_NAME, DAGSTER_FILE_NAME):
            if (folder / name).is_file():
                return folder / name
    return None


def load_settings(
    path: Path | None, environ: Mapping[str, str], *, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of ``path``; without one, those of the environment and the defaults.

    ``overrides`` has the shape of ``tidegate.yaml`` and wins over everything.

    Raises:
        SettingsError: names the file and line, the key, its value and what is allowed.
    """
    loaded = read_settings(path, environ, overrides=overrides)
    for note in loaded.notes:
        logger.info("settings_note", extra={"note": note})
    return loaded.settings


def read_settings(
    path: Path | None, environ: Mapping[str, str], *, overrides: Mapping[str, Any] | None = None
) -> Loaded:
    """As ``load_settings``, with the notes.

    Raises:
        SettingsError: as ``load_settings``.
    """
    source = Source() if path is None else read_yaml(path)
    is_dagster = path is not None and path.stem == "dagster"
    notes: list[str] = []
    if is_dagster:
        unused = sorted(str(key) for key in source.document if key not in DAGSTER_SECTIONS)
        source.document = {k: v for k, v in source.document.items() if k in DAGSTER_SECTIONS}
        if unused:
            notes.append(f"Not used by Tidegate: {', '.join(unused)}.")
    _read_environment(source, environ)
    if overrides is not None:
        source.merge(overrides, origin="The given settings")
    rules = Rules(_validated(source, environ), error=source.error, is_dagster=is_dagster)
    settings = rules.settings()
    return Loaded(settings=settings, path=path, notes=(*notes, *rules.notes))


def _read_environment(source: Source, environ: Mapping[str, str]) -> None:
    for name, (section, key) in ENVIRONMENT.items():
        if name in environ:
            number = _integer(name, environ[name])
            source.merge({section: {key: number}}, origin=f"The environment variable {name}")


def _validated(source: Source, environ: Mapping[str, str]) -> File:
    ceiling = POOL_CEILING
    if CEILING_VARIABLE in environ:
        ceiling = _integer(CEILING_VARIABLE, environ[CEILING_VARIABLE])
    try:
        return File.model_validate(
            source.document, context={"environ": environ, "pool_ceiling": ceiling}
        )
    except ValidationError as error:
        raise source.wrong(error) from None


def _integer(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise SettingsError(
            f"The environment variable {name} is {value!r}.", mend="Allowed: an integer."
        ) from None
