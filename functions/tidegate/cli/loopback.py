"""Invoke a function of a ``tidegate dev`` over HTTP, as boto3 would. Importing boto3 takes longer than the call."""

from __future__ import annotations

import http.client
import io
from typing import Any
from urllib.parse import quote, urlsplit

TIMEOUT = 65.0
# The server reads which service is meant from the scope of the signature, and checks no signature.
_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=local/20260101/{region}/lambda/aws4_request, "
    "SignedHeaders=host, Signature=0"
)


class LoopbackLambda:
    """As much of boto3's Lambda client as the CLI needs."""

    def __init__(self, endpoint: str, *, region: str) -> None:
        self._address = urlsplit(endpoint)
        self._region = region

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        """Raises:
        OSError, http.client.HTTPException, ValueError: nobody answers there, or not like Lambda.
        """
        secure = self._address.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._address.hostname or "", self._address.port, timeout=TIMEOUT)
        try:
            connection.request(
                "POST",
                f"/2015-03-31/functions/{quote(FunctionName, safe='')}/invocations",
                body=Payload,
                headers={
                    "Authorization": _AUTHORIZATION.format(region=self._region),
                    "Content-Type": "application/json",
                },
            )
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise ValueError(f"{response.status}: {body[:200].decode(errors='replace')}")
        answer: dict[str, Any] = {"StatusCode": response.status, "Payload": io.BytesIO(body)}
        failed = response.getheader("X-Amz-Function-Error")
        return answer | ({"FunctionError": failed} if failed else {})
