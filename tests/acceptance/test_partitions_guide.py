"""What docs/partitions.md and docs/backfills.md show is what happens."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import tidegate
from tidegate.testing import LocalDeployment

DOCS = Path(__file__).parents[2] / "docs"


def code(name: str) -> str:
    (source,) = re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(), flags=re.DOTALL)
    return str(source)


def guide(*names: str) -> dict[str, Any]:
    module = ModuleType("guide")
    for name in names:
        exec(compile(code(name), name, "exec"), module.__dict__)  # noqa: S102
    return module.__dict__


def test_a_month_of_the_guide_adds_up_its_days() -> None:
    with LocalDeployment(guide("partitions.md")["defs"]) as tg:
        tg.backfill("sales+", range=("2025-02-01", "2025-02-28"))
        tg.settle()

        assert tg.value("monthly_sales", partition="2025-02-01") == 28


def test_the_test_of_the_guide_passes() -> None:
    guide("partitions.md", "backfills.md")["test_two_months_are_made"]()


def test_the_names_of_the_guide_exist() -> None:
    text = (DOCS / "partitions.md").read_text()

    names = set(re.findall(r"\b\w+Partition(?:s|Mapping)\w*\b(?=\()", text))

    assert names
    assert names <= set(tidegate.__all__)
