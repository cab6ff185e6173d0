"""Executors: what jobs say of how many steps run at once."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import (
    DefinitionError,
    Definitions,
    asset,
    define_asset_job,
    in_process_executor,
    job,
    multi_or_in_process_executor,
    multiprocess_executor,
    op,
)
from tidegate.manifest.compiler import compile_manifest

THREE = multiprocess_executor.configured({"max_concurrent": 3})


@op
def work() -> None: ...


@asset
def thing() -> None: ...


def jobs_of(defs: Definitions) -> Any:
    return compile_manifest(defs, location="here", code_version="1").document["jobs"]


def op_job(**arguments: Any) -> Any:
    @job(**arguments)
    def work_job() -> None:
        work()

    return work_job


@pytest.mark.parametrize(
    ("executor", "document", "most"),
    [
        (multiprocess_executor, {"multiprocess": {}}, None),
        (THREE, {"multiprocess": {"max_concurrent": 3}}, 3),
        (in_process_executor, {"in_process": {}}, None),
        (multi_or_in_process_executor, {"multiprocess": {}}, None),
        (
            multi_or_in_process_executor.configured({"multiprocess": {"max_concurrent": 2}}),
            {"multiprocess": {"max_concurrent": 2}},
            2,
        ),
        (
            multi_or_in_process_executor.configured({"in_process": {}}),
            {"in_process": {}},
            None,
        ),
    ],
)
def test_the_executor_of_a_job_is_in_the_manifest(
    executor: Any, document: dict[str, Any], most: int | None
) -> None:
    found = jobs_of(Definitions(jobs=[op_job(executor_def=executor)]))["work_job"]

    assert (found["executor"], found["max_concurrent"]) == (document, most)


def test_an_asset_job_has_one_too() -> None:
    things = define_asset_job("things", executor_def=THREE)

    found = jobs_of(Definitions(assets=[thing], jobs=[things]))["things"]

    assert found["executor"] == {"multiprocess": {"max_concurrent": 3}}


def test_the_executor_of_the_definitions_is_that_of_jobs_without_one() -> None:
    defs = Definitions(
        assets=[thing],
        jobs=[op_job(), define_asset_job("own", executor_def=in_process_executor)],
        executor=THREE,
    )

    found = jobs_of(defs)

    assert {name: one["max_concurrent"] for name, one in found.items()} == {
        "work_job": 3,
        "own": None,
        "__ASSET_JOB": 3,
    }


def test_a_job_without_an_executor_says_nothing_of_one() -> None:
    assert "executor" not in jobs_of(Definitions(jobs=[op_job()]))["work_job"]


def test_the_config_of_a_job_wins_over_its_executor() -> None:
    config = {"execution": {"config": {"max_concurrent": 5}}}

    found = jobs_of(Definitions(jobs=[op_job(config=config, executor_def=THREE)]))["work_job"]

    assert found["max_concurrent"] == 5


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: op_job(executor_def="in_process"), "executor_def='in_process'"),
        (lambda: Definitions(executor=3), "executor_def=3"),  # type: ignore[arg-type]
        (lambda: multiprocess_executor.configured({"max_concurrent": -1}), "max_concurrent=-1"),
        (lambda: multiprocess_executor.configured({"most": 1}), "unknown key 'most'"),
        (lambda: multiprocess_executor.configured(3), "is configured with 3"),  # type: ignore[arg-type]
        (
            lambda: in_process_executor.configured({"max_concurrent": 2}),
            "unknown key 'max_concurrent'",
        ),
        (
            lambda: multi_or_in_process_executor.configured({"max_concurrent": 2}),
            "is configured with",
        ),
        (
            lambda: Definitions.merge(
                Definitions(executor=THREE), Definitions(executor=in_process_executor)
            ),
            "Two of the merged Definitions have an executor",
        ),
    ],
)
def test_what_is_no_executor_is_refused(make: Any, says: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        make()

    assert says in str(caught.value)
