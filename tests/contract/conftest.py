"""The engines the contract suites run on.

``memory`` is the test kit's; ``moto`` stands for DynamoDB in this process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from moto import mock_aws
from moto.backends import get_backend
from moto.dynamodb.responses import DynamoHandler

from tidegate.adapters.aws.clients import client
from tidegate.adapters.dynamodb.table import all_tables, bind

REGION = "us-east-1"
ACCOUNT = "123456789012"


@pytest.fixture(scope="session")
def aws() -> Iterator[None]:
    """moto, for the session. One call at a time: its DynamoDB is not atomic."""
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_DEFAULT_REGION", REGION)
    lock = threading.RLock()
    unlocked = DynamoHandler.call_action

    def one_at_a_time(self: DynamoHandler) -> Any:
        with lock:
            return unlocked(self)

    patch.setattr(DynamoHandler, "call_action", one_at_a_time)
    with mock_aws():
        yield
    patch.undo()


@pytest.fixture(scope="session")
def bound_to_moto(aws: None) -> None:
    bind(region=REGION, retries=0)


@pytest.fixture
def moto_tables(bound_to_moto: None) -> None:
    """Empty control tables on moto."""
    get_backend("dynamodb")[ACCOUNT][REGION].reset()
    for table in all_tables():
        table.create_table()


@pytest.fixture(params=["memory", "moto"])
def engine(request: pytest.FixtureRequest) -> str:
    """Name of the engine under test, empty."""
    if request.param == "moto":
        request.getfixturevalue("moto_tables")
    return str(request.param)


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


@pytest.fixture
def bucket(aws: None) -> str:
    """An empty bucket on moto."""
    get_backend("s3")[ACCOUNT]["aws"].reset()
    client("s3").create_bucket(Bucket="tidegate-data")
    return "tidegate-data"


@pytest.fixture
def state_machine(aws: None) -> str:
    """ARN of a state machine on moto, of which nothing was executed yet."""
    get_backend("stepfunctions")[ACCOUNT][REGION].reset()
    machine = client("stepfunctions").create_state_machine(
        name="step",
        definition='{"StartAt": "Wait", "States": {"Wait": {"Type": "Succeed"}}}',
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/step",
    )
    return str(machine["stateMachineArn"])
