"""The language of selections, read: ``+daily``, ``key:raw/* or tag:team=data``, ``2+key:a+3``.

    expression  = expression "or" expression | expression "and" expression
                | "not" expression | traversal
    traversal   = [ [N] "+" ] item [ "+" [N] ]     N levels up or down; all without a number
    item        = "*" | atom | name | ("roots" | "sinks") "(" expression ")"
                | "(" expression ")"
    atom        = ("key" | "group" | "tag" | "kind" | "owner" | "is") ":" value

``not`` binds most, then ``and``, then ``or``. A bare name is a whole key. Values may hold ``*`` for
any text, and stand in double quotes when they hold other characters than letters, digits and
``_ - . /``. ``*name`` and ``name*`` are ``+name`` and ``name+``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from tidegate.domain.selection import (
    FIELDS,
    NULL,
    Selection,
    both,
    either,
    ends,
    everything,
    named,
    walk,
    where,
    without,
)
from tidegate.errors import DefinitionError

MOST_NESTED = 50
"""Parentheses and ``not`` within each other; more is refused before Python gives up."""

_TOKEN = re.compile(
    r'\s+|(?P<text>"[^"]*")|(?P<word>[A-Za-z0-9_.*/-]+|<null>)|(?P<sign>[()+:=])|(?P<other>.)',
    re.DOTALL,
)
_WORDS = frozenset({"and", "or", "not"})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    value: str
    at: int

    @property
    def is_value(self) -> bool:
        return self.kind in ("text", "word")


def parse_selection(text: str) -> Selection:
    """Read a selection.

    Raises:
        DefinitionError: it is not one; the message says at which character, and what was expected.
    """
    return _Parser(text).all()


def _unquoted(text: str, kind: str) -> str:
    return text[1:-1] if kind == "text" else text


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [
            _Token(found.lastgroup, _unquoted(found[0], found.lastgroup), found.start())
            for found in _TOKEN.finditer(text)
            if found.lastgroup
        ]
        self.tokens.append(_Token("end", "", len(text)))
        self.place = 0
        self.depth = 0

    def all(self) -> Selection:
        if self.now.kind == "end":
            self.refuse("is empty", "Name an asset, or `*` for all.")
        found = self.either()
        if self.now.kind != "end":
            self.unexpected("`and`, `or` or the end")
        return found

    @property
    def now(self) -> _Token:
        return self.tokens[self.place]

    def take(self, sign: str) -> bool:
        if self.now.kind == "sign" and self.now.value == sign:
            self.place += 1
            return True
        return False

    def word(self, *values: str) -> str | None:
        if self.now.kind == "word" and self.now.value.lower() in values:
            self.place += 1
            return self.tokens[self.place - 1].value.lower()
        return None

    def either(self) -> Selection:
        parts = [self.both()]
        while self.word("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else either(parts)

    def both(self) -> Selection:
        parts = [self.negated()]
        while self.word("and"):
            parts.append(self.negated())
        return parts[0] if len(parts) == 1 else both(parts)

    def negated(self) -> Selection:
        if not self.word("not"):
            return self.traversal()
        self.deeper()
        found = without(everything(), self.negated())
        self.depth -= 1
        return found

    def traversal(self) -> Selection:
        up, levels = self.leading()
        of, found = self.item(), []
        if up:
            found.append(walk(of, upstream=True, depth=levels))
        if self.take("+"):
            found.append(walk(of, upstream=False, depth=self.number()))
        if len(found) == 2:
            return either(found)
        return found[0] if found else of

    def leading(self) -> tuple[bool, int | None]:
        """``+`` or ``N+``, unless it is a name of digits with ``+`` behind it."""
        if self.take("+"):
            return True, None
        following = self.tokens[self.place + 1 : self.place + 3]
        if self.now.kind == "word" and self.now.value.isdecimal() and len(following) == 2:
            plus, then = following
            starts_item = then.is_value and then.value.lower() not in _WORDS
            if plus.value == "+" and plus.kind == "sign" and (starts_item or then.value == "("):
                levels = self.number()
                self.place += 1
                return True, levels
        return False, None

    def number(self) -> int | None:
        if self.now.kind == "word" and self.now.value.isdecimal():
            if len(self.now.value) > 9:
                self.unexpected("a smaller number")
            self.place += 1
            return int(self.tokens[self.place - 1].value)
        return None

    def item(self) -> Selection:
        if self.take("("):
            return self.inside()
        token, following = self.now, self.tokens[min(self.place + 1, len(self.tokens) - 1)]
        if not token.is_value or (token.kind == "word" and token.value.lower() in _WORDS):
            if token.kind == "sign" and token.value == "+":
                self.refuse(
                    f"has `++` at character {token.at + 1}", "Write `2+name` for two levels."
                )
            self.unexpected("an asset")
        self.place += 1
        if following.kind == "sign" and following.value == ":":
            self.place += 1
            return self.atom(token)
        if following.value == "(" and following.kind == "sign":
            if token.value.lower() not in ("roots", "sinks"):
                self.place -= 1
                self.unexpected("roots(...) or sinks(...)")
            self.place += 1
            return ends(self.inside(), roots=token.value.lower() == "roots")
        return self.bare(token)

    def inside(self) -> Selection:
        self.deeper()
        found = self.either()
        if not self.take(")"):
            self.unexpected("`)`")
        self.depth -= 1
        return found

    def atom(self, token: _Token) -> Selection:
        field = token.value.lower()
        if field not in FIELDS:
            from difflib import get_close_matches

            close = get_close_matches(field, FIELDS, n=1)
            hint = f"Did you mean `{close[0]}:`? " if close else ""
            self.refuse(
                f"asks for {token.value!r} at character {token.at + 1}",
                f"{hint}Fields: {', '.join(FIELDS)}.",
            )
        value = self.value(f"a value after `{field}:`")
        if field == "is" and value not in ("external", "materializable"):
            self.refuse(f"asks for is:{value}", "Ask for is:external or is:materializable.")
        if field == "tag" and self.take("="):
            return where("tag", value, self.value("a value after `=`"))
        return named([value]) if field == "key" and "*" not in value else where(field, value)

    def value(self, wanted: str) -> str:
        if not self.now.is_value:
            self.unexpected(wanted)
        self.place += 1
        return self.tokens[self.place - 1].value

    def bare(self, token: _Token) -> Selection:
        name = token.value
        if name == "*" and token.kind == "word":
            return everything()
        if "*" not in name or token.kind == "text":
            return named([name])
        of = named([name.strip("*")])
        if name == NULL or "*" in name.strip("*") or "**" in name:
            self.refuse(f"has the name {name!r}", f"Write `key:{name}` for a pattern.")
        parts = [walk(of, upstream=True)] if name.startswith("*") else []
        if name.endswith("*"):
            parts.append(walk(of, upstream=False))
        return either(parts)

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MOST_NESTED:
            self.refuse(f"is nested more than {MOST_NESTED} deep", "Write it flatter.")

    def unexpected(self, wanted: str) -> NoReturn:
        token = self.now
        if token.kind == "end":
            self.refuse(f"ends where {wanted} was expected", "Complete it.")
        mend = "Put such text in double quotes." if token.kind == "other" else "Mend it there."
        self.refuse(f"has {token.value!r} at character {token.at + 1}, not {wanted}", mend)

    def refuse(self, what: str, mend: str) -> NoReturn:
        raise DefinitionError(f"The selection {self.text!r} {what}.", mend=mend)
