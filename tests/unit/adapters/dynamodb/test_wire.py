"""One request to DynamoDB: how it is written and signed, how its answer reads, and what a connection may do meanwhile."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError, create_parser
from botocore.serialize import create_serializer
from botocore.session import get_session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.adapters.dynamodb.peer import CLOSES, SILENT, Peer, answer
from tidegate.adapters.dynamodb.http_answer import Answer
from tidegate.adapters.dynamodb.wire import Signer, Wire, read, written

URL = "https://dynamodb.eu-west-1.amazonaws.com"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SERVICE = get_session().get_service_model("dynamodb")
ITEM = {
    "pk": {"S": "p"},
    "data": {"B": b"\x00\xff"},
    "more": {"BS": [b"a", b"b"]},
    "deep": {"M": {"one": {"L": [{"B": b"c"}, {"N": "1"}]}}},
}
KEY = {"pk": {"B": b"\xfe"}}
TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.stop()


def wire(url: str, trusted: str | None = None, read_seconds: float = 5) -> Wire:
    return Wire(url, trusted=trusted, connect_seconds=5, read_seconds=read_seconds)


def refused(document: Any, status: int = 400, **headers: str) -> Answer:
    return Answer(status, headers, json.dumps(document).encode())


class TestSigning:
    @given(
        keys=st.tuples(TEXTS, TEXTS),
        token=st.none() | TEXTS,
        body=st.binary(max_size=200),
        now=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),
    )
    def test_a_signature_is_the_one_botocore_makes_of_the_same_request(
        self, keys: tuple[str, str], token: str | None, body: bytes, now: datetime
    ) -> None:
        credentials = ReadOnlyCredentials(*keys, token)  # type: ignore[arg-type]
        signer = Signer("dynamodb.eu-west-1.amazonaws.com", "eu-west-1")

        headers = signer.headers("GetItem", body, credentials, now)

        said = headers.pop("authorization")
        request = AWSRequest(method="POST", url=f"{URL}/", headers=headers, data=body)
        request.context["timestamp"] = headers["x-amz-date"]
        theirs = SigV4Auth(credentials, "dynamodb", "eu-west-1")  # type: ignore[arg-type]
        to_sign = theirs.string_to_sign(request, theirs.canonical_request(request))
        assert said.endswith(f"Signature={theirs.signature(to_sign, request)}")
        assert f"SignedHeaders={';'.join(sorted(headers))}," in said
        assert f"Credential={keys[0]}/{now:%Y%m%d}/eu-west-1/dynamodb/aws4_request," in said

    def test_new_credentials_and_a_new_day_have_keys_of_their_own(self) -> None:
        signer = Signer("h", "r")
        moments = [NOW, NOW + timedelta(days=1), NOW]
        secrets = ["one", "one", "two"]

        seen = [
            signer.headers("GetItem", b"", ReadOnlyCredentials("a", secret, None), now)  # type: ignore[arg-type]
            for now, secret in zip(moments, secrets, strict=True)
        ]

        fresh = [
            Signer("h", "r").headers("GetItem", b"", ReadOnlyCredentials("a", secret, None), now)  # type: ignore[arg-type]
            for now, secret in zip(moments, secrets, strict=True)
        ]
        assert seen == fresh
        assert len({one["authorization"] for one in seen}) == 3


class TestBodies:
    def test_a_request_is_written_as_botocore_writes_it(self) -> None:
        parameters = {"TableName": "t", "Item": ITEM, "ReturnValues": "NONE"}

        body = written(parameters)

        serializer = create_serializer("json", include_validation=False)
        model = SERVICE.operation_model("PutItem")
        theirs = serializer.serialize_to_request(parameters, model)["body"]
        assert json.loads(body) == json.loads(theirs)

    def test_what_is_no_attribute_value_is_not_written(self) -> None:
        with pytest.raises(TypeError, match="datetime is no attribute value"):
            written({"Item": {"at": {"S": NOW}}})

    def test_an_answer_reads_as_botocore_reads_it(self) -> None:
        body = written({"Item": ITEM, "ConsumedCapacity": {"TableName": "t", "CapacityUnits": 1.0}})
        given = Answer(200, {"x-amzn-requestid": "r", "x-amz-crc32": str(zlib.crc32(body))}, body)

        parsed = read(given, URL)

        assert parsed["Item"] == ITEM
        assert parsed == theirs(given, "GetItem")

    @pytest.mark.parametrize(
        ("operation", "document"),
        [
            ("Query", {"Items": [ITEM, ITEM], "Count": 2, "LastEvaluatedKey": KEY}),
            ("UpdateItem", {"Attributes": ITEM}),
            (
                "BatchGetItem",
                {"Responses": {"t": [ITEM]}, "UnprocessedKeys": {"t": {"Keys": [KEY]}}},
            ),
            (
                "BatchWriteItem",
                {
                    "UnprocessedItems": {
                        "t": [{"PutRequest": {"Item": ITEM}}, {"DeleteRequest": {"Key": KEY}}]
                    }
                },
            ),
            ("GetItem", {}),
        ],
    )
    def test_bytes_are_found_wherever_an_answer_has_items(
        self, operation: str, document: dict[str, Any]
    ) -> None:
        given = Answer(200, {}, written(document))

        parsed = read(given, URL)

        assert {name: parsed[name] for name in document} == document
        other = theirs(given, operation)
        assert {name: other[name] for name in document} == document

    def test_an_attribute_of_that_name_is_no_binary_one(self) -> None:
        item = {"B": {"S": "text"}, "BS": {"L": [{"S": "text"}]}}

        assert read(Answer(200, {}, written({"Item": item})), URL)["Item"] == item

    def test_an_answer_that_was_changed_on_the_way_is_none(self) -> None:
        body = written({"Item": ITEM})
        headers = {"x-amz-crc32": str(zlib.crc32(body))}

        with pytest.raises(ConnectionClosedError):
            read(Answer(200, headers, body.replace(b'"p"', b'"q"')), URL)

    def test_what_is_null_is_not_there(self) -> None:
        document = {
            name: None for name in ("Item", "Items", "Attributes", "Responses", "LastEvaluatedKey")
        }

        assert read(Answer(200, {}, written(document)), URL)["Item"] is None

    def test_a_checksum_that_is_none_does_not_fit(self) -> None:
        with pytest.raises(ConnectionClosedError):
            read(Answer(200, {"x-amz-crc32": "none"}, b"{}"), URL)

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff"])
    def test_an_answer_that_is_no_json_object_is_none(self, body: bytes) -> None:
        with pytest.raises(ResponseParserError):
            read(Answer(502, {}, body), URL)

    @pytest.mark.parametrize(
        ("operation", "document"),
        [
            (
                "PutItem",
                {
                    "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
                    "message": "The conditional request failed",
                    "Item": json.loads(written(ITEM)),
                },
            ),
            (
                "TransactWriteItems",
                {
                    "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                    "Message": "Transaction cancelled",
                    "CancellationReasons": [
                        {"Code": "None"},
                        {
                            "Code": "ConditionalCheckFailed",
                            "Message": "The conditional request failed",
                            "Item": json.loads(written(ITEM)),
                        },
                    ],
                },
            ),
            ("GetItem", {"__type": "com.amazon.coral.service#SerializationException"}),
        ],
    )
    def test_a_refusal_reads_as_botocore_reads_it(
        self, operation: str, document: dict[str, Any]
    ) -> None:
        given = refused(document)

        parsed = read(given, URL)

        other = theirs(given, operation)
        for name in ("Error", "Item", "CancellationReasons", "ResponseMetadata"):
            assert parsed.get(name) == other.get(name)


class TestConnections:
    def test_a_connection_is_used_again(self, peer: Peer) -> None:
        peer.answers = [answer({"n": 1}), answer({"n": 2})]
        to = wire(peer.url)

        bodies = [to.send({"x-amz-target": "t"}, b"{}").body for _ in range(2)]

        assert bodies == [b'{"n": 1}', b'{"n": 2}']
        assert [one.connection for one in peer.requests] == [1, 1]

    def test_one_that_the_other_side_closed_is_not_used_again(self, peer: Peer) -> None:
        peer.answers, peer.closes_after = [answer({}), answer({})], (1,)
        to = wire(peer.url)
        to.send({}, b"{}")
        peer.closed.wait()

        assert to.send({}, b"{}").status == 200
        assert [one.connection for one in peer.requests] == [1, 2]

    def test_one_that_shall_be_closed_is_not_kept(self, peer: Peer) -> None:
        peer.answers = [answer({}, Connection="close"), answer({})]
        to = wire(peer.url)

        answers = [to.send({}, b"{}") for _ in range(2)]

        assert [one.status for one in answers] == [200, 200]
        assert [one.connection for one in peer.requests] == [1, 2]

    def test_nobody_listens(self, peer: Peer) -> None:
        to = wire(peer.url)
        peer.stop()

        with pytest.raises(EndpointConnectionError):
            to.send({}, b"{}")

    def test_no_answer_comes(self, peer: Peer) -> None:
        peer.answers = [SILENT, answer({})]
        to = wire(peer.url, read_seconds=0.05)

        with pytest.raises(ReadTimeoutError):
            to.send({}, b"{}")

        # An answer that came late is not taken for the next one's.
        assert to.send({}, b"{}").status == 200
        assert [one.connection for one in peer.requests] == [1, 2]

    @pytest.mark.parametrize("half", [CLOSES, answer({"key": "value"})[:-4], b"nonsense\r\n"])
    def test_the_answer_is_cut_off(self, peer: Peer, half: bytes) -> None:
        peer.answers, peer.closes_after = [half], (1,)

        with pytest.raises(ConnectionClosedError):
            wire(peer.url).send({}, b"{}")

    def test_a_header_of_two_lines_is_not_sent(self, peer: Peer) -> None:
        """Which a secret has whose file ends with a newline."""
        with pytest.raises(ValueError, match="more than one line"):
            wire(peer.url).send({"x-amz-security-token": "secret\n"}, b"{}")

        assert peer.requests == []

    def test_an_answer_in_chunks_is_read(self, peer: Peer) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        peer.answers = [head + b"2\r\n{}\r\n0\r\n\r\n", answer({"n": 2})]
        to = wire(peer.url)

        assert [to.send({}, b"{}").body for _ in range(2)] == [b"{}", b'{"n": 2}']

    def test_the_names_of_headers_are_in_lower_case(self, peer: Peer) -> None:
        peer.answers = [answer({}, X_Amzn_RequestId="r")]

        assert wire(peer.url).send({}, b"{}").headers["x-amzn-requestid"] == "r"


class TestTrust:
    @pytest.fixture
    def secret_peer(self, tmp_path: Path) -> Iterator[Peer]:
        made = Peer(certificate=certificate(tmp_path))
        yield made
        made.stop()

    def test_a_certificate_nobody_vouches_for_is_refused(self, secret_peer: Peer) -> None:
        with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            wire(secret_peer.url).send({}, b"{}")

        assert secret_peer.requests == []

    def test_one_that_is_trusted_is_taken(self, secret_peer: Peer) -> None:
        secret_peer.answers = [answer({"n": 1}), answer({"n": 2})]
        assert secret_peer.certificate is not None
        to = wire(secret_peer.url, trusted=str(secret_peer.certificate[0]))

        bodies = [to.send({}, b"{}").body for _ in range(2)]

        assert bodies == [b'{"n": 1}', b'{"n": 2}']
        assert [one.connection for one in secret_peer.requests] == [1, 1]


def theirs(given: Answer, operation: str) -> dict[str, Any]:
    """What botocore makes of an answer."""
    parser = create_parser("json")
    parsed = parser.parse(
        {
            "status_code": given.status,
            "headers": dict(given.headers),
            "body": given.body,
            "context": {"operation_name": operation},
        },
        SERVICE.operation_model(operation).output_shape,
    )
    if given.status >= 400:
        code = parsed["Error"]["Code"]
        for shape in SERVICE.operation_model(operation).error_shapes:
            if shape.name == code:
                parsed |= parser.parse(
                    {"status_code": 200, "headers": {}, "body": given.body, "context": {}}, shape
                ) | {"ResponseMetadata": parsed["ResponseMetadata"]}
    metadata = parsed["ResponseMetadata"]
    metadata["RetryAttempts"] = 0
    metadata.setdefault("RequestId", "")
    return parsed


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peer")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return public, private
