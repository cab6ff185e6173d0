"""The language of selections."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.domain.asset_graph import AssetGraph, AssetNode
from tidegate.domain.selection import where
from tidegate.domain.selection_text import parse_selection
from tidegate.errors import DefinitionError


def node(key: str, *deps: str, **fields: object) -> AssetNode:
    return AssetNode(key=key, deps=deps, **{"step": key, **fields})  # type: ignore[arg-type]


GRAPH = AssetGraph(
    [
        node("ext", step=None),
        node("a", "ext", group="raw", kinds=("sql", "python")),
        node("b", "a", tags={"team": "data", "tidegate/x": "1"}),
        node("c", "b", owners=("a@b.org",)),
        node("d", "c", group="raw2"),
        node("p/e", "d", tags={"team": "ops"}),
        node("2020"),
        node("not"),
        node("a b"),
    ]
)


def select(text: str) -> str:
    return " ".join(parse_selection(text).resolve(GRAPH))


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("a", "a"),
        ("key:a", "a"),
        ('"a b"', "a b"),
        ('key:"a b"', "a b"),
        ("p/e", "p/e"),
        ("*", "ext a b c d p/e 2020 not a b"),
        ("+c", "ext a b c"),
        ("c+", "c d p/e"),
        ("1+c", "b c"),
        ("c+1", "c d"),
        ("0+c", "c"),
        ("1+key:c+1", "b c d"),
        ("2+key:c+3", "a b c d p/e"),
        ("+c+1", "ext a b c d"),
        ("*c", "ext a b c"),
        ("c*", "c d p/e"),
        ("*c*", "ext a b c d p/e"),
        ("a or c", "a c"),
        ("a OR c", "a c"),
        ("a or b and c", "a"),
        ("(a or b) and b", "b"),
        ("not *", ""),
        ("not +c and not c+", "2020 not a b"),
        ("not not a", "a"),
        ("+(b or d)", "ext a b c d"),
        ("1+(b or d)+1", "a b c d p/e"),
        ("roots(a or b or d)", "a d"),
        ("sinks(+d)", "d"),
        ("roots(*)", "ext 2020 not a b"),
        ("group:raw", "a"),
        ("group:raw*", "a d"),
        ("group:nope", ""),
        ("kind:sql", "a"),
        ("kind:<null>", "ext b c d p/e 2020 not a b"),
        ("tag:team", "b p/e"),
        ("tag:team=data", "b"),
        ('tag:"team"="ops"', "p/e"),
        ("tag:dagster/x=1", "b"),
        ("tag:<null>", "ext a c d 2020 not a b"),
        ('owner:"a@b.org"', "c"),
        ("owner:<null> and key:p/*", "p/e"),
        ("is:external", "ext"),
        ("is:materializable and key:a*", "a a b"),
        ("key:*", "ext a b c d p/e 2020 not a b"),
        ("key:p/*", "p/e"),
        ("key:*e*", "ext p/e"),
        ("2020", "2020"),
        ("2020+", "2020"),
        ('"not"', "not"),
        ("  a  or\n b ", "a b"),
    ],
)
def test_a_text_selects(text: str, keys: str) -> None:
    assert select(text) == keys


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("a b", "has 'b' at character 3"),
        ("a or", "ends where an asset was expected"),
        ("and a", "has 'and' at character 1"),
        ("(a", "ends where `)` was expected"),
        ("a)", "has ')' at character 2"),
        ("a@b", "has '@' at character 2"),
        ("owner:a@b", "Put such text in double quotes"),
        ("key:", "ends where a value after `key:`"),
        ("tag:a=", "ends where a value after `=`"),
        ("grup:x", "Did you mean `group:`?"),
        ("colour:x", "Fields: group, is, key, kind, owner, tag."),
        ("is:new", "Ask for is:external or is:materializable"),
        ("++a", "Write `2+name` for two levels"),
        ("a++", "has '+' at character 3"),
        ("parents(a)", "has 'parents' at character 1"),
        ("ap*le", "Write `key:ap*le` for a pattern"),
        ("**", "Write `key:**`"),
        ("claen", "no asset 'claen'"),
        ("key:ee", "no asset 'ee'"),
        ("+a+99999999999", "a smaller number"),
        ("not", "ends where"),
        ('"a', "has '\"' at character 1"),
        ("(" * 60 + "a" + ")" * 60, "nested more than 50 deep"),
        ("not " * 60 + "a", "nested more than 50 deep"),
    ],
)
def test_a_text_that_is_no_selection_is_refused_at_its_place(text: str, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        select(text)

    assert said in str(refused.value)
    assert refused.value.mend


@given(st.text(alphabet='ab*+:()"=/ 0129not rdokeygup@<>', max_size=30))
def test_any_text_is_a_selection_or_refused(text: str) -> None:
    try:
        found = parse_selection(text).keys(GRAPH)
    except DefinitionError as error:
        assert error.mend
    else:
        assert found <= set(GRAPH.nodes)


@given(st.text(alphabet="ab*", max_size=8), st.text(alphabet="ab", max_size=8))
def test_a_star_stands_for_any_text(pattern: str, key: str) -> None:
    graph = AssetGraph([node(key)])
    expected = re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), key) is not None

    assert (where("key", pattern).keys(graph) == {key}) == expected


def test_a_pattern_of_many_stars_is_quick() -> None:
    """A regular expression would not end in anyone's lifetime."""
    graph = AssetGraph([node("a" * 500)])

    assert where("key", "*a" * 100 + "*b").keys(graph) == set()


SIMPLE = st.sampled_from(["a", "b", "c", "d", "p/e", "group:raw", "tag:team", "is:external", "*"])


@given(SIMPLE, SIMPLE, SIMPLE)
def test_and_or_not_are_those_of_sets(x: str, y: str, z: str) -> None:
    def keys(text: str) -> set[str]:
        return parse_selection(text).keys(GRAPH)

    assert keys(f"{x} or {y} and not {z}") == keys(x) | (keys(y) - keys(z))
    assert keys(f"not ({x} or {y})") == keys(f"not {x} and not {y}")
    assert keys(f"+({x})") >= keys(x)
    assert keys(f"1+({x})+1") == keys(f"1+({x}) or ({x})+1")
