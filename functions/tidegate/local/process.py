"""The one ``mock_aws`` of this process. Entering and leaving it costs a tenth of a second for the next client, so it stays."""

from __future__ import annotations

import os

from moto.core.models import MockAWS
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table

from tidegate.local import repairs

ACCOUNT = "123456789012"

_SETTINGS = {
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",  # moto does not know the host names with an account id
    "AWS_EC2_METADATA_DISABLED": "true",
}
Tables = dict[str, Table]

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


def reset_moto() -> None:
    """Empty moto."""
    start_moto().reset()


def take_tables(region: str) -> Tables:
    """The DynamoDB tables of the region, for ``put_tables``."""
    return dict(dynamodb_backends[ACCOUNT][region].tables)


def put_tables(region: str, tables: Tables) -> None:
    """Tables taken before, without their items. Creating them anew takes moto fifty times as long."""
    for table in tables.values():
        table.items.clear()
    dynamodb_backends[ACCOUNT][region].tables.update(tables)
