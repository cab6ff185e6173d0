"""A deployment for each test, on one mock for the session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tidegate import Definitions
from tidegate.testing import LocalDeployment


@pytest.fixture
def deploy() -> Iterator[Callable[..., LocalDeployment]]:
    with ExitStack() as stack:

        def start(defs: Definitions, **options: Any) -> LocalDeployment:
            return stack.enter_context(LocalDeployment(defs, **options))

        yield start
