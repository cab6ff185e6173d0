"""The use cases on memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.unit.app.manifests import manifest_of
from tests.unit.app.world import World
from tidegate.domain.settings import Settings
from tidegate.manifest.document import Manifest, StepDoc


@pytest.fixture
def world_of() -> Callable[[Manifest, Settings], World]:
    """A world of a compiled manifest."""
    return World


@pytest.fixture
def world() -> Iterator[Callable[..., World]]:
    def make(settings: Settings | None = None, **jobs: list[StepDoc]) -> World:
        return World(manifest_of(**jobs), settings or Settings())

    yield make
