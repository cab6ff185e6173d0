"""Rows of claims stay small: each write of one is charged by the KB of all of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.adapters.dynamodb.admission_rows import claim_row
from tidegate.domain.claim import Claim, ClaimState, Want
from tidegate.domain.fairness import Share
from tidegate.domain.rate import Rate
from tidegate.domain.run import run_claim_id, step_claim_id

NOW = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
RUN = "01997f3a-7c4e-7d7f-9a44-2f0f0d6d8c11"

STEP = Claim(
    claim_id=step_claim_id(RUN, 4021, 2),
    wants=(Want(limit="pool/warehouse_connections", capacity=12),),
    enqueued_at=NOW,
    launch={"kind": "step", "run_id": RUN, "index": 4021, "attempt": 2},
)
STEP_WITHIN = replace(
    STEP,
    wants=(*STEP.wants, Want(limit=f"run/{RUN}", capacity=8), Want(limit=f"run/{RUN}/tag/size=l")),
)
WHOLE_RUN = Claim(
    claim_id=run_claim_id(RUN),
    wants=(
        Want(limit="runs", capacity=50, rate=Rate(limit=100, per=timedelta(minutes=1), burst=20)),
        Want(limit="job/nightly_customer_reports", capacity=4),
        Want(limit="location/analytics", capacity=20),
        Want(limit="run-tag/team=marketing", capacity=10),
        Want(limit="pool/warehouse_connections", capacity=12),
    ),
    enqueued_at=NOW,
    fair=Share(limit="runs", value="marketing", weight=2),
    launch={"kind": "run", "run_id": RUN, "first": 0},
)


def size_of(item: dict[str, Any]) -> int:
    """As DynamoDB counts: names, and the bytes of text and binary; other values here take 21 at most."""
    return sum(
        len(name) + (21 if set(value) - {"S", "B"} else len(next(iter(value.values()))))
        for name, value in item.items()
    )


@pytest.mark.parametrize("claim", [STEP, STEP_WITHIN, WHOLE_RUN], ids=["step", "within", "run"])
def test_a_claim_that_was_handed_on_takes_one_write_unit(claim: Claim) -> None:
    heir = run_claim_id("01997f3a-7c4e-7d7f-9a44-2f0f0d6d8c12")
    waited = replace(claim, waiting_on=claim.wants[0].limit, waiting_since=NOW)
    row = claim_row(replace(waited, state=ClaimState.HELD, granted_at=NOW))
    row.expires_at = NOW
    row.handed_to = {heir}

    assert size_of({**row.serialize(), "handed_to": {"S": heir}}) < 1024


def test_a_claim_says_by_one_name_what_it_wants() -> None:
    one, within, run = (claim_row(claim).queue for claim in (STEP, STEP_WITHIN, WHOLE_RUN))
    turned = claim_row(replace(WHOLE_RUN, wants=WHOLE_RUN.wants[::-1])).queue
    more = claim_row(replace(STEP, wants=(Want(limit=STEP.wants[0].limit, units=2),))).queue

    assert one == "pool/warehouse_connections"
    assert turned == run
    assert len({one, within, run, more}) == 4
    assert max(len(name) for name in (within, run, more)) == len("several/") + 32
