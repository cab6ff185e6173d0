"""Steps mapped over a dynamic output, on memory: which there are, when each begins, and what collects them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.app.manifests import KEYS, collecting, fan_out, mapped, source, step_doc
from tests.unit.app.seen import begun
from tidegate.app.api.query import run_status, show_run
from tidegate.app.runs.planning import plan_of
from tidegate.app.steps.complete import complete
from tidegate.domain.mapping import mapped_number
from tidegate.domain.plan import JOIN_WIDTH
from tidegate.domain.settings import Settings

Make = Callable[..., Any]

SETTINGS = Settings(max_concurrent_runs=1, pools={"db": 2})


def test_each_value_has_steps_of_its_own_and_is_collected_in_order(world: Make) -> None:
    tg = world(SETTINGS, fan=fan_out())
    tg.keys["source"] = KEYS

    run_id = tg.submit("fan")
    tg.settle()

    assert tg.status(run_id) == "SUCCESS"
    assert tg.statuses(run_id) == dict.fromkeys(
        ["aside", "source"]
        + [f"first[{key}]" for key in KEYS]
        + [f"second[{key}]" for key in KEYS]
        + ["foot", "count"],
        "SUCCESS",
    )
    assert sorted(tg.ran) == sorted(tg.statuses(run_id))
    (foot,), (count,) = begun(tg, "foot"), begun(tg, "count")
    assert foot["collected"] == {"0": KEYS}
    assert (count["collected"], count["missing"]) == ({"0": KEYS}, [])
    assert [one["mapping_key"] for one in begun(tg, "first")] == KEYS


def test_with_no_values_nothing_is_mapped_and_an_empty_list_is_collected(world: Make) -> None:
    tg = world(SETTINGS, fan=fan_out())
    tg.keys["source"] = []

    run_id = tg.submit("fan")
    tg.settle()

    assert tg.status(run_id) == "SUCCESS"
    assert list(tg.statuses(run_id)) == ["aside", "source", "foot", "count"]
    (foot,) = begun(tg, "foot")
    assert foot["collected"] == {"0": []}


def test_a_mapped_step_that_nothing_collects_ends_the_run_also_with_no_values(world: Make) -> None:
    tg = world(SETTINGS, fan=[source(), mapped("first", "source"), mapped("last", "first")])
    for keys in ([], ["a"], KEYS):
        tg.keys["source"] = keys

        run_id = tg.submit("fan", run_key=str(keys))
        tg.settle()

        assert tg.status(run_id) == "SUCCESS"
        assert len(tg.statuses(run_id)) == 1 + 2 * len(keys)


def test_a_failed_value_leaves_the_others_and_abandons_what_collects_them(world: Make) -> None:
    tg = world(SETTINGS, fan=fan_out())
    tg.keys["source"] = KEYS
    tg.failing.add("first[y]")

    run_id = tg.submit("fan")
    tg.settle()

    statuses = tg.statuses(run_id)
    assert {key for key, one in statuses.items() if one != "SUCCESS"} == {
        "first[y]",
        "second[y]",
        "foot",
    }
    assert (statuses["first[y]"], statuses["foot"]) == ("FAILURE", "SKIPPED")
    shown = {one["step"]: one for one in show_run(tg.services, run_id)["steps"]}
    assert shown["foot"]["reason"] == "upstream failed: second[y]"
    assert tg.store.runs.get(run_id).reason == "step failed: first[y]"


def test_values_that_were_not_made_are_left_out_of_what_is_collected(world: Make) -> None:
    steps = [
        source(),
        mapped("first", "source", required=False),
        mapped("second", "first"),
        collecting("foot", "first"),
    ]
    tg = world(SETTINGS, fan=steps)
    tg.keys["source"] = KEYS
    tg.withheld.add("first[y]")

    run_id = tg.submit("fan")
    tg.settle()

    assert tg.status(run_id) == "SUCCESS"
    assert tg.statuses(run_id)["second[y]"] == "SKIPPED"
    (foot,) = begun(tg, "foot")
    assert foot["collected"] == {"0": ["x", "z"]}


def test_when_no_value_was_made_at_all_what_collects_them_is_skipped(world: Make) -> None:
    steps = [source(), mapped("first", "source", required=False), collecting("foot", "first")]
    tg = world(SETTINGS, fan=steps)
    tg.keys["source"] = KEYS
    tg.withheld |= {f"first[{key}]" for key in KEYS}

    run_id = tg.submit("fan")
    tg.settle()

    assert tg.status(run_id) == "SUCCESS"
    assert tg.statuses(run_id)["foot"] == "SKIPPED"
    reasons = {one["step"]: one["reason"] for one in show_run(tg.services, run_id)["steps"]}
    assert reasons["foot"] == "not produced upstream: first"


@pytest.mark.parametrize(
    ("fails", "status", "reason"),
    [
        (False, "SUCCESS", "not produced upstream: source"),
        (True, "FAILURE", "upstream failed: source"),
    ],
)
def test_what_is_mapped_over_an_output_that_was_not_made_is_one_step_left_out(
    world: Make, fails: bool, status: str, reason: str
) -> None:
    tg = world(SETTINGS, fan=fan_out(required=False))
    (tg.failing if fails else tg.withheld).add("source")

    run_id = tg.submit("fan")
    tg.settle()

    shown = {one["step"]: one for one in show_run(tg.services, run_id)["steps"]}
    assert tg.status(run_id) == status
    assert [shown[key]["status"] for key in ("first[?]", "second[?]", "foot", "count")] == [
        "SKIPPED"
    ] * 4
    assert shown["first[?]"]["reason"] == shown["second[?]"]["reason"] == reason


def test_before_its_output_is_made_a_mapped_step_is_shown_as_one(world: Make) -> None:
    tg = world(SETTINGS, fan=fan_out())
    tg.keys["source"] = KEYS
    run_id = tg.submit("fan")
    tg.settle_wake_ups()

    before = run_status(tg.services, run_id)
    tg.settle()
    after = run_status(tg.services, run_id)

    assert (before["total"], before["counts"]) == (6, {"STARTED": 2, "PENDING": 4})
    assert (after["total"], after["counts"]) == (10, {"SUCCESS": 10})
    upstream = {one["step"]: one["upstream"] for one in show_run(tg.services, run_id)["steps"]}
    assert upstream["second[y]"] == ["aside", "first[y]"]
    assert upstream["foot"] == ["second"]


def test_an_outside_list_with_a_missing_value_reaches_every_mapped_step(world: Make) -> None:
    optional = {"name": "result", "required": False, "asset": None}
    parts = {"name": "parts", "sources": [("a", "result"), ("b", "result")], "fan_in": True}
    steps = [
        step_doc("a"),
        step_doc("b", outputs=[optional]),
        source(),
        mapped("first", "source", pools={"db": 1}),
    ]
    steps[3]["inputs"].append(parts)
    tg = world(SETTINGS, fan=steps)
    tg.keys["source"] = KEYS
    tg.withheld.add("b")

    run_id = tg.submit("fan")
    tg.settle()

    assert tg.status(run_id) == "SUCCESS"
    assert [one["missing"] for one in begun(tg, "first")] == [[2]] * 3


def test_two_dynamic_outputs_are_mapped_apart_whichever_is_made_first(world: Make) -> None:
    other = {**source(), "key": "other"}
    over = {**mapped("second", "other"), "mapped_over": ("other", "result")}
    steps = [source(), other, mapped("first", "source"), over]
    steps += [collecting("foot", "first"), collecting("hand", "second")]
    for order in (["source", "other"], ["other", "source"]):
        tg = world(SETTINGS, fan=steps)
        tg.keys |= {"source": ["a"], "other": ["b", "c"]}
        run_id = tg.submit("fan")
        tg.settle_wake_ups()
        names = {one["invocation"]["step"]: name for name, one in tg.launcher.started.items()}
        for step in order:
            tg.play(names[step])
        tg.settle()

        assert tg.status(run_id) == "SUCCESS"
        assert sorted(tg.ran) == sorted(
            ["source", "other", "first[a]", "second[b]", "second[c]", "foot", "hand"]
        )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"mapping_keys": {}}, "says nothing of the values of 'result'"),
        ({"mapping_keys": {"result": ["a"], "other": []}}, "mapping keys of 'other'"),
        ({"mapping_keys": {"result": ["a", "a"]}}, "the mapping key 'a' twice"),
        ({"mapping_keys": {"result": ["a/b"]}}, "'mapping_keys' is 'a/b'"),
        ({"mapping_keys": {"result": [3]}}, "'mapping_keys' is 3"),
        ({"mapping_keys": {"result": "abc"}}, "'mapping_keys' is 'abc'"),
        ({"mapping_keys": ["result"]}, "'mapping_keys' is ['result']"),
        ({"mapping_keys": {"result": [f"n{n}" for n in range(10_001)]}}, "10,001 values"),
    ],
)
def test_a_report_with_odd_mapping_keys_fails_the_step_with_the_reason(
    world: Make, change: dict[str, Any], says: str
) -> None:
    tg = world(SETTINGS, fan=[source(), mapped("first", "source")])
    tg.keys["source"] = KEYS
    run_id = tg.submit("fan")
    tg.settle_wake_ups()
    (name,) = tg.launcher.started
    outcome = dict(tg.outcome_of(name))
    outcome["result"] = {"report": {**outcome["result"]["report"], **change}}

    complete(tg.services, outcome)

    rows = tg.store.runs.steps(run_id)
    assert says in rows[0].reason
    assert tg.statuses(run_id) == {"source": "FAILURE", "first[?]": "SKIPPED"}


def test_a_thousand_values_with_a_pool_of_ten(world: Make) -> None:
    tg = world(Settings(pools={"db": 10}), fan=fan_out())
    keys = [f"n{number}" for number in range(1000)]
    tg.keys["source"] = keys
    tg.failing |= {f"first[{key}]" for key in keys[500:]}

    run_id = tg.submit("fan")
    tg.settle()

    run = tg.store.runs.get(run_id)
    plan = plan_of(tg.services, run)
    statuses = list(tg.statuses(run_id).values())
    assert plan.count == 2004
    assert (statuses.count("FAILURE"), statuses.count("SKIPPED")) == (500, 501)
    assert run.reason == "step failed: first"
    sizes = [
        len(json.dumps([sorted(one.arrived), sorted(one.failed), sorted(one.missing)]))
        for one in tg.store.runs._nodes.values()
    ]
    assert max(len(one.arrived) for one in tg.store.runs._nodes.values()) <= JOIN_WIDTH + 1
    assert max(sizes) < 2_000


def test_numbers_of_mapped_steps_are_known_before_any_value_is() -> None:
    declared, values = 7, 50

    numbers = [mapped_number(step, place, declared) for step in range(7) for place in range(values)]

    assert len({*numbers, *range(declared)}) == declared * (values + 1)
