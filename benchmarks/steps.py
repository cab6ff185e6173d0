"""One step, end to end: how long it takes locally, and what it would cost on AWS."""

from __future__ import annotations

from benchmarks.table import best, show
from tidegate import Definitions, job, op
from tidegate.local.role import Role
from tidegate.testing import LocalDeployment

# US East, on demand, 2026-09 (docs/performance.md gives the sources).
DOLLARS = {
    "transition": 0.025 / 1_000,
    "write_unit": 0.625 / 1_000_000,
    "read_unit": 0.125 / 1_000_000,
    "invocation": 0.20 / 1_000_000,
    "gb_second": 0.0000133334,
    "put": 0.005 / 1_000,
    "event": 1.0 / 1_000_000,
}
CONTROL_GB_SECONDS = 0.05 * 0.5
"""Of one control-plane invocation: 50 ms at 512 MB, assumed."""


@op
def one() -> int:
    return 1


@op
def add(number: int) -> int:
    return number + 1


@op(pool="db")
def pooled(number: int) -> int:
    return number + 1


def chain_of(length: int, step=add):  # type: ignore[no-untyped-def]
    @job(name=f"chain_{length}_{step.name}")
    def chain() -> None:
        value = one()
        for i in range(length - 1):
            value = step.alias(f"s{i}")(value)

    return chain


@job
def forty() -> None:
    value = one()
    for i in range(39):
        value = add.alias(f"s{i}")(value)


def main() -> None:
    forty.execute_in_process()
    show(
        "Steps without a deployment",
        ("what", "ms"),
        [
            (
                "40 ops by execute_in_process()",
                f"{best(forty.execute_in_process, times=9) * 1000:.0f}",
            )
        ],
    )
    jobs = [chain_of(1), chain_of(101), chain_of(101, pooled)]
    with LocalDeployment(
        Definitions(jobs=jobs), settings={"concurrency": {"pools": {"limits": {"db": 5}}}}
    ) as tg:
        _run(tg, jobs[0].name)
        short = best(lambda: _run(tg, jobs[0].name), times=5)
        rows = []
        for name, label in ((jobs[1].name, "a step"), (jobs[2].name, "a step in a pool")):
            seconds = best(lambda name=name: _run(tg, name), times=3)
            rows.append((label, f"{(seconds - short) / 100 * 1000:.1f}"))
        show("One more step of a chain, end to end, on moto, in process", ("what", "ms"), rows)
        show(
            "The bill of one more Lambda step of a chain",
            ("", "a step", "a step in a pool"),
            _bill(tg, jobs),
        )


def _run(tg: LocalDeployment, name: str) -> None:
    run_id = tg.submit(name)
    tg.settle()
    assert tg.run_status(run_id) == "SUCCESS"


def _counts(tg: LocalDeployment, name: str) -> dict[str, float]:
    deployment = tg._deployment
    calls, before = deployment.aws.calls, deployment.aws.step_functions.transitions
    calls.clear()
    _run(tg, name)
    control, user, states = (calls.of(role) for role in (Role.CONTROL, Role.USER, Role.STATES))
    return {
        "DynamoDB calls": sum(
            n for (service, _), n in control.calls.items() if service == "dynamodb"
        ),
        "write units": control.write_units,
        "read units": control.read_units,
        "state transitions": deployment.aws.step_functions.transitions - before,
        "StartExecution calls": control.calls["stepfunctions", "StartExecution"],
        "Lambda invocations": states.calls["lambda", "Invoke"],
        "S3 puts (the value)": user.calls["s3", "PutObject"],
        "S3 gets (the value)": user.calls["s3", "GetObject"],
    }


def _bill(tg: LocalDeployment, jobs: list) -> list[tuple[str, str, str]]:  # type: ignore[type-arg]
    short, plain, pool = (_counts(tg, one.name) for one in jobs)
    columns = [{key: (full[key] - short[key]) / 100 for key in short} for full in (plain, pool)]
    rows = [(key, *(f"{one[key]:.2f}" for one in columns)) for key in short]
    rows.append(
        ("dollars, without the user's own seconds", *(f"{_dollars(one):.7f}" for one in columns))
    )
    rows.append(
        (
            "of that, state transitions",
            *(f"{one['state transitions'] * DOLLARS['transition']:.7f}" for one in columns),
        )
    )
    return rows  # type: ignore[return-value]


def _dollars(one: dict[str, float]) -> float:
    return (
        one["state transitions"] * DOLLARS["transition"]
        + one["write units"] * DOLLARS["write_unit"]
        + one["read units"] * DOLLARS["read_unit"]
        + one["Lambda invocations"] * DOLLARS["invocation"]
        + CONTROL_GB_SECONDS * DOLLARS["gb_second"]
        + one["S3 puts (the value)"] * DOLLARS["put"]
    )


if __name__ == "__main__":
    main()
