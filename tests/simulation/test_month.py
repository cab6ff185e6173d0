"""Days of simulated time with random faults, deploys, retries and cancels end with nothing left over."""

from __future__ import annotations

import pytest

from tests.simulation.month import Month


class WithoutSweep(Month):
    def _tick(self) -> None:
        """Nobody looks."""


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_leaks_whatever_fails(seed: int) -> None:
    month = Month(seed=seed, runs=100, days=2, rate=0.02)

    month.play()

    assert month.wrong() == []
    assert month.trouble.struck.total() > 200
    assert month.counts["functions died"] > 100
    print(f"seed {seed}: {dict(month.counts)}; the sweep repaired {dict(month.repairs)}")


def test_the_same_seed_is_the_same_month() -> None:
    first, second = (Month(seed=3, runs=20, days=1, rate=0.02) for _ in range(2))

    first.play()
    second.play()

    assert first.trouble.struck == second.trouble.struck
    assert first.runs == second.runs
    assert first.counts == second.counts


def test_without_the_sweep_it_would_leak() -> None:
    month = WithoutSweep(seed=1, runs=100, days=2, rate=0.02)

    month.play()

    assert month.wrong() != []
