from __future__ import annotations

import pytest

from infra.settings import InfraSettings, SynthError, top_level


def test_defaults_need_no_context() -> None:
    settings = InfraSettings.read({}.get)

    assert settings == InfraSettings()


def test_context_from_the_command_line_is_text_and_is_read_as_numbers_where_numbers_belong() -> (
    None
):
    settings = InfraSettings.read({"user_memory_mb": "3008", "retention_days": "90"}.get)

    assert (settings.user_memory_mb, settings.retention_days) == (3008, 90)


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ({"prefix": "Tidegate"}, "'prefix' is 'Tidegate'"),
        ({"prefix": "a" * 25}, "2 to 24"),
        ({"prefix": "ends-in-"}, "'ends-in-'"),
        ({"network": "private"}, "choose one of public, isolated"),
        ({"image": "docker"}, "choose one of stock, dockerfile"),
        ({"network": "isolated"}, "network=isolated needs image=dockerfile"),
        ({"retention_days": 31}, "'retention_days' is 31"),
        ({"retention_days": "a month"}, "must be a whole number"),
        ({"user_memory_mb": 128}, "256 to 10240"),
        ({"definitions": "../definitions"}, "must be a module"),
        ({"definitions": ""}, "must be a text"),
    ],
)
def test_a_context_value_that_does_not_fit_is_named_with_what_would(
    context: dict[str, object], said: str
) -> None:
    with pytest.raises(SynthError) as caught:
        InfraSettings.read(context.get)

    assert said in str(caught.value)


@pytest.mark.parametrize("definitions", ["etl", "etl.daily", "etl:defs", "etl.daily:defs"])
def test_the_package_that_is_uploaded_is_the_top_one_of_the_definitions(definitions: str) -> None:
    assert top_level(definitions) == "etl"
