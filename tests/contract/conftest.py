"""The engines the contract suites run on.

``memory`` is the test kit's; ``moto`` and ``dynoxide`` stand for DynamoDB, behind the same client. Where dynoxide is not
installed, the suites run on the first two, and the report's head says so.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract.state_machine_referee import Referee
from tidegate.errors import DeploymentError
from tidegate.local.aws import LocalAws
from tidegate.local.dynoxide import find_binary


def _has_dynoxide() -> bool:
    try:
        find_binary()
    except DeploymentError:
        return False
    return True


DYNAMODB = ["moto", "dynoxide"] if _has_dynoxide() else ["moto"]


def pytest_report_header() -> str:
    return f"contract suites on: memory, {', '.join(DYNAMODB)}"


@pytest.fixture(scope="module", params=["memory", *DYNAMODB])
def _deployment(request: pytest.FixtureRequest) -> Iterator[tuple[str, LocalAws | None]]:
    """Of a module's tests, all those on one engine come before those on the next."""
    if request.param == "memory":
        yield "memory", None
        return
    with LocalAws(store=request.param) as aws:
        yield request.param, aws


@pytest.fixture
def engine(_deployment: tuple[str, LocalAws | None]) -> str:
    """Name of the engine under test, empty."""
    name, aws = _deployment
    if aws is not None:
        aws.reset()
    return name


@pytest.fixture(scope="module")
def _aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        yield aws


@pytest.fixture
def aws(_aws: LocalAws) -> LocalAws:
    """A local AWS on moto, empty."""
    _aws.reset()
    return _aws


@pytest.fixture(params=["memory", "aws"])
def services(request: pytest.FixtureRequest) -> LocalAws | None:
    """The local AWS, or None: what is under test is in memory."""
    return request.getfixturevalue("aws") if request.param == "aws" else None


@pytest.fixture(scope="module")
def referee() -> Iterator[Referee]:
    """moto's interpreter of state machines."""
    with pytest.MonkeyPatch.context() as patch:
        yield Referee(patch)


@pytest.fixture
def at_once() -> Iterator[Any]:
    """``at_once([call, ...])``: all calls from threads that are let go together; their answers, in order."""
    with ThreadPoolExecutor(max_workers=16) as pool:

        def run(calls: list[Any]) -> list[Any]:
            start = threading.Barrier(len(calls))

            def one(call: Any) -> Any:
                start.wait()
                return call()

            return [future.result() for future in [pool.submit(one, call) for call in calls]]

        yield run
