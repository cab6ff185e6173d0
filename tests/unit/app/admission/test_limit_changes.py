"""Changes of one limit at the same moment: each sees the one before it, and the audit says what was so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.manifests import step_doc
from tests.unit.app.world import World
from tidegate.app.admission import limits
from tidegate.app.services import Services
from tidegate.domain.pause import Setting
from tidegate.domain.rate import Rate
from tidegate.domain.settings import Settings

Change = Callable[[Services], None]
RATE = Rate(limit=1, per=timedelta(minutes=1))

CHANGES: dict[str, Change] = {
    "pause": lambda services: limits.pause(services, "pool/db"),
    "set": lambda services: limits.set_limit(services, "pool/db", 7),
    "rate": lambda services: limits.set_limit(services, "pool/db", rate=RATE),
}


@pytest.fixture
def tg(world: Callable[..., World]) -> World:
    made = world(Settings(pools={"db": 3}), job=[step_doc("only", pools={"db": 1})])
    limits.set_limit(made.services, "pool/db", 3)
    return made


def before_the_write(tg: World, then: Change) -> None:
    """Have ``then`` done between the next change's look at the limit and its write."""
    store: Any = tg.store.admission
    write = store.set_limit

    def late(*args: Any, **kwargs: Any) -> bool:
        store.set_limit = write
        then(tg.services)
        made: bool = write(*args, **kwargs)
        return made

    store.set_limit = late


@pytest.mark.parametrize("second", CHANGES)
@pytest.mark.parametrize("first", CHANGES)
def test_of_two_changes_at_once_neither_undoes_the_other(
    tg: World, first: str, second: str
) -> None:
    before_the_write(tg, CHANGES[second])

    CHANGES[first](tg.services)

    both = {first, second}
    setting = limits.setting(tg.services, "pool/db")
    assert setting == Setting(
        capacity=7 if "set" in both else 3,
        rate=RATE if "rate" in both else None,
        source="override",
        is_paused="pause" in both,
    )


def test_the_audit_says_of_both_what_was_before_and_after_them(tg: World) -> None:
    before_the_write(tg, CHANGES["pause"])

    CHANGES["set"](tg.services)

    changes = limits.history(tg.services, "pool/db", limit=10, cursor=None)["changes"]
    said = {
        one["action"]: one for one in changes if one["before"] and one["before"]["capacity"] == 3
    }
    assert said["pause"]["after"] == said["set"]["before"]
    assert (said["set"]["after"]["capacity"], said["set"]["after"]["paused"]) == (7, True)


def test_a_request_whose_answer_was_lost_is_made_once(tg: World) -> None:
    limits.set_limit(tg.services, "pool/db", 5, change_id="mine")
    limits.set_limit(tg.services, "pool/db", 9)

    limits.set_limit(tg.services, "pool/db", 5, change_id="mine")

    setting = limits.setting(tg.services, "pool/db")
    assert setting is not None
    assert setting.capacity == 9
