"""What the README shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

from tidegate.testing import LocalDeployment

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), flags=re.DOTALL)


def pipeline(tmp_path: Path) -> Any:
    """The README's pipeline as a module of its own, as a user would save it."""
    from tidegate.execution.code_location import load_definitions

    path = tmp_path / f"{tmp_path.name}_pipeline.py"  # a name is imported once in a process
    path.write_text(blocks("python")[0])
    return load_definitions(str(path))


def test_the_pipeline_of_the_readme_runs(tmp_path: Path) -> None:
    with LocalDeployment(pipeline(tmp_path)) as tg:
        run_id = tg.materialize("*")
        tg.settle()

        assert tg.run(run_id).status == "SUCCESS"
        assert tg.value("report") == b"4 years"


def test_the_test_of_the_readme_passes(tmp_path: Path) -> None:
    module = ModuleType("readme_test")
    module.__dict__["defs"] = pipeline(tmp_path)
    exec(compile(blocks("python")[1], "README.md", "exec"), module.__dict__)  # noqa: S102

    module.__dict__["test_two_runs_share_the_pool"]()


def test_the_settings_of_the_readme_are_valid(tmp_path: Path) -> None:
    from tidegate.settings_file import load_settings

    path = tmp_path / "tidegate.yaml"
    path.write_text(blocks("yaml")[0])

    settings = load_settings(path, {})

    assert settings.pools == {"warehouse": 1}
    assert [rule.limit for rule in settings.tag_limits] == [4, 3]


def test_the_targets_the_readme_names_exist() -> None:
    makefile = (README.parent / "Makefile").read_text() + (
        README.parent / "infra" / "synth.mk"
    ).read_text()

    for target in set(re.findall(r"`?make (\w+)", README.read_text())):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_pages_the_readme_links_to_exist() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README.read_text()):
        assert (README.parent / link).exists(), link
