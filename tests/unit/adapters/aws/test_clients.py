"""Clients, and what their errors mean."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from tidegate.adapters.aws.clients import answered, client, forget_clients
from tidegate.errors import DeploymentError, ThrottledError, TidegateError, UnavailableError


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    forget_clients()
    yield "eu-west-1"
    forget_clients()


def refusal(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": "because"},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "Operation",
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal("ThrottlingException"), ThrottledError),
        (refusal("SlowDown", 503), ThrottledError),
        (refusal("TooManyRequestsException", 429), ThrottledError),
        (refusal("ExecutionLimitExceeded"), ThrottledError),
        (refusal("InternalError", 500), UnavailableError),
        (refusal("502", 502), UnavailableError),
        (EndpointConnectionError(endpoint_url="x"), UnavailableError),
        (ReadTimeoutError(endpoint_url="x"), UnavailableError),
        (refusal("AccessDeniedException"), DeploymentError),
        (refusal("NoSuchBucket", 404), DeploymentError),
    ],
)
def test_an_error_says_whether_to_try_again(error: Exception, kind: type[TidegateError]) -> None:
    with pytest.raises(TidegateError) as raised, answered("Doing it", mend="Look there."):
        raise error

    assert type(raised.value) is kind
    assert str(raised.value).startswith("Doing it failed: ")


def test_a_refusal_says_what_to_do() -> None:
    with (
        pytest.raises(DeploymentError, match=r"Look there\.$"),
        answered("Doing it", mend="Look there."),
    ):
        raise refusal("AccessDeniedException")


def test_an_error_of_ours_passes_through() -> None:
    with pytest.raises(KeyError), answered("Doing it"):
        raise KeyError("mine")


def test_a_service_has_one_client_whichever_thread_asks_first(region: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: client("events"), range(16)))

    assert len({id(one) for one in made}) == 1
    assert made[0].meta.region_name == region


def test_forgotten_clients_are_made_anew(region: str) -> None:
    before = client("events")

    forget_clients()

    assert client("events") is not before
