"""Manifests as a compiler would write them: steps, and jobs of them."""

from __future__ import annotations

from typing import Any

from tidegate.manifest.document import JobDoc, Manifest, StepDoc


def step_doc(key: str, *upstream: str, **changes: Any) -> StepDoc:
    doc: Any = {
        "key": key,
        "description": "",
        "inputs": [
            {"name": one, "sources": [(one, "result")], "fan_in": False} for one in upstream
        ],
        "outputs": [{"name": "result", "required": True, "asset": None}],
        "pools": {},
        "priority": 0,
        "tags": {},
        "compute": {"kind": "lambda"},
        "timeout_seconds": None,
        "retry": None,
        "config_schema": None,
        "resources": [],
        "can_subset": False,
    }
    return {**doc, **changes}  # type: ignore[no-any-return]


def job_doc(name: str, steps: list[StepDoc]) -> JobDoc:
    return {
        "name": name,
        "description": "",
        "steps": steps,
        "assets": None,
        "tags": {},
        "run_config": None,
        "partitions": None,
        "max_concurrent": None,
    }


def manifest_of(**jobs: list[StepDoc]) -> Manifest:
    return Manifest(
        {
            "version": 1,
            "location": "definitions",
            "code_version": "1",
            "tidegate": "0",
            "steps": {},
            "assets": {},
            "jobs": {name: job_doc(name, steps) for name, steps in jobs.items()},
            "resources": {},
        }
    )


DIAMOND = [
    step_doc("top"),
    step_doc("left", "top", pools={"db": 1}),
    step_doc("right", "top", pools={"db": 1}),
    step_doc("foot", "left", "right"),
]


OVER = ("source", "result")
KEYS = ["x", "y", "z"]
"""Of the values of ``source``."""


def source(required: bool = True, **changes: Any) -> Any:
    output = {"name": "result", "required": required, "asset": None, "is_dynamic": True}
    return step_doc("source", outputs=[output], **changes)


def mapped(key: str, *upstream: str, required: bool = True, **changes: Any) -> Any:
    output = {"name": "result", "required": required, "asset": None}
    return step_doc(key, *upstream, mapped_over=OVER, outputs=[output], **changes)


def collecting(key: str, upstream: str, *more: str, **changes: Any) -> Any:
    doc = step_doc(key, *more, **changes)
    values = {"name": "all", "sources": [(upstream, "result")], "fan_in": True, "collects": True}
    return {**doc, "inputs": [values, *doc["inputs"]]}


def fan_out(**changes: Any) -> list[Any]:
    """``first`` and ``second`` for each value; ``second`` needs ``aside`` too."""
    return [
        step_doc("aside"),
        source(**changes),
        mapped("first", "source", pools={"db": 1}),
        mapped("second", "first", "aside"),
        collecting("foot", "second"),
        collecting("count", "source", "aside"),
    ]
