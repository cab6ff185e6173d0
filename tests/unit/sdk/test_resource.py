"""Resources: checked when they are declared, completed when they are used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.unit.sdk.resources import Database, scope
from tidegate import (
    ConfigurableIOManager,
    ConfigurableResource,
    EnvVar,
    InitResourceContext,
    ResourceDependency,
    ResourceParam,
    resource,
)
from tidegate.errors import ConfigError, DefinitionError, InvocationError
from tidegate.execution.resources import ResourceScope
from tidegate.sdk.resource import config_json_schema, is_resource_annotation


class Report(ConfigurableResource):
    database: Database
    name: str = "report"


# Declared


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Database has no value for its field 'url'"),
        ({"url": "db://a", "host": 1}, "Database has no field 'host'"),
        (
            {"url": "db://a", "port": "x"},
            "Database cannot take the value given for its field 'port'",
        ),
        ({"url": "nothing"}, "Database cannot take the value given for its field 'url'"),
        ({"url": EnvVar("URL"), "host": 1}, "Database has no field 'host'"),
        (
            {"url": EnvVar("URL"), "port": "x"},
            "Database cannot take the value given for its field 'port'",
        ),
        ({"password": EnvVar("PW")}, "Database has no value for its field 'url'"),
    ],
)
def test_a_wrong_field_is_refused_where_it_is_declared(fields: Any, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Database(**fields)

    assert caught.value.message.startswith(message)
    assert "test_resource.py:" in caught.value.message


def test_an_env_var_is_not_read_and_cannot_be_taken_for_its_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PW", "secret")

    database = Database(url="db://a", password=EnvVar("PW"))

    assert "secret" not in repr(database)
    with pytest.raises(InvocationError, match="PW was used where only its name is known"):
        f"password={database.password}"
    with pytest.raises(InvocationError, match="PW was used"):
        str(EnvVar.int("PW"))
    assert EnvVar("PW").get_value() == "secret"
    assert EnvVar("OTHER").get_value("default") == "default"


def test_resources_are_recognised_by_their_annotation() -> None:
    assert is_resource_annotation(Database)
    assert is_resource_annotation(ResourceParam[int])
    assert not is_resource_annotation(int)
    assert not is_resource_annotation("Database")


def test_the_schema_of_its_config_has_no_nested_resources_and_requires_what_is_not_given() -> None:
    given = config_json_schema(Report(database=Database(url="db://a")))
    left = config_json_schema(Database.configure_at_launch(port=1))

    assert given is not None
    assert (set(given["properties"]), given["required"]) == ({"name"}, [])
    assert left is not None
    assert left["required"] == ["url"]
    assert config_json_schema(object()) is None


# Used


def test_it_is_set_up_when_first_used_and_torn_down_at_the_end() -> None:
    declared = Database(url="db://a")

    with scope(database=declared) as resources:
        live = resources.get("database")
        assert live._connection == "open to db://a"
        assert resources.get("database") is live

    assert live._connection == "closed"
    assert declared._connection == "closed"
    assert live is not declared


def test_the_environment_is_read_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = Database(url=EnvVar("URL"), port=EnvVar.int("PORT"))
    monkeypatch.setenv("URL", "db://b")

    with pytest.raises(ConfigError, match="variable PORT is not set; resource 'database' needs it"):
        scope(database=declared).get("database")
    monkeypatch.setenv("PORT", "x")
    with pytest.raises(ConfigError, match="PORT is not a whole number"):
        scope(database=declared).get("database")
    monkeypatch.setenv("PORT", "7")
    live = scope(database=declared).get("database")

    assert (live.url, live.port) == ("db://b", 7)


def test_a_value_of_the_environment_is_validated_and_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("URL", "very-secret")

    with pytest.raises(
        ConfigError, match="Resource 'database' cannot take the value given"
    ) as caught:
        scope(database=Database(url=EnvVar("URL"))).get("database")

    assert "very-secret" not in str(caught.value)


def test_run_config_overrides_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URL", "db://env")
    config = {"database": {"config": {"port": 1, "url": {"env": "URL"}}}}

    live = scope(config, database=Database(url="db://a")).get("database")

    assert (live.url, live.port) == ("db://env", 1)


def test_fields_may_be_left_to_run_config() -> None:
    partial = Database.configure_at_launch(port=1)

    live = scope({"database": {"config": {"url": "db://b"}}}, database=partial).get("database")

    assert (live.url, live.port) == ("db://b", 1)
    with pytest.raises(ConfigError, match="Resource 'database' has no value for its field 'url'"):
        scope(database=partial).get("database")
    with pytest.raises(DefinitionError, match="Database has no field 'host'"):
        Database.configure_at_launch(host=1)


def test_config_for_a_plain_object_is_refused() -> None:
    with pytest.raises(ConfigError, match="config for resource 'client', which takes none"):
        scope({"client": {"config": {"a": 1}}}, client=object()).get("client")


def test_a_nested_resource_is_set_up_and_shared_with_the_one_of_its_own_key() -> None:
    database = Database(url="db://a")

    with scope(database=database, report=Report(database=database)) as resources:
        report = resources.get("report")

        assert report.database._connection == "open to db://a"
        assert report.database is resources.get("database")


def test_a_nested_resource_is_completed_from_the_environment_and_run_config(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("URL", "db://env")
    partial = Database.configure_at_launch(url=EnvVar("URL"))
    config = {"database": {"config": {"port": 9}}}

    live = scope(config, database=partial, report=Report(database=partial)).get("report")

    assert (live.database.url, live.database.port) == ("db://env", 9)


def test_a_nested_resource_by_default_is_set_up_too() -> None:
    class Defaulted(ConfigurableResource):
        database: Database = Database(url="db://default")

    live = scope(it=Defaulted()).get("it")

    assert live.database._connection == "open to db://default"


def test_a_field_may_hold_a_resource_that_a_function_makes() -> None:
    @resource
    def client() -> list[str]:
        return ["client"]

    class Uses(ConfigurableResource):
        client: ResourceDependency[list[str]]

    assert scope(it=Uses(client=client)).get("it").client == ["client"]


def test_yield_for_execution_sets_up_and_tidies_in_one_place() -> None:
    said = []

    class Session(ConfigurableResource):
        @contextmanager
        def yield_for_execution(self, context: InitResourceContext) -> Iterator[Any]:
            said.append(f"open {context.resource_key} in {context.run_id}")
            yield self
            said.append("closed")

    with ResourceScope({"session": Session()}, run_config={}, run_id="r1") as resources:
        assert isinstance(resources.get("session"), Session)

    assert said == ["open session in r1", "closed"]


def test_outside_of_runs_it_is_completed_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URL", "db://b")
    report = Report(database=Database(url=EnvVar("URL")))

    assert report.process_config_and_initialize().database.url == "db://b"
    with Database(url=EnvVar("URL")).process_config_and_initialize_cm() as database:
        assert database._connection == "open to db://b"


def test_it_is_copied_even_when_its_class_has_a_constructor_of_its_own() -> None:
    class Own(ConfigurableResource):
        name: str

        def __init__(self, first: str, last: str) -> None:
            super().__init__(name=f"{first} {last}")

    assert scope(own=Own("a", "b")).get("own").name == "a b"


def test_a_configurable_io_manager_is_a_resource() -> None:
    class Manager(ConfigurableIOManager):
        folder: str

        def handle_output(self, context: Any, obj: Any) -> None: ...

        def load_input(self, context: Any) -> str:
            return self.folder

    assert scope(io=Manager(folder="f")).get("io").load_input(None) == "f"
