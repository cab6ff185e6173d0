"""The one ``mock_aws`` of this process. Entering and leaving it costs a tenth of a second for the next client, so it stays."""

from __future__ import annotations

import os

from moto.core.models import MockAWS
from moto.dynamodb.models import dynamodb_backends

from tidegate.local import repairs

ACCOUNT = "123456789012"

_SETTINGS = {
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",  # moto does not know the host names with an account id
    "AWS_EC2_METADATA_DISABLED": "true",
}
_mock: MockAWS | None = None


def start_moto() -> MockAWS:
    """Start moto with our repairs; a second time answers the same."""
    global _mock
    if _mock is None:
        repairs.install()
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        _mock = MockAWS()
        _mock.start()
    return _mock


def reset_moto(*, keep_tables: bool) -> None:
    """Empty moto. With ``keep_tables`` the DynamoDB tables stay, without their items: creating them takes longer."""
    mock = start_moto()
    kept = {
        (account, region): backend.tables
        for account, regions in dynamodb_backends.items()
        for region, backend in regions.items()
        if keep_tables
    }
    mock.reset()
    for (account, region), tables in kept.items():
        for table in tables.values():
            table.items.clear()
        dynamodb_backends[account][region].tables = tables
