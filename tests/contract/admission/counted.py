"""A store that counts its calls, and in which something may happen before or after one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tidegate.errors import UnavailableError
from tidegate.ports.admission import AdmissionStore


class Counted:
    """Counts the calls of a store; its next ``release`` calls let something happen first, or fail."""

    def __init__(self, store: AdmissionStore) -> None:
        self.store = store
        self.calls = Counter[str]()
        self.before_release: list[Callable[[], object] | BaseException] = []
        self.after_release: list[BaseException] = []
        self.after_offer: list[Callable[[], object]] = []
        """What happens after an offer whose answer is lost."""
        self.after_stand: list[Callable[[], object]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        access = getattr(self.store, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            if name == "stand" and self.after_stand:
                answer = access(*args, **kwargs)
                self.after_stand.pop(0)()
                return answer
            if name == "offer" and self.after_offer:
                access(*args, **kwargs)
                self.after_offer.pop(0)()
                raise UnavailableError("no answer came")
            if name != "release":
                return access(*args, **kwargs)
            first = self.before_release.pop(0) if self.before_release else None
            if isinstance(first, BaseException):
                raise first
            if first is not None:
                first()
            answer = access(*args, **kwargs)
            if self.after_release:
                raise self.after_release.pop(0)
            return answer

        return counted
