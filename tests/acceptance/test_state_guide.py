"""``docs/state.md`` names every kind of row and every prefix that runs leave behind."""

from __future__ import annotations

import re
from pathlib import Path

from tidegate import (
    Definitions,
    Ecs,
    OpExecutionContext,
    StaticPartitionsDefinition,
    asset,
    job,
    op,
)
from tidegate.adapters.dynamodb.table import all_tables
from tidegate.testing import LocalDeployment

GUIDE = Path(__file__).parents[2] / "docs" / "state.md"
SETTINGS = {
    "concurrency": {
        "runs": {
            "max_concurrent_runs": 2,
            "tag_concurrency_limits": [
                {"key": "team", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
            ],
        },
        "pools": {"limits": {"press": 1}},
    }
}


@op
def collect(context: OpExecutionContext) -> int:
    for number in range(1_000):
        context.log.info("line %d %s", number, "x" * 50)
    return 3


@op(pool="press")
def print_(number: int) -> int:
    return number


@job
def report() -> None:
    print_(collect())


@asset(compute=Ecs(cpu=256, memory=512))
def tide() -> int:
    return 7


@asset(partitions_def=StaticPartitionsDefinition(["north", "south"]))
def shore() -> int:
    return 1


defs = Definitions(jobs=[report], assets=[tide, shore])


def patterns(column: int, heading: str) -> list[tuple[str, re.Pattern[str]]]:
    """First cell, and the cell of a column as a pattern, of the table under a heading."""
    text = GUIDE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    return [
        (
            row[0].strip(" `"),
            re.compile(re.sub(r"<\w+>", ".+", row[column].replace("`", "").strip())),
        )
        for row in rows
    ]


def test_every_row_and_object_of_some_runs_is_in_the_guide() -> None:
    with LocalDeployment(defs, settings=SETTINGS, step_seconds=60) as tg:
        tg.set_limit("pool/press", 0)
        for _ in range(3):
            tg.submit("report", tags={"team": "sea"})
        tg.materialize("tide")
        for _ in range(2):
            tg.materialize("shore", partition_key="north")
        tg.advance(minutes=10)
        rows = [
            (type(row).name, f"{row.pk} / {row.sk}") for one in all_tables() for row in one.scan()
        ]
        aws = tg._deployment.aws
        listed = aws.client("s3").list_objects_v2(Bucket=aws.bucket)["Contents"]
    keys = [one["Key"] for one in listed]

    known_rows, prefixes = (
        patterns(1, "Tables"),
        [one for one, _ in patterns(1, "Objects of the data bucket")],
    )

    unknown = [
        row for row in rows if not any(row[0] == t and p.fullmatch(row[1]) for t, p in known_rows)
    ]
    assert unknown == []
    assert [key for key in keys if not key.startswith(tuple(prefixes))] == []
    assert {row[0] for row in rows} >= {"runs", "admission", "events", "assets", "audit"}
    assert {key.split("/")[0] for key in keys} >= {"assets", "runs", "reports", "logs", "control"}
