"""The client of DynamoDB: its short way for calls on rows does what botocore's way does, and hands over to it what fails."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.session import get_session
from moto import mock_aws

from tests.unit.adapters.dynamodb.peer import CLOSES, Peer, answer, refusal
from tidegate.adapters.dynamodb.client import Client
from tidegate.adapters.dynamodb.connection import DeploymentConnection
from tidegate.adapters.dynamodb.http_answer import Answer
from tidegate.adapters.dynamodb.wire import Wire

GET = {"TableName": "t", "Key": {"pk": {"S": "p"}}}
WRITE = {"TransactItems": [{"Put": {"TableName": "t", "Item": {"pk": {"S": "p"}}}}]}
PUT = {"TableName": "t", "Item": {"pk": {"S": "p"}}}
PUT_BYTES = {"TableName": "t", "Item": {"pk": {"S": "p"}, "data": {"B": b"\xff"}}}
ITEM = {"pk": {"S": "p"}, "data": {"B": "AP8="}}
CUT = answer({"Item": ITEM})[:-3]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.stop()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which way each call went: ``short``."""
    seen: list[str] = []
    send = Wire.send

    def count(self: Wire, headers: Any, body: bytes) -> Answer:
        seen.append("short")
        return send(self, headers, body)

    monkeypatch.setattr(Wire, "send", count)
    return seen


def client(peer: Peer, retries: int = 0, **settings: Any) -> Any:
    return DeploymentConnection(
        region="us-east-1", host=peer.url, max_retry_attempts=retries, **settings
    ).client


