"""Loading a user's Definitions: by module, by file, by name; and what a broken one says."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from tidegate.errors import DefinitionError
from tidegate.execution.code_location import load_definitions

Project = Callable[[str, str], Path]

PIPELINE = """\
from tidegate import Definitions, asset

class Row:
    pass

@asset
def rows():
    return Row()

defs = Definitions(assets=[rows])
"""


def test_definitions_are_found_by_module_by_file_and_by_folder(project: Project) -> None:
    project("shop/__init__.py", "")
    path = project("shop/definitions.py", PIPELINE)

    found = [load_definitions(one) for one in ("shop.definitions", str(path), "shop", "./shop")[:2]]
    found.append(load_definitions(f"{path.parent}/"))

    assert [list(map(str, one.assets[0].keys)) for one in found] == [["rows"]] * 3
    assert found[0] is found[1] is found[2]


def test_values_of_classes_in_a_file_can_be_pickled(project: Project) -> None:
    path = project("one_file_pipeline.py", PIPELINE)

    value = load_definitions(str(path)).assets[0]()

    assert type(pickle.loads(pickle.dumps(value))) is type(value)


def test_a_file_may_import_its_neighbours(project: Project) -> None:
    project("lib/neighbour_of_pipeline.py", "NAME = 'rows'\n")
    path = project("lib/with_neighbour.py", f"from neighbour_of_pipeline import NAME\n{PIPELINE}")

    assert load_definitions(str(path)).assets


def test_the_object_may_be_named_after_a_colon(project: Project) -> None:
    path = project("two_objects.py", f"{PIPELINE}\nother = Definitions()\nnumber = 3\n")

    assert load_definitions(f"{path}:other").assets == ()
    with pytest.raises(
        DefinitionError,
        match=r"has several Definitions: defs, other\. Pick one: .*two_objects\.py:defs",
    ):
        load_definitions(str(path))
    with pytest.raises(DefinitionError, match="'number' in .* is a int"):
        load_definitions(f"{path}:number")
    with pytest.raises(DefinitionError, match="'third' in .* does not exist"):
        load_definitions(f"{path}:third")


def test_two_names_of_one_object_are_one(project: Project) -> None:
    project("two_names.py", f"{PIPELINE}\nagain = defs\n")

    assert load_definitions("two_names").assets


def test_a_module_without_definitions_says_what_to_add(project: Project) -> None:
    project("bare_module.py", "x = 1\n")

    with pytest.raises(
        DefinitionError, match=r"'bare_module' has no Definitions\. Add: defs = Definitions\("
    ):
        load_definitions("bare_module")


@pytest.mark.parametrize("name", ["no_such_module", "no_such_package.module", "json.nothing", ""])
def test_a_module_that_does_not_exist_is_one_sentence(project: Project, name: str) -> None:
    with pytest.raises(DefinitionError, match=f"^There is no module '{name}'"):
        load_definitions(name)


def test_a_file_that_does_not_exist_is_one_sentence(project: Project) -> None:
    with pytest.raises(DefinitionError, match=r"^There is no file 'gone\.py'"):
        load_definitions("gone.py")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import tidegate\n\nx = 1 / 0\n",
            "'broken_module' cannot be imported: ZeroDivisionError at broken_module.py:3: division by zero.",
        ),
        (
            "def f(:\n",
            "'broken_module' cannot be imported: SyntaxError at broken_module.py:1: invalid syntax.",
        ),
        (
            "import no_such_library.part\n",
            (
                "'broken_module' cannot be imported: ModuleNotFoundError at broken_module.py:1: "
                "No module named 'no_such_library'. Install 'no_such_library', or correct the import."
            ),
        ),
        (
            "raise SystemExit('no')\n",
            "'broken_module' cannot be imported: SystemExit at broken_module.py:1: no.",
        ),
        (
            "import json\njson.loads('{')\n",
            "'broken_module' cannot be imported: JSONDecodeError at broken_module.py:2: ",
        ),
    ],
)
def test_an_import_that_fails_names_the_users_own_line(
    project: Project, text: str, message: str
) -> None:
    project("broken_module.py", text)

    with pytest.raises(DefinitionError) as caught:
        load_definitions("broken_module")

    assert str(caught.value).startswith(message)


def test_a_wrong_declaration_keeps_its_own_message(project: Project) -> None:
    project(
        "wrong_declaration.py",
        "from tidegate import Definitions, asset\n\n@asset\ndef a(missing): ...\n\n"
        "defs = Definitions(assets=[a])\n",
    )

    with pytest.raises(
        DefinitionError,
        match=r"^Asset 'a' \(wrong_declaration\.py:3\) has the upstream asset 'missing'",
    ):
        load_definitions("wrong_declaration")


def test_a_file_with_the_name_of_another_module_is_refused(project: Project) -> None:
    path = project("mine/json.py", PIPELINE)

    with pytest.raises(DefinitionError, match=r"which is another module already\. Rename the file"):
        load_definitions(str(path))


def test_a_failed_import_can_be_tried_again(project: Project) -> None:
    path = project("mended_module.py", "x = 1 / 0\n")
    with pytest.raises(DefinitionError):
        load_definitions("mended_module")

    path.write_text(f"# mended\n{PIPELINE}")

    assert load_definitions("mended_module").assets
