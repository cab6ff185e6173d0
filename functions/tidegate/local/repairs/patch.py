"""A repair: attributes of moto's classes and modules, replaced, and put back when a test wants to see moto as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Repair:
    """Replacements that belong together."""

    def __init__(self, name: str, *replacements: tuple[Any, str, Any]) -> None:
        self.name = name
        self._replacements = replacements
        """(owner, attribute, replacement)."""
        self._originals: list[Any] = []

    @property
    def is_installed(self) -> bool:
        return bool(self._originals)

    def install(self) -> None:
        if not self._originals:
            self._originals = [getattr(owner, name) for owner, name, _ in self._replacements]
            for owner, name, replacement in self._replacements:
                setattr(owner, name, replacement)

    def remove(self) -> None:
        for (owner, name, _), original in zip(self._replacements, self._originals, strict=False):
            setattr(owner, name, original)
        self._originals = []

    @contextmanager
    def removed(self) -> Iterator[None]:
        """moto as it is, for a while."""
        was_installed = self.is_installed
        self.remove()
        try:
            yield
        finally:
            if was_installed:
                self.install()
