"""DynamoDB three times: moto as it is, moto with our repairs, and dynoxide. One table, ``things``, with one index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import boto3
from botocore.config import Config

from tidegate.errors import DeploymentError
from tidegate.local.aws import LocalAws
from tidegate.local.calls import Calls
from tidegate.local.dynoxide import Dynoxide, DynoxideTables, find_binary
from tidegate.local.gateway import Gateway
from tidegate.local.process import ACCOUNT, start_moto
from tidegate.local.repairs import ALL
from tidegate.local.service import Service
from tidegate.local.tables import MotoTables

THINGS = "things"
KEYS = ("pk", "sk", "g", "h")

Value = dict[str, Any]


def text(value: str) -> Value:
    return {"S": value}


def number(value: float | str) -> Value:
    return {"N": str(value)}


def key(sort: str = "s", partition: str = "p") -> dict[str, Value]:
    return {"pk": text(partition), "sk": text(sort)}


def create(client: Any) -> Any:
    """Answers the client, with the table there."""
    client.create_table(
        TableName=THINGS,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in KEYS],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-g",
                "KeySchema": [
                    {"AttributeName": "g", "KeyType": "HASH"},
                    {"AttributeName": "h", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            },
            {
                "IndexName": "by-g-keys",
                "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            },
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


def new_client() -> Any:
    return boto3.client(
        "dynamodb",
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=32),
    )


@contextmanager
def as_it_is() -> Iterator[Any]:
    """moto without any repair, over its whole way."""
    start_moto().reset()
    with ExitStack() as stack:
        for repair in reversed(ALL):  # two of them replace the same method
            stack.enter_context(repair.removed())
        yield create(new_client())
    start_moto().reset()


@contextmanager
def repaired() -> Iterator[Any]:
    """moto as a local deployment uses it."""
    with LocalAws():
        yield create(new_client())


@contextmanager
def repaired_over_http() -> Iterator[Any]:
    """moto with our repairs, over its whole way: what remains when a call does not come through the gateway."""
    with LocalAws():
        active, Gateway.active = Gateway.active, None
        yield create(new_client())
        Gateway.active = active


@contextmanager
def dynoxide() -> Iterator[Any]:
    with LocalAws(store="dynoxide"):
        yield create(new_client())


class Direct:
    """An engine without boto3: ``update_item(TableName=...)`` goes straight to it. Refusals are ``ServiceError``."""

    def __init__(self, engine: Service) -> None:
        self._engine = engine

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)
        operation = "".join(one.capitalize() for one in method.split("_"))
        return lambda **parameters: self._engine.call(operation, parameters)


@contextmanager
def side_by_side() -> Iterator[dict[str, Direct]]:
    """moto with our repairs, and the other engines that are installed, at the same time."""
    with ExitStack() as stack:
        aws = stack.enter_context(LocalAws())
        create(new_client())
        tables = MotoTables(region=aws.region, account=ACCOUNT, calls=aws.calls)
        engines = {"moto": Direct(tables)}
        if OTHERS:
            engine = Dynoxide()
            stack.callback(engine.stop)
            engines["dynoxide"] = create(Direct(DynoxideTables(engine, calls=Calls())))
        yield engines


def _others() -> list[Any]:
    try:
        find_binary()
    except DeploymentError:
        return []
    return [dynoxide]


OTHERS = _others()
"""Engines besides moto that are installed here; the head of the report says which."""
