"""Templates, made without bundling and without the policy checks: the gate in ``test_synth.py`` has those."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from aws_cdk.assertions import Template

from infra.app import make_app
from infra.settings import read_context
from tests.infra.templates import Synthesized


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``infra.inputs`` would have written."""
    path = tmp_path_factory.mktemp("build")
    for name in ("manifest.json", "settings.json"):
        (path / name).write_text("{}")
    return path


@pytest.fixture(scope="session")
def synthesize(build: Path) -> Callable[..., Synthesized]:
    """Context values -> template. ``build``: other inputs than the usual."""
    usual = build

    @cache
    def make(*, build: Path = usual, **context: str) -> Synthesized:
        app = make_app(
            {**read_context(), "aws:cdk:bundling-stacks": [], **context},
            build=build,
            builtin_cloud_formation_validation=False,
        )
        stack = app.node.children[0]
        return Synthesized(Template.from_stack(stack).to_json())

    return make


@pytest.fixture(scope="session")
def template(synthesize: Callable[..., Synthesized]) -> Synthesized:
    return synthesize()
