"""How the steps of one run may run beside each other: what Dagster's executors are asked for in ``execution.config``.

With ``multiprocess`` every step runs in a Lambda function or a container of its own, so of it only limits are left:
``max_concurrent``, and limits on step tags, both counted within the run. ``in_process`` is the whole run in one
Lambda function or container: see ``domain/whole.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.domain.run import canonical_key
from tidegate.domain.settings import TagLimit
from tidegate.errors import ConfigError

IN_PROCESS = "in_process"
MULTIPROCESS = "multiprocess"
_KINDS = (IN_PROCESS, MULTIPROCESS)
_SHARED = ("retries", "step_dependency_config")
_KEYS = {
    IN_PROCESS: _SHARED,
    MULTIPROCESS: ("max_concurrent", "tag_concurrency_limits", "start_method", *_SHARED),
}
_RETRIES = ("enabled", "disabled")
_TAG_KEYS = {"key", "value", "limit"}
_PLACE = "execution.config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """What holds within one run."""

    max_concurrent: int | None = None
    """Steps in progress at most; None is no limit."""
    tag_limits: tuple[TagLimit, ...] = ()
    """Steps in progress at most, by step tag."""
    retries: bool = True
    """False: retry policies of steps are not followed."""
    is_in_process: bool = False
    """The whole run is one execution, in which its steps follow one another."""

    @property
    def is_limited(self) -> bool:
        return self.max_concurrent is not None or bool(self.tag_limits)


def executor_of(job: Mapping[str, Any] | None, run_config: Mapping[str, Any]) -> Executor:
    """The executor of a run.

    Args:
        job: what the job says: ``{"multiprocess": {...}}`` or ``{"in_process": {...}}``.
        run_config: its section ``execution`` wins, key by key, over the job.

    Raises:
        ConfigError: names the key that does not fit.
    """
    kind, config = _said(run_config.get("execution"))
    if job is not None:
        (job_kind, job_config), *_ = job.items()
        kind = kind or job_kind
        if kind == job_kind:
            config = {**job_config, **config}
    return _read(kind or MULTIPROCESS, config)


def _said(section: Any) -> tuple[str | None, Mapping[str, Any]]:
    """The kind of executor a run names, if it does, and the config it gives.

    Accepted are ``{config: {max_concurrent: 3}}``, ``{config: {multiprocess: {max_concurrent: 3}}}`` and the older
    ``{multiprocess: {config: {max_concurrent: 3}}}``.
    """
    outer = _mapping("execution", section)
    kind, inner = _named("execution", outer)
    if kind is not None:
        return kind, _mapping(f"execution.{kind}.config", _only_config(f"execution.{kind}", inner))
    return _named(_PLACE, _mapping(_PLACE, _only_config("execution", outer)))


def _named(place: str, section: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    for kind in _KINDS:
        if set(section) == {kind}:
            return kind, _mapping(f"{place}.{kind}", section[kind])
    return None, section


def _only_config(place: str, section: Mapping[str, Any]) -> Any:
    for name in section:
        if name != "config":
            raise ConfigError(
                f"{place} has the unknown key {name!r}.", mend="Give execution.config."
            )
    return section.get("config")


def _mapping(place: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{place} must be a mapping, and is {value!r}.")
    return value


def _read(kind: str, config: Mapping[str, Any]) -> Executor:
    for name in config:
        if name not in _KEYS[kind]:
            raise ConfigError(
                f"{_PLACE} of the {kind} executor has the unknown key {name!r}.",
                mend=f"Keys: {', '.join(_KEYS[kind])}.",
            )
    _check_dependencies(config.get("step_dependency_config"))
    return Executor(
        max_concurrent=_most(config.get("max_concurrent")),
        tag_limits=_tag_limits(config.get("tag_concurrency_limits")),
        retries=_retries(config.get("retries")),
        is_in_process=kind == IN_PROCESS,
    )


def _most(value: Any) -> int | None:
    """Dagster: nothing or 0 is the number of processors. Here every step has its own, so it is no limit."""
    if value is None:
        return None
    if type(value) is not int or value < 0:
        raise ConfigError(
            f"{_PLACE} has max_concurrent={value!r}.", mend="Give a whole number; 0 is no limit."
        )
    return value or None


def _tag_limits(rules: Any) -> tuple[TagLimit, ...]:
    place = f"{_PLACE}.tag_concurrency_limits"
    if rules is None:
        return ()
    if not isinstance(rules, list | tuple):
        raise ConfigError(
            f"{place} must be a list, and is {rules!r}.",
            mend="Give a list of {key: TAG, value: TEXT, limit: N}.",
        )
    limits: list[TagLimit] = []
    for position, rule in enumerate(rules):
        limit = _tag_limit(rule, f"{place}[{position}]")
        if any(_kind_of(one) == _kind_of(limit) for one in limits):
            raise ConfigError(
                f"{place}[{position}] is a second rule of one kind for the tag {limit.key}.",
                mend="Keep one of them.",
            )
        limits.append(limit)
    return tuple(limits)


def _kind_of(rule: TagLimit) -> tuple[str, str | None, bool]:
    return rule.key, rule.value, rule.per_unique_value


def _tag_limit(rule: Any, place: str) -> TagLimit:
    if not isinstance(rule, Mapping) or set(rule) - _TAG_KEYS or not {"key", "limit"} <= set(rule):
        raise ConfigError(f"{place} is {rule!r}.", mend="Give {key: TAG, value: TEXT, limit: N}.")
    key, limit = rule["key"], rule["limit"]
    if not isinstance(key, str) or not key:
        raise ConfigError(f"{place}.key is {key!r}.", mend="Give the key of a step tag, as text.")
    if type(limit) is not int or limit < -1:
        raise ConfigError(
            f"{place}.limit is {limit!r}.", mend="-1 is no limit, 0 admits nothing, n admits n."
        )
    value, per_value = _tag_value(rule.get("value"), place)
    return TagLimit(key=canonical_key(key), limit=limit, value=value, per_unique_value=per_value)


def _tag_value(value: Any, place: str) -> tuple[str | None, bool]:
    if value is None or isinstance(value, str):
        return value or None, False
    if isinstance(value, Mapping) and set(value) == {"applyLimitPerUniqueValue"}:
        per_value = value["applyLimitPerUniqueValue"]
        if isinstance(per_value, bool):
            return None, per_value
    raise ConfigError(
        f"{place}.value is {value!r}.",
        mend="Give text, or {applyLimitPerUniqueValue: true}.",
    )


def _retries(value: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, Mapping) or len(value) != 1 or next(iter(value)) not in _RETRIES:
        raise ConfigError(
            f"{_PLACE}.retries is {value!r}.", mend="Give {enabled: {}} or {disabled: {}}."
        )
    return "enabled" in value


def _check_dependencies(value: Any) -> None:
    if value not in (None, {}, {"require_upstream_step_success": True}):
        raise ConfigError(
            f"{_PLACE}.step_dependency_config is {value!r}.",
            mend="Leave it out: a step begins when all steps upstream of it are done.",
        )
