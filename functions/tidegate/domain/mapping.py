"""Dynamic outputs: mapping keys, and how the steps that are mapped over them are named and numbered.

A step that is mapped over a dynamic output is declared once, and is a step of the run for each of the values. Declared
steps have the numbers 0 to ``declared - 1``. The step for the value in place ``p`` has the number of its declaration plus
``declared * (p + 1)``: known from the plan alone, whichever dynamic output is made first.
"""

from __future__ import annotations

import re
from typing import Any

MAX_MAPPED = 10_000
"""Values of one dynamic output. All of its steps are begun by one call."""
MAX_KEY_LENGTH = 200
MAPPING_KEYS = f"Use letters, digits and underscores, {MAX_KEY_LENGTH} at most."

_KEY = re.compile(r"[A-Za-z0-9_]+")


def mapping_key_problem(key: Any) -> str | None:
    """What is wrong with a mapping key; None when nothing is."""
    if isinstance(key, str) and len(key) <= MAX_KEY_LENGTH and _KEY.fullmatch(key):
        return None
    shown = repr(key)
    return f"the mapping key {shown[:80]}{'...' if len(shown) > 80 else ''}"


def mapped_step_key(key: str, mapping_key: str | None) -> str:
    """Key of the step for one value; ``op[?]`` before its mapping keys are known."""
    return f"{key}[{'?' if mapping_key is None else mapping_key}]"


def mapped_number(step: int, place: int, declared: int) -> int:
    return step + declared * (place + 1)


def declared_number(number: int, declared: int) -> int:
    return number % declared


def place_of(number: int, declared: int) -> int | None:
    """The place among the values; None of a declared step."""
    return number // declared - 1 if number >= declared else None
