"""How errors of DynamoDB read, and that all tables share one client."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from botocore.parsers import ResponseParserError
from pynamodb.exceptions import PutError, QueryError, TableError, TransactWriteError, UpdateError
from pynamodb.transactions import TransactWrite

from tidegate.adapters.dynamodb.connection import DeploymentConnection
from tidegate.adapters.dynamodb.models import RunRow, RunsTable
from tidegate.adapters.dynamodb.table import (
    ControlTable,
    all_tables,
    bind,
    connection,
    refusals,
    table_name,
    translated,
)
from tidegate.errors import ConflictError, StoreError, ThrottledError, UnavailableError


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture
def answer() -> Iterator[Any]:
    """``answer(code, ...)``: DynamoDB refuses every request with it; ``answer(error)``: no answer comes."""
    bind(region="us-east-1", retries=0)
    events = connection().client.meta.events
    given: list[Any] = []

    def before_call(**_: Any) -> Any:
        if isinstance(given[0], Exception):
            raise given[0]
        status, document = given[0]
        return SimpleNamespace(status_code=status), {
            **document,
            "ResponseMetadata": {"HTTPStatusCode": status},
        }

    def give(what: Any, status: int = 400, **more: Any) -> None:
        document = {"Error": {"Code": what, "Message": "because"}, **more}
        given[:] = [what if isinstance(what, Exception) else (status, document)]

    events.register("before-call.dynamodb", before_call)
    yield give
    events.unregister("before-call.dynamodb", before_call)


def save() -> None:
    RunsTable("pk", "sk").save(RunsTable.pk.does_not_exist())


def update() -> None:
    RunsTable("pk", "sk").update([RunsTable.day.set("x")])


def get() -> None:
    RunsTable.get("pk", "sk")


def query() -> None:
    list(RunsTable.query("pk"))


def transact() -> None:
    with TransactWrite(connection=connection()) as transaction:
        transaction.save(RunsTable("pk", "sk"), condition=RunsTable.pk.does_not_exist())
        transaction.save(RunsTable("pk", "other"))


KINDS: list[type[ControlTable]] = [*all_tables(), RunRow]
EVERY_CALL = [save, update, get, query, transact]


@pytest.mark.parametrize("call", EVERY_CALL)
@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ProvisionedThroughputExceededException", 400, ThrottledError),
        ("ThrottlingException", 400, ThrottledError),
        ("RequestLimitExceeded", 400, ThrottledError),
        ("TransactionConflictException", 400, ConflictError),
        ("TransactionInProgressException", 400, UnavailableError),
        ("InternalServerError", 500, UnavailableError),
        ("503", 503, UnavailableError),
        ("ValidationException", 400, StoreError),
        ("ResourceNotFoundException", 400, StoreError),
    ],
)
def test_a_refusal_says_whether_anything_was_written(
    answer: Any, call: Any, code: str, status: int, kind: type[StoreError]
) -> None:
    answer(code, status)

    with pytest.raises(StoreError) as raised, translated("runs.test"):
        call()

    assert type(raised.value) is kind
    assert str(raised.value).startswith("runs.test: ")
    assert raised.value.__cause__ is not None


@pytest.mark.parametrize("call", EVERY_CALL)
@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://nowhere"),
        ReadTimeoutError(endpoint_url="http://nowhere"),
        ResponseParserError("not JSON"),
    ],
)
def test_no_answer_leaves_it_open_whether_anything_was_written(
    answer: Any, call: Any, error: Exception
) -> None:
    answer(error)

    with pytest.raises(UnavailableError), translated("runs.test"):
        call()


def test_a_request_that_could_not_be_sent_is_a_store_error(answer: Any) -> None:
    answer(NoCredentialsError())

    with pytest.raises(StoreError) as raised, translated("runs.test"):
        save()

    assert type(raised.value) is StoreError


@pytest.mark.parametrize(("call", "kind"), [(save, PutError), (update, UpdateError)])
def test_a_failed_condition_passes_through(answer: Any, call: Any, kind: type[Exception]) -> None:
    answer("ConditionalCheckFailedException")

    with pytest.raises(kind), translated("runs.test"):
        call()


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        (["ConditionalCheckFailed", "None"], TransactWriteError),
        (["TransactionConflict", "ConditionalCheckFailed"], TransactWriteError),
        (["None", "TransactionConflict"], ConflictError),
        (["ProvisionedThroughputExceeded", "None"], ThrottledError),
        (["ThrottlingError", "TransactionConflict"], ConflictError),
        (["None", "ValidationError"], StoreError),
    ],
)
def test_a_cancelled_transaction_reads_as_its_reasons(
    answer: Any, reasons: list[str], kind: type[Exception]
) -> None:
    answer("TransactionCanceledException", CancellationReasons=[{"Code": one} for one in reasons])

    with pytest.raises(Exception) as raised, translated("runs.test"):
        transact()

    assert type(raised.value) is kind


def test_the_reasons_of_a_cancelled_transaction_are_listed_item_by_item(answer: Any) -> None:
    answer(
        "TransactionCanceledException",
        CancellationReasons=[{"Code": "None"}, {"Code": "ConditionalCheckFailed"}],
    )

    with pytest.raises(TransactWriteError) as raised, translated("runs.test"):
        transact()

    assert refusals(raised.value) == [None, "ConditionalCheckFailed"]


@pytest.mark.parametrize(
    "error", [RunsTable.DoesNotExist(), TableError("no such index"), QueryError("a mistake")]
)
def test_what_is_no_answer_of_dynamodb_passes_through(error: Exception) -> None:
    with pytest.raises(type(error)), translated("runs.test"):
        raise error


def test_all_tables_and_their_rows_share_one_client() -> None:
    bind(region="us-east-1", retries=0)

    clients = {kind._get_connection().connection.client for kind in KINDS}

    assert clients == {connection().client}


def test_tables_move_with_the_binding() -> None:
    bind(prefix="elsewhere", region="eu-west-1", host="http://127.0.0.1:1", retries=0)
    names = {table.Meta.table_name for table in all_tables()} | {RunRow.Meta.table_name}
    urls = {kind._get_connection().connection.client.meta.endpoint_url for kind in KINDS}
    bind(region="us-east-1", retries=0)

    assert names == {
        f"elsewhere-{name}"
        for name in ("runs", "admission", "events", "assets", "automation", "audit")
    }
    assert urls == {"http://127.0.0.1:1"}
    assert table_name(RunsTable) == RunsTable.Meta.table_name == "tidegate-runs"


def test_binding_again_to_the_same_place_keeps_the_client() -> None:
    bind(region="us-east-1", retries=0)
    before = connection()

    bind(region="us-east-1", retries=0)

    assert connection() is before


def test_a_client_made_without_credentials_is_made_again_once_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    bare = DeploymentConnection(region="us-east-1", max_retry_attempts=0)
    poor = bare.client

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    rich = bare.client

    assert rich is not poor
    assert bare.client is rich
