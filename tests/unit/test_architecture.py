"""The rules that hold the layout together: which way imports point, and how large a module may grow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "functions" / "tidegate"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = ROOT / "tests"

FORBIDDEN_NAMES = {"utils.py", "helpers.py", "common.py", "base.py"}
MOST_LINES = 400
MOST_FUNCTION_LINES = 40


def test_imports_point_inwards() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_of_imports_would_notice(tmp_path: Path) -> None:
    """A contract over a package that breaks it must fail, or the test above proves nothing."""
    package = tmp_path / "gate"
    for name in ("domain", "adapters"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "domain" / "rule.py").write_text("import gate.adapters\n")
    (tmp_path / ".importlinter").write_text(
        "[importlinter]\nroot_package = gate\n\n"
        "[importlinter:contract:1]\nname = inwards\ntype = forbidden\n"
        "source_modules = gate.domain\nforbidden_modules = gate.adapters\n"
    )

    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_has_one_noun_and_stays_small(path: Path) -> None:
    source = path.read_text()

    assert path.name not in FORBIDDEN_NAMES
    assert len(source.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MOST_FUNCTION_LINES + _doc_lines(node), (
                f"{path.name}:{node.lineno} {node.name}"
            )


@pytest.mark.parametrize(
    "path", sorted(TESTS.rglob("*.py")), ids=lambda p: str(p.relative_to(TESTS))
)
def test_a_module_of_tests_stays_small_and_takes_nothing_from_another(path: Path) -> None:
    """What several modules of tests build upon is in a module named for what it holds."""
    source = path.read_text()

    assert path.name not in FORBIDDEN_NAMES
    assert len(source.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(source)):
        for module in _imported(node):
            of_tests = module.startswith("tests.")
            assert not (of_tests and re.search(r"\.(test_|conftest\b)", module)), module


def _imported(node: ast.AST) -> list[str]:
    """Full names of what an import names."""
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{one.name}" for one in node.names]
    return []


def _doc_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Docstrings do not count: a long one is no fault."""
    first = node.body[0]
    is_doc = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return (first.end_lineno or 0) - first.lineno + 1 if is_doc else 0


@pytest.mark.parametrize("path", sorted((PACKAGE / "domain").rglob("*.py")), ids=lambda p: p.name)
def test_domain_takes_time_ids_and_randomness_as_arguments(path: Path) -> None:
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }

    assert not calls & {
        "datetime.now",
        "datetime.utcnow",
        "uuid.uuid4",
        "random.random",
        "time.time",
    }


@pytest.mark.parametrize("path", sorted((PACKAGE / "handlers").glob("*.py")), ids=lambda p: p.name)
def test_handlers_are_thin(path: Path) -> None:
    if path.name in {"environment.py", "__init__.py"}:
        return

    assert len(path.read_text().splitlines()) <= 40


APP = [one for one in sorted((PACKAGE / "app").rglob("*.py")) if one.name != "planning.py"]
KNOWS_DECLARATIONS = {"advance.py", "claim.py"}
"""They look up steps by the number of a declaration, not by that of a row."""


@pytest.mark.parametrize("path", APP, ids=lambda p: p.name)
def test_the_plan_of_a_run_has_its_mapped_steps(path: Path) -> None:
    """``planning.plan_of`` and ``RunPlan.step`` know them; a manifest, and ``RunPlan.steps``, know declarations alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Subscript) and path.name not in KNOWS_DECLARATIONS:
            assert not ast.unparse(node.value).endswith(".steps"), f"line {node.lineno}"
        if isinstance(node, ast.Call) and path.name != "submit.py":
            assert not ast.unparse(node.func).endswith(".plan"), f"line {node.lineno}"
