"""Config classes, plain schemas, and run config."""

from __future__ import annotations

from typing import Any

import fastjsonschema
import pytest
from pydantic import ValidationError

from tidegate import Config, ConfigError, DefinitionError, EnvVar, PermissiveConfig, RunConfig
from tidegate.sdk.config_schema import check_schema, json_schema, resolve_config
from tidegate.sdk.run_config import run_config_document


class Inner(Config):
    path: str = "x"


class Load(Config):
    url: str
    rows: int = 10
    inner: Inner = Inner()
    modes: tuple[str, ...] = ()


def test_config_has_typed_fields_and_cannot_be_changed() -> None:
    config = Load(url="a", inner=Inner(path="b"))

    assert (config.url, config.rows, config.inner.path) == ("a", 10, "b")
    with pytest.raises(ValidationError):
        config.rows = 3  # type: ignore[misc]


def test_unknown_fields_are_refused_unless_the_config_is_permissive() -> None:
    class Open(PermissiveConfig):
        rows: int = 1

    with pytest.raises(ValidationError):
        Load(url="a", rwos=3)  # type: ignore[call-arg]
    assert Open(more=3).more == 3  # type: ignore[call-arg, attr-defined]


def test_a_field_from_the_environment_stays_a_name_in_run_config(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_URL", "hidden")

    document = RunConfig(ops={"load": Load(url=EnvVar("SECRET_URL"), rows=3)}).to_config_dict()

    assert document == {"ops": {"load": {"config": {"url": {"env": "SECRET_URL"}, "rows": 3}}}}


def test_an_unknown_field_beside_one_from_the_environment_is_refused() -> None:
    with pytest.raises(
        DefinitionError, match=r"Load has no field 'rwos' \(.*test_config_declared.py:"
    ):
        Load(url=EnvVar("SECRET_URL"), rwos=3)  # type: ignore[call-arg]


def test_run_config_is_written_as_the_dictionary_that_runs_carry() -> None:
    config = RunConfig(
        ops={"load": Load(url="a"), "other": {"config": {"x": 1}}},
        execution={"config": {"max_concurrent": 2}},
    )

    assert config.to_config_dict() == {
        "ops": {
            "load": {"config": {"url": "a", "rows": 10, "inner": {"path": "x"}, "modes": []}},
            "other": {"config": {"x": 1}},
        },
        "execution": {"config": {"max_concurrent": 2}},
    }
    assert RunConfig().to_config_dict() == {}


def test_config_objects_in_a_dictionary_are_written_out_too() -> None:
    document = run_config_document({"ops": {"load": Inner()}, "loggers": None}, "Job 'j'")

    assert document == {"ops": {"load": {"config": {"path": "x"}}}}


SCHEMAS: list[tuple[Any, list[Any], list[Any]]] = [
    (str, ["a", {"env": "NAME"}], [3, None, ["a"], {"env": 3}]),
    (int, [3, {"env": "NUMBER"}], ["3", 1.5, True]),
    (float, [3, 1.5], ["a", True]),
    (bool, [True], [1, "true"]),
    (list, [[1, "a"]], ["a", {}]),
    (dict, [{"a": 1}], [[], "a"]),
    ([int], [[], [1, 2]], [["a"], 3]),
    (list[str], [["a"]], [[1]]),
    (dict[str, float], [{"a": 1.5}], [{"a": "b"}]),
    (int | None, [3, None], ["a"]),
    (Any, [1, "a", None, {}], []),
    (
        {"rows": int, "mode": str | None, "deep": {"names": [str]}},
        [{"rows": 1, "deep": {"names": []}}, {"rows": 1, "mode": "a", "deep": {"names": ["x"]}}],
        [
            {},
            {"rows": "a", "deep": {"names": []}},
            {"rows": 1, "deep": {"names": [1]}},
            {"rows": 1, "x": 1, "deep": {"names": []}},
            3,
        ],
    ),
]


@pytest.mark.parametrize(("schema", "good", "bad"), SCHEMAS, ids=lambda one: str(one)[:40])
def test_a_plain_schema_takes_the_same_values_when_submitted_and_when_run(
    schema: Any, good: list[Any], bad: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAME", "text")
    monkeypatch.setenv("NUMBER", "7")
    check_schema("Op 'x'", schema)
    validate = fastjsonschema.compile(json_schema(schema))

    for value in good:
        validate(value)
        resolve_config(schema, value, "ops.x.config")
    for value in bad:
        with pytest.raises(fastjsonschema.JsonSchemaException):
            validate(value)
        with pytest.raises(ConfigError):
            resolve_config(schema, value, "ops.x.config")


def test_the_environment_is_read_where_a_plain_schema_has_text_or_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NAME", "text")
    monkeypatch.setenv("NUMBER", "7")
    schema = {"name": str, "count": int, "any": dict}

    found = resolve_config(
        schema, {"name": {"env": "NAME"}, "count": {"env": "NUMBER"}, "any": {"env": "NAME"}}, "c"
    )

    assert found == {"name": "text", "count": 7, "any": {"env": "NAME"}}
    with pytest.raises(ConfigError, match="NOT_THERE is not set"):
        resolve_config(str, {"env": "NOT_THERE"}, "c")


def test_what_does_not_fit_is_named_by_its_path() -> None:
    with pytest.raises(
        ConfigError, match=r"ops.x.config.a\[1\].b is 'c'. Give a value of type int"
    ):
        resolve_config({"a": [{"b": int}]}, {"a": [{"b": 1}, {"b": "c"}]}, "ops.x.config")
    with pytest.raises(ConfigError, match="lacks the field 'a'"):
        resolve_config({"a": int}, None, "ops.x.config")


@pytest.mark.parametrize(
    "bad", [3, set, [int, str], {3: int}, object(), "int", [[object]], tuple[int]]
)
def test_what_is_no_schema_is_refused(bad: Any) -> None:
    with pytest.raises(DefinitionError, match="config_schema"):
        check_schema("Op 'x'", bad)


def test_the_json_schema_of_a_class_refuses_nothing_that_a_run_takes() -> None:
    class Wide(Config):
        url: str
        count: int | None = None
        inner: Inner
        many: dict[str, Inner] | None = None

    validate = fastjsonschema.compile(json_schema(Wide))

    validate({"url": {"env": "X"}, "inner": {}, "many": {"a": {"path": "y"}}})
    validate({"url": "x", "count": {"env": "N"}, "inner": {"path": {"env": "Y"}}})
    for wrong in ({"inner": {}}, {"url": 3, "inner": {}}, {"url": "x", "inner": {"nope": 1}}):
        with pytest.raises(fastjsonschema.JsonSchemaException):
            validate(wrong)