def call(client: Any, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """As PynamoDB calls it."""
    answer: dict[str, Any] = client._make_api_call(operation, parameters)
    return answer


class TestShortWay:
    def test_a_call_on_rows_is_answered(self, peer: Peer, sent: list[str]) -> None:
        peer.answers = [answer({"Item": ITEM})]

        found = call(client(peer), "GetItem", GET)

        assert found["Item"] == {"pk": {"S": "p"}, "data": {"B": b"\x00\xff"}}
        assert peer.requests[0].body == GET
        assert peer.requests[0].headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
        assert peer.requests[0].headers["user-agent"] == "tidegate"
        assert sent == ["short"]

    def test_any_other_call_goes_the_way_of_botocore(self, peer: Peer, sent: list[str]) -> None:
        peer.answers = [answer({"TableNames": ["t"]})]

        assert call(client(peer), "ListTables", {})["TableNames"] == ["t"]
        assert sent == []

    def test_a_refusal_is_raised_as_botocore_raises_it(self, peer: Peer) -> None:
        peer.answers = [refusal("ConditionalCheckFailedException", Item=ITEM)]
        made = client(peer)

        with pytest.raises(made.exceptions.ConditionalCheckFailedException) as raised:
            call(made, "PutItem", PUT)

        assert raised.value.response["Item"]["data"] == {"B": b"\x00\xff"}
        assert raised.value.operation_name == "PutItem"
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400

    def test_a_transaction_has_a_token(self, peer: Peer) -> None:
        peer.answers = [answer({}), answer({}), answer({})]
        made = client(peer)

        for more in ({}, {}, {"ClientRequestToken": "mine"}):
            call(made, "TransactWriteItems", {**WRITE, **more})

        first, second, third = (one.body["ClientRequestToken"] for one in peer.requests)
        assert first != second
        assert third == "mine"
        assert "ClientRequestToken" not in WRITE

    def test_new_credentials_are_used_at_once(self, peer: Peer) -> None:
        peer.answers = [answer({}), answer({})]
        made = client(peer)
        call(made, "GetItem", GET)

        made._request_signer._credentials.access_key = "other"
        made._request_signer._credentials.token = "session"
        call(made, "GetItem", GET)

        first, second = (one.headers for one in peer.requests)
        assert "Credential=testing/" in first["authorization"]
        assert "Credential=other/" in second["authorization"]
        assert second["x-amz-security-token"] == "session"

    def test_without_credentials_nothing_is_sent(
        self, peer: Peer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

        with pytest.raises(NoCredentialsError):
            call(client(peer), "GetItem", GET)

        assert peer.requests == []


class TestWhatGoesWrong:
    @pytest.mark.parametrize(
        "first",
        [
            CLOSES,
            CUT,
            answer(b"<html>Bad gateway</html>", 502),
            refusal("InternalServerError", 500),
            refusal("ThrottlingException"),
            refusal("ProvisionedThroughputExceededException"),
            answer({"Item": ITEM}, x_amz_crc32="1"),
        ],
    )
    def test_what_may_pass_is_sent_again_by_botocore(
        self, peer: Peer, sent: list[str], first: bytes
    ) -> None:
        peer.answers, peer.closes_after = [first, answer({"Item": ITEM})], (1,)

        found = call(client(peer, retries=1), "GetItem", GET)

        assert found["Item"]["pk"] == {"S": "p"}
        assert [one.body for one in peer.requests] == [GET, GET]
        assert sent == ["short"]

    def test_a_transaction_sent_again_has_the_same_token(self, peer: Peer) -> None:
        peer.answers = [CLOSES, answer({})]

        call(client(peer, retries=1), "TransactWriteItems", WRITE)

        first, second = peer.requests
        assert first.body == second.body

    @pytest.mark.parametrize(
        "code",
        [
            "ConditionalCheckFailedException",
            "TransactionCanceledException",
            "TransactionConflictException",
            "ValidationException",
            "AccessDeniedException",
        ],
    )
    def test_a_refusal_is_not_sent_again(self, peer: Peer, code: str) -> None:
        peer.answers = [refusal(code)]

        with pytest.raises(ClientError, match=code):
            call(client(peer, retries=3), "GetItem", GET)

        assert len(peer.requests) == 1

    @pytest.mark.parametrize(
        ("first", "error"),
        [
            (CLOSES, ConnectionClosedError),
            (refusal("ThrottlingException"), ClientError),
            (refusal("InternalServerError", 500), ClientError),
        ],
    )
    def test_without_retries_nothing_is_sent_again(
        self, peer: Peer, first: bytes, error: type[Exception]
    ) -> None:
        peer.answers = [first]

        with pytest.raises(error):
            call(client(peer, retries=0), "GetItem", GET)

        assert len(peer.requests) == 1


class TestListeners:
    def test_who_is_registered_for_calls_may_answer(self, peer: Peer) -> None:
        made = client(peer)
        heard: list[tuple[str, Any]] = []

        def before(model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> Any:
            context["mine"] = model.name
            heard.append(("before", params["body"]))
            return SimpleNamespace(status_code=200), {"Item": {}}

        def after(parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
            heard.append(("after", (parsed, context["mine"])))

        made.meta.events.register("before-call.dynamodb", before)
        made.meta.events.register("after-call.dynamodb", after)

        assert call(made, "GetItem", GET) == {"Item": {}}
        assert heard == [
            ("before", b'{"TableName":"t","Key":{"pk":{"S":"p"}}}'),
            ("after", ({"Item": {}}, "GetItem")),
        ]
        assert peer.requests == []

    def test_a_refusal_they_give_is_raised_and_not_sent_again(self, peer: Peer) -> None:
        made = client(peer, retries=3)
        refused = {"Error": {"Code": "ThrottlingException", "Message": "because"}}

        def before(**_: Any) -> Any:
            return SimpleNamespace(status_code=400), refused

        made.meta.events.register("before-call.dynamodb", before)

        with pytest.raises(ClientError, match="ThrottlingException"):
            call(made, "GetItem", GET)
        assert peer.requests == []

    def test_headers_they_add_are_sent(self, peer: Peer) -> None:
        peer.answers = [answer({})]
        made = client(peer)

        def before(params: dict[str, Any], **_: Any) -> None:
            params["headers"]["X-Amzn-Trace-Id"] = "Root=1"

        made.meta.events.register("before-call.dynamodb", before)
        call(made, "GetItem", GET)

        assert peer.requests[0].headers["x-amzn-trace-id"] == "Root=1"

    def test_headers_added_before_it_is_sent_are_sent(self, peer: Peer) -> None:
        peer.answers = [answer({})]
        made = client(peer)

        def before(request: Any, **_: Any) -> None:
            request.headers["x-added"] = "yes"

        made.meta.events.register("before-send.dynamodb", before)
        call(made, "GetItem", GET)

        assert peer.requests[0].headers["x-added"] == "yes"

    def test_what_they_raise_after_a_call_ends_it(self, peer: Peer) -> None:
        peer.answers = [answer({})]
        made = client(peer, retries=3)

        def after(**_: Any) -> None:
            raise ReadTimeoutError(endpoint_url=peer.url)

        made.meta.events.register("after-call.dynamodb", after)

        with pytest.raises(ReadTimeoutError):
            call(made, "GetItem", GET)
        assert len(peer.requests) == 1

    def test_moto_answers_as_it_does_for_any_client(self, sent: list[str]) -> None:
        with mock_aws():
            made = DeploymentConnection(region="us-east-1", max_retry_attempts=0).client
            made.create_table(
                TableName="t",
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
            call(made, "PutItem", PUT_BYTES)

            assert call(made, "GetItem", GET)["Item"]["data"] == {"B": b"\xff"}
        assert sent == []


class TestPlaces:
    @pytest.mark.parametrize(
        ("setting", "host"),
        [
            ({}, "dynamodb.us-east-1.amazonaws.com"),
            ({"AWS_USE_FIPS_ENDPOINT": "true"}, "dynamodb-fips.us-east-1.amazonaws.com"),
            ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "dynamodb.us-east-1.api.aws"),
            ({"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9"}, "127.0.0.1:9"),
        ],
    )
    def test_it_is_where_botocore_would_send(
        self, setting: dict[str, str], host: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in setting.items():
            monkeypatch.setenv(name, value)
        made = DeploymentConnection(region="us-east-1", max_retry_attempts=0).client
        asked: list[str] = []

        def before(request: Any, **_: Any) -> Any:
            asked.append(request.url)
            raw = SimpleNamespace(status_code=200, headers={}, content=b"{}")
            return raw

        made.meta.events.register("before-send.dynamodb", before)
        call(made, "GetItem", GET)
        made._plain.get_item(**GET)

        assert made._wire.host == host
        assert asked[0] == asked[1]

    def test_through_a_proxy_it_is_botocore_that_speaks(
        self, peer: Peer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("no_proxy", "")

        assert not isinstance(client(peer), Client)

    def test_a_proxy_for_another_scheme_or_for_nobody_is_none(
        self, peer: Peer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "example.com")

        assert isinstance(client(peer), Client)

    def test_behind_a_path_it_is_botocore_that_speaks(self, peer: Peer) -> None:
        made = DeploymentConnection(region="us-east-1", host=f"{peer.url}/behind/this")

        assert not isinstance(made.client, Client)

    @pytest.mark.parametrize("retries", [0, 3])
    def test_botocore_tries_as_often_as_it_is_told(self, peer: Peer, retries: int) -> None:
        config = client(peer, retries=retries).meta.config

        assert config.retries["total_max_attempts"] == 1 + retries

    @pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
    def test_certificates_of_ones_own_are_trusted(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trusted: list[Any] = []
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
        monkeypatch.setenv(name, "/the/bundle.pem")

        def load(cafile: str) -> None:
            trusted.append(cafile)

        monkeypatch.setattr("tidegate.adapters.dynamodb.wire.ssl.create_default_context", load)
        assert isinstance(DeploymentConnection(region="us-east-1").client, Client)

        assert trusted == ["/the/bundle.pem"]
        assert get_session().get_config_variable("ca_bundle") in (None, "/the/bundle.pem")
