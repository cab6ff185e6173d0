"""What moto 5.2.5 gets wrong, repaired: one module each, with what moto does, what AWS does, and when the repair can go.

Each has a test in ``tests/contract`` that shows that the repair works, and that moto still needs it.
"""

from __future__ import annotations

from tidegate.local.repairs import (
    dynamodb_expressions,
    dynamodb_lock,
    dynamodb_queries,
    dynamodb_transactions,
    dynamodb_updates,
    eventbridge_targets,
    s3_kept,
)
from tidegate.local.repairs.patch import Repair

ALL: tuple[Repair, ...] = (
    dynamodb_lock.REPAIR,
    dynamodb_transactions.REPAIR,
    dynamodb_updates.REPAIR,
    dynamodb_queries.REPAIR,
    dynamodb_expressions.REPAIR,
    eventbridge_targets.REPAIR,
    s3_kept.REPAIR,
)


def install() -> None:
    """Put all repairs in place. A second time does nothing."""
    for repair in ALL:
        repair.install()


__all__ = ["ALL", "Repair", "install"]
