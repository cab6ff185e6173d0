"""DynamoDB operations are atomic."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.dynamodb.models import DynamoDBBackend

from tests.contract.moto_engines import (
    THINGS,
    as_it_is,
    key,
    number,
    repaired,
    repaired_over_http,
    text,
)
from tidegate.local.repairs.dynamodb_lock import LOCK

THREADS = 16
ROUNDS = 20


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads change places at almost every opportunity."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def at_once(call: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(call, range(THREADS)))


def increment(client: Any, **more: Any) -> Any:
    return client.update_item(
        TableName=THINGS,
        Key=key(),
        UpdateExpression="ADD n :one",
        ExpressionAttributeValues={":one": number(1), **more.pop("values", {})},
        **more,
    )


def stored(client: Any, sort: str = "s") -> int:
    return int(client.get_item(TableName=THINGS, Key=key(sort))["Item"]["n"]["N"])


def test_no_increment_is_lost(eager_threads: None) -> None:
    with repaired() as client:
        at_once(lambda _: [increment(client) for _ in range(ROUNDS)])

        assert stored(client) == THREADS * ROUNDS


def test_no_more_pass_a_limit_than_it_allows(eager_threads: None) -> None:
    def attempt(client: Any) -> bool:
        try:
            increment(
                client,
                ConditionExpression="attribute_not_exists(n) OR n < :most",
                values={":most": number(5)},
            )
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ConditionalCheckFailedException"
            return False
        return True

    with repaired() as client:
        passed = at_once(lambda _: attempt(client))

        assert (passed.count(True), stored(client)) == (5, 5)


def test_transactions_move_and_never_make_or_lose(eager_threads: None) -> None:
    def add(sort: str, amount: int) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": THINGS,
                "Key": key(sort),
                "UpdateExpression": "SET n = n + :amount",
                "ConditionExpression": "n >= :least",
                "ExpressionAttributeValues": {":amount": number(amount), ":least": number(-amount)},
            }
        }

    def move(client: Any, place: int) -> None:
        source, target = f"s{place % 4}", f"s{(place + 1) % 4}"
        for _ in range(ROUNDS):
            try:
                client.transact_write_items(TransactItems=[add(source, -3), add(target, 3)])
            except ClientError as error:
                assert error.response["Error"]["Code"] == "TransactionCanceledException"

    with repaired() as client:
        for place in range(4):
            client.put_item(TableName=THINGS, Item={**key(f"s{place}"), "n": number(10)})

        at_once(lambda place: move(client, place))

        amounts = [stored(client, f"s{place}") for place in range(4)]
        assert sum(amounts) == 40
        assert min(amounts) >= 0


class Pause:
    """Lets one operation stop in its middle."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.inside, self.go_on = threading.Event(), threading.Event()
        look_up = DynamoDBBackend.get_table

        def paused(backend: DynamoDBBackend, name: str) -> Any:
            if threading.current_thread().name == "paused":
                self.inside.set()
                assert self.go_on.wait(30)
            return look_up(backend, name)

        patch.setattr(DynamoDBBackend, "get_table", paused)

    def others_may_work(self, client: Any) -> bool:
        """Whether the lock is free while an operation is in its middle."""
        thread = threading.Thread(
            target=lambda: client.put_item(TableName=THINGS, Item={**key(), "a": text("b")}),
            name="paused",
        )
        thread.start()
        assert self.inside.wait(30)
        free = LOCK.acquire(blocking=False)
        if free:
            LOCK.release()
        self.go_on.set()
        thread.join()
        return free


@pytest.mark.parametrize("way", [repaired, repaired_over_http])
def test_an_operation_keeps_the_others_out(way: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with way() as client:
        assert not Pause(monkeypatch).others_may_work(client)


def test_moto_still_lets_them_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with as_it_is() as client:
        assert Pause(monkeypatch).others_may_work(client)
