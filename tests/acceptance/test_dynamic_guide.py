"""What docs/dynamic.md shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

from tidegate.testing import LocalDeployment

GUIDE = (Path(__file__).parents[2] / "docs" / "dynamic.md").read_text()


def guide() -> dict[str, object]:
    (source,) = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
    module = ModuleType("guide")
    exec(compile(source, "dynamic.md", "exec"), module.__dict__)  # noqa: S102
    return module.__dict__


def test_the_steps_of_the_guide_are_those_it_names_and_collect_what_it_says() -> None:
    with LocalDeployment(guide()["defs"]) as tg:  # type: ignore[arg-type]
        run_id = tg.submit("nightly")
        tg.settle()

        run = tg.run(run_id)
        names = [
            f"{step}[{key}]" for step in ("load", "double") for key in ("north", "south", "west")
        ]
        assert run.status == "SUCCESS"
        assert list(run.steps) == ["files", *names, "report"]
        assert tg.output(run_id, "report") == 24
        assert [tg.output(run_id, name) for name in names[3:]] == [14, 10, 0]


def test_one_process_answers_values_by_mapping_key() -> None:
    result = guide()["nightly"].execute_in_process()  # type: ignore[attr-defined]

    assert result.output_for_node("load") == {"north": 7, "south": 5, "west": 0}
    assert result.output_for_node("load[north]") == 7
