"""DynamoDB operations one at a time.

moto: no operation is atomic. With 16 threads ``ADD v 1`` loses increments and ``in_use < :limit`` lets too many pass.
AWS: every operation on an item is atomic, every transaction isolated.
Can go when moto's ``DynamoHandler`` takes a lock of its own.
"""

from __future__ import annotations

import threading
from typing import Any

from moto.dynamodb.responses import DynamoHandler

from tidegate.local.repairs.patch import Repair

LOCK = threading.RLock()
"""Held during each operation."""

_call_action = DynamoHandler.call_action


def _locked_call_action(self: DynamoHandler) -> Any:
    with LOCK:
        return _call_action(self)


REPAIR = Repair("dynamodb lock", (DynamoHandler, "call_action", _locked_call_action))
