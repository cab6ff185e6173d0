"""What ops and assets say about how their step runs: pools, priority, tags, compute, time-out,
retries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tidegate.domain.run import CONCURRENCY_KEY_TAG, PRIORITY_TAG, canonical_tags
from tidegate.errors import DefinitionError
from tidegate.sdk.compute import LAMBDA_TIMEOUT_SECONDS, compute_document
from tidegate.sdk.retry import RetryPolicy

_POOL = re.compile(r"\S+")
_INTEGER = re.compile(r"[+-]?\d{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSetting:
    """Checked settings of one step, in the form that ``StepDefinition`` holds them."""

    pools: Mapping[str, int] = field(default_factory=dict)
    priority: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    compute: Mapping[str, Any] = field(default_factory=lambda: {"kind": "lambda"})
    timeout_seconds: int | None = None
    retry_policy: RetryPolicy | None = None
    required_resource_keys: frozenset[str] = frozenset()


SETTINGS = ("pool", "slots", "compute", "timeout", "retry_policy", "required_resource_keys")
"""Arguments that ops and assets share; ``read_setting`` takes them."""


def settings_in(said: Mapping[str, Any]) -> dict[str, Any]:
    """Of all arguments of a decorator, those that are settings."""
    return {name: said[name] for name in SETTINGS}


def read_setting(
    where: str,
    *,
    pool: Any = None,
    slots: Any = 1,
    tags: Any = None,
    compute: Any = "lambda",
    timeout: Any = None,
    retry_policy: Any = None,
    required_resource_keys: Any = None,
) -> StepSetting:
    """Check the settings of the op or asset that ``where`` names.

    Raises:
        DefinitionError: a value is not of the form its argument wants, or two of them contradict
            each other.
    """
    checked = read_tags(where, tags, "op_tags")
    if retry_policy is not None and not isinstance(retry_policy, RetryPolicy):
        raise DefinitionError(
            f"{where} has retry_policy={retry_policy!r}.", mend="Give a RetryPolicy(...)."
        )
    document = compute_document(compute, where)
    return StepSetting(
        pools=_pools(where, pool, slots, checked.get(CONCURRENCY_KEY_TAG)),
        priority=_priority(where, checked),
        tags=checked,
        compute=document,
        timeout_seconds=_timeout(where, timeout, document),
        retry_policy=retry_policy,
        required_resource_keys=_resource_keys(where, required_resource_keys),
    )


def read_tags(where: str, tags: Any, argument: str = "tags") -> dict[str, str]:
    """Tags by their ``tidegate/...`` names; values that are not text become JSON.

    Raises:
        DefinitionError: not a mapping of text to text or to what JSON can hold.
    """
    if tags is None:
        return {}
    if not isinstance(tags, Mapping) or not all(isinstance(key, str) and key for key in tags):
        raise DefinitionError(
            f"{where} has {argument}={tags!r}.", mend='Give a mapping, such as {"team": "data"}.'
        )
    texts = {}
    for key, value in tags.items():
        try:
            texts[key] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        except (TypeError, ValueError):
            raise DefinitionError(
                f"{where} has the tag {key!r} with the value {value!r}.",
                mend="The value of a tag is text, or something that JSON can hold.",
            ) from None
    return canonical_tags(texts)


def _pools(where: str, pool: Any, slots: Any, tagged: str | None) -> dict[str, int]:
    if pool is not None and tagged is not None and pool != tagged:
        raise DefinitionError(
            f"{where} is in pool {pool!r}, and its tag says {tagged!r}.",
            mend="Keep `pool=` and drop the tag concurrency_key.",
        )
    wanted = tagged if pool is None else pool
    if wanted is None:
        if slots != 1:
            raise DefinitionError(
                f"{where} asks for slots={slots!r} of no pool.", mend='Add `pool="name"`.'
            )
        return {}
    if isinstance(wanted, Mapping):
        if slots != 1:
            raise DefinitionError(
                f"{where} gives slots={slots!r} beside a mapping of pools.",
                mend="Put the number of slots into the mapping.",
            )
        pools = dict(wanted)
    else:
        pools = {wanted: slots}
    for name, count in pools.items():
        if not isinstance(name, str) or not _POOL.fullmatch(name):
            raise DefinitionError(
                f"{where} is in pool {name!r}.", mend="A pool is named by text without spaces."
            )
        if type(count) is not int or count < 1:
            raise DefinitionError(
                f"{where} wants {count!r} slots of pool {name!r}.",
                mend="Give a whole number, 1 or more.",
            )
    return pools


def _priority(where: str, tags: Mapping[str, str]) -> int:
    text = tags.get(PRIORITY_TAG, "0").strip()
    if not _INTEGER.fullmatch(text):
        raise DefinitionError(
            f"{where} has the priority {text!r}.", mend="Give a whole number in the tag."
        )
    return int(text)


def _timeout(where: str, timeout: Any, compute: Mapping[str, Any]) -> int | None:
    if timeout is None:
        return None
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, (int, float))
        or seconds != seconds // 1
        or seconds < 1
    ):
        raise DefinitionError(
            f"{where} has timeout={timeout!r}.",
            mend="Give whole seconds, 1 or more, or a timedelta.",
        )
    if compute == {"kind": "lambda"} and seconds > LAMBDA_TIMEOUT_SECONDS:
        raise DefinitionError(
            f"{where} has a time-out of {int(seconds)} s, and Lambda ends after "
            f"{LAMBDA_TIMEOUT_SECONDS} s.",
            mend="Use compute=Ecs(...) for longer steps, or Lambda(escalate=Ecs(...)).",
        )
    return int(seconds)


def _resource_keys(where: str, keys: Any) -> frozenset[str]:
    if keys is None:
        return frozenset()
    if isinstance(keys, Iterable) and not isinstance(keys, (str, bytes)):
        found = frozenset(keys)
        if all(isinstance(key, str) and key for key in found):
            return found
    raise DefinitionError(
        f"{where} has required_resource_keys={keys!r}.",
        mend='Give a set of names, such as {"database"}.',
    )
