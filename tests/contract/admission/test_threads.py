"""Sixteen threads at one limit, on every engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.contract.admission.claims import ClaimFactory, in_use
from tidegate.app.admission.engine import Admission
from tidegate.domain.claim import Claim, ClaimState
from tidegate.ports.admission import AdmissionStore


def test_sixteen_threads_never_exceed_a_limit_nor_lose_a_claim(
    admission: Admission, claim: ClaimFactory, store: AdmissionStore
) -> None:
    """Each claim is acquired, launched and released by whoever was told to launch it; all come through."""
    capacities = {"runs": 5, "pool/db": 2, "run-tag/team=a": 3}
    for key, capacity in capacities.items():
        admission.set_limit(key, capacity)
    shapes = [("runs",), ("runs", "pool/db"), ("runs", "run-tag/team=a"), ("pool/db",)]
    claims = [claim(f"c{number:03}", *shapes[number % 4], capacity=None) for number in range(64)]
    launches: list[str] = []
    over: list[str] = []

    def work(first: Claim) -> None:
        todo = list(admission.acquire(first).launch)
        while todo:
            one = todo.pop()
            launches.append(one.claim_id)
            admission.launched(one.claim_id)
            over.extend(key for key in capacities if in_use(admission, key) > capacities[key])
            todo += admission.release(one.claim_id)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, claims))

    assert over == []
    assert set(launches) == {one.claim_id for one in claims}
    assert {key: in_use(admission, key) for key in capacities} == dict.fromkeys(capacities, 0)
    assert [one for key in capacities for one in store.line(key, 9).entries] == []
    assert {one.state for one in store.claims(sorted(set(launches)))} == {ClaimState.DONE}


def test_of_sixteen_threads_that_will_not_wait_one_wins_and_the_others_name_it(
    admission: Admission, claim: ClaimFactory
) -> None:
    claims = [claim(f"c{number:02}", "job/nightly") for number in range(16)]

    with ThreadPoolExecutor(16) as pool:
        grants = list(pool.map(admission.try_acquire, claims))

    (winner,) = (one.claim.claim_id for one in grants if one.claim.state is ClaimState.HELD)
    refused = [one.claim for one in grants if one.claim.state is ClaimState.DONE]
    assert len(refused) == 15
    assert {one.lost_to for one in refused} == {(winner,)}
