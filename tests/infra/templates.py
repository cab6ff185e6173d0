"""A synthesized template, and what is asked of it."""

from __future__ import annotations

import re
from typing import Any

Resources = dict[str, dict[str, Any]]


class Synthesized:
    """A template, and what is asked of it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def all(self, kind: str) -> Resources:
        """Resources of one type, by logical id."""
        return {key: one for key, one in self.document["Resources"].items() if one["Type"] == kind}

    def one(self, kind: str, name_like: str = "") -> dict[str, Any]:
        """The properties of the one resource of the type whose logical id has ``name_like`` in it."""
        found = [one for key, one in self.all(kind).items() if name_like in key]
        assert len(found) == 1, f"{len(found)} resources of {kind} like {name_like!r}"
        properties: dict[str, Any] = found[0]["Properties"]
        return properties

    def function(self, name: str) -> dict[str, Any]:
        for one in self.all("AWS::Lambda::Function").values():
            if one["Properties"]["FunctionName"] == f"tidegate-{name}":
                properties: dict[str, Any] = one["Properties"]
                return properties
        raise AssertionError(f"no function {name}")

    def statements(self, name: str) -> list[dict[str, Any]]:
        """All statements of the role whose logical id begins with ``name``, resources as text."""
        key, role = next(
            (key, one) for key, one in self.all("AWS::IAM::Role").items() if key.startswith(name)
        )
        documents = [one["PolicyDocument"] for one in role["Properties"].get("Policies", [])]
        documents += [
            one["Properties"]["PolicyDocument"]
            for one in self.all("AWS::IAM::Policy").values()
            if {"Ref": key} in one["Properties"]["Roles"]
        ]
        assert not role["Properties"].get("ManagedPolicyArns"), f"{key} has managed policies"
        return [_plain(one) for document in documents for one in document["Statement"]]


def _plain(statement: dict[str, Any]) -> dict[str, Any]:
    actions, resources = statement["Action"], statement["Resource"]
    return {
        **statement,
        "Action": [actions] if isinstance(actions, str) else actions,
        "Resource": [
            as_text(one) for one in (resources if isinstance(resources, list) else [resources])
        ],
    }


def as_text(value: Any) -> str:
    """A value of a template with its intrinsic functions written as ``<Name>``, pseudo parameters left out."""
    if isinstance(value, str):
        return re.sub(r"\$\{AWS::\w+\}", "", value)
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(as_text(one) for one in parts)
    if "Fn::Sub" in value:
        return as_text(value["Fn::Sub"])
    if "Ref" in value:
        return "" if value["Ref"].startswith("AWS::") else f"<{value['Ref'][:-8]}>"
    return f"<{value['Fn::GetAtt'][0][:-8]}>"
