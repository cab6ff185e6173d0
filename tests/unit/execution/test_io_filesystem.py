"""Values as files: replaced at once, never half-written, never of a mismatched format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tidegate import EnvVar, FilesystemIOManager, build_input_context, build_output_context
from tidegate.errors import ConfigError, OutputError
from tidegate.sdk.io import InputContext, OutputContext


def output(partition: str | None = None, key: Any = ("raw", "rows")) -> OutputContext:
    return build_output_context(asset_key=list(key), partition_key=partition, step_key="rows")


def given_input(partition: str | None = None, key: Any = ("raw", "rows")) -> InputContext:
    return build_input_context(asset_key=list(key), partition_key=partition)


@pytest.fixture
def manager(tmp_path: Path) -> FilesystemIOManager:
    return FilesystemIOManager(tmp_path)


def files(folder: Path) -> list[str]:
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())


def test_a_value_is_one_file_named_by_asset_partition_and_format(
    manager: FilesystemIOManager, tmp_path: Path
) -> None:
    context = output("2024-01-01")

    manager.handle_output(context, pd.DataFrame({"a": [1]}))

    assert files(tmp_path) == ["assets/raw/rows/2024-01-01.parquet"]
    path = tmp_path / "assets/raw/rows/2024-01-01.parquet"
    assert context.added["path"].value == str(path)
    assert pd.read_parquet(path).a.tolist() == [1]


def test_a_value_of_another_format_replaces_the_one_before(
    manager: FilesystemIOManager, tmp_path: Path
) -> None:
    for value in ({"a": 1}, (1, 2), b"raw", {"a": 2}):
        manager.handle_output(output(), value)

        assert manager.load_input(given_input()) == value
        assert len(files(tmp_path)) == 1


def test_a_writer_that_died_before_removing_the_old_format_leaves_the_new_value(
    manager: FilesystemIOManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.handle_output(output(), {"a": 1})

    def dies(self: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "unlink", dies)
        manager.handle_output(output(), (1, 2))

    assert len(files(tmp_path)) == 2
    assert manager.load_input(given_input()) == (1, 2)


def test_a_writer_that_died_half_way_leaves_the_old_value(
    manager: FilesystemIOManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.handle_output(output(), {"a": 1})

    def dies(self: Path, target: Any) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", dies)
        manager.handle_output(output(), {"a": 2})

    assert manager.load_input(given_input()) == {"a": 1}
    assert files(tmp_path) == ["assets/raw/rows/_.json"]


def test_a_file_replaced_by_another_format_while_it_is_read_is_looked_for_again(
    manager: FilesystemIOManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.handle_output(output(), {"a": 1})
    read_bytes = Path.read_bytes

    def replaced_first(self: Path) -> bytes:
        monkeypatch.setattr(Path, "read_bytes", read_bytes)
        manager.handle_output(output(), (1, 2))
        return read_bytes(self)

    monkeypatch.setattr(Path, "read_bytes", replaced_first)

    assert manager.load_input(given_input()) == (1, 2)


def test_an_asset_and_a_partition_of_its_prefix_stand_side_by_side(
    manager: FilesystemIOManager,
) -> None:
    manager.handle_output(output("b", key=["a"]), 1)
    manager.handle_output(output(key=["a", "b"]), 2)
    manager.handle_output(output("x.json", key=["a", "b"]), 3)

    assert manager.load_input(given_input("b", key=["a"])) == 1
    assert manager.load_input(given_input(key=["a", "b"])) == 2
    assert manager.load_input(given_input("x.json", key=["a", "b"])) == 3


def test_several_partitions_are_a_dict(manager: FilesystemIOManager) -> None:
    for key in ("de", "fr"):
        manager.handle_output(output(key), key)
    several, one, annotated = given_input("de"), given_input("de"), given_input("de")
    several.partitions = ("de", "fr")
    annotated.annotation = dict[str, str]

    assert manager.load_input(several) == {"de": "de", "fr": "fr"}
    assert manager.load_input(one) == "de"
    assert manager.load_input(annotated) == {"de": "de"}


def test_a_missing_value_names_asset_and_partition(manager: FilesystemIOManager) -> None:
    with pytest.raises(
        OutputError, match=r"^Asset 'raw/rows', partition 'de' has no stored value\. Materialize"
    ):
        manager.load_input(given_input("de"))


def test_a_broken_file_names_asset_and_reason(manager: FilesystemIOManager, tmp_path: Path) -> None:
    manager.handle_output(output(), {"a": 1})
    (tmp_path / "assets/raw/rows/_.json").write_text("{")

    with pytest.raises(
        OutputError, match=r"^Asset 'raw/rows': It was stored as json and cannot be read"
    ):
        manager.load_input(given_input())


def test_a_value_that_cannot_be_stored_names_output_and_step(manager: FilesystemIOManager) -> None:
    with pytest.raises(
        OutputError, match="^Output 'result' of step 'rows': A value of type function"
    ):
        manager.handle_output(output(), lambda: 1)


def test_several_partitions_cannot_be_stored_as_one(manager: FilesystemIOManager) -> None:
    context = output("de")
    context.partitions = ("de", "fr")

    with pytest.raises(OutputError, match="is 2 partitions at once"):
        manager.handle_output(context, 1)


def test_a_folder_that_cannot_be_written_is_an_error_with_a_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    manager = FilesystemIOManager(tmp_path / "file")

    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        manager.handle_output(output(), 1)


def test_the_folder_may_be_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = FilesystemIOManager(EnvVar("STORAGE"))
    with pytest.raises(ConfigError, match="STORAGE is not set"):
        manager.handle_output(output(), 1)

    monkeypatch.setenv("STORAGE", str(tmp_path))
    manager.handle_output(output(), 1)

    assert files(tmp_path) == ["assets/raw/rows/_.json"]
