"""Each change of a limit is in the audit, once."""

from __future__ import annotations

from tests.integration.limits.concurrency import pools
from tests.integration.limits.jobs import Deploy, defs


def test_each_change_of_a_limit_says_who_from_what_to_what_and_when(deploy: Deploy) -> None:
    tg = deploy(defs, settings={"concurrency": pools(db=2)})
    tg.advance(seconds=1)
    tg.call("limits.set", key="pool/db", capacity=5, by="ada")
    tg.advance(seconds=1)
    tg.call("limits.pause", key="pool/db", by="bob")
    tg.advance(seconds=1)
    tg.deploy_settings({"concurrency": pools(db=7)})
    tg.advance(seconds=1)
    tg.call("limits.resume", key="pool/db")

    changes = tg.call("limits.history", key="pool/db")["changes"]

    seen = [
        (one["action"], one["by"], (one["before"] or {}).get("capacity"), one["after"]["capacity"])
        for one in changes
    ]
    assert seen == [
        ("resume", "api", 7, 7),
        ("settings", "settings", 5, 7),
        ("pause", "bob", 5, 5),
        ("set", "ada", 2, 5),
        ("settings", "settings", None, 2),
    ]
    assert [one["after"]["paused"] for one in changes] == [False, True, True, False, False]
    assert [one["at"][17:19] for one in changes] == ["04", "03", "02", "01", "00"]
    assert all(one["done"] for one in changes)


def test_a_repeated_request_is_one_change_and_undoes_none_that_came_between(
    deploy: Deploy,
) -> None:
    tg = deploy(defs)
    tg.call("limits.set", key="pool/db", capacity=5, change_id="first")
    tg.advance(seconds=1)
    tg.call("limits.set", key="pool/db", capacity=7, change_id="second")

    tg.call("limits.set", key="pool/db", capacity=5, change_id="first")

    assert tg.limits["pool/db"].capacity == 7
    changes = tg.call("limits.history", key="pool/db")["changes"]
    assert [one["id"] for one in changes] == ["second", "first"]


def test_a_deploy_of_the_same_settings_changes_and_says_nothing(deploy: Deploy) -> None:
    settings = {"concurrency": pools(db=2)}
    tg = deploy(defs, settings=settings)
    tg.set_limit("pool/db", 5)

    tg.deploy_settings(settings)

    assert tg.limits["pool/db"].capacity == 5
    assert len(tg.call("limits.history", key="pool/db")["changes"]) == 2
