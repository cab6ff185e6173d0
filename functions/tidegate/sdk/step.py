"""What every declaration comes down to: steps. ``Definitions`` turns assets, ops and graphs into
these; ``execution`` runs them, and ``manifest/compiler.py`` writes them down for the control
plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegate.sdk.asset_key import AssetKey


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInput:
    """One argument of the step's function, or an order-only dependency."""

    name: str
    sources: tuple[tuple[str, str], ...] = ()
    """(step key, output name) inside the job; several only when ``fan_in``. Empty: an asset from
    outside the job."""
    fan_in: bool = False
    collects: bool = False
    """A fan-in of one source: all values of a dynamic output, or those of all steps mapped over one."""
    loads: bool = True
    """False: order only (``deps``, ``Nothing``): nothing is loaded and no argument is passed."""
    asset_key: AssetKey | None = None
    """The upstream asset, when it is one."""
    io_manager_key: str | None = None
    """Loads with this manager instead of the one that stored the value."""
    annotation: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    default: Any = ...
    """Used when there is neither a source nor an asset; ``...`` is none."""
    upstream: StepOutput | None = None
    """The output that is the upstream asset, whether or not its step is in the job: which manager
    stored it, and its metadata."""
    partitions_def: Any = None
    """Partitions of the upstream asset."""
    partition_mapping: Any = None
    """Which of them are loaded; None: by the default rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutput:
    name: str
    asset_key: AssetKey | None = None
    required: bool = True
    io_manager_key: str = "io_manager"
    annotation: Any = None
    """``None`` (the value, for "returns None"; Nothing becomes None): not stored. Any when the
    function says nothing."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    code_version: str | None = None
    is_dynamic: bool = False
    """Any number of values, each under a mapping key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDefinition:
    """One step, executable."""

    key: str
    """Step key: op name, alias, or asset key parts joined with ``__``."""
    name: str
    """The op's own name."""
    function: Callable[..., Any]
    inputs: tuple[StepInput, ...] = ()
    outputs: tuple[StepOutput, ...] = ()
    context_parameter: str | None = None
    """Name of the function's first parameter, when it takes a context."""
    config_parameter: str | None = None
    config_type: Any = None
    """Subclass of Config (or a dict schema given as ``config_schema``)."""
    resource_parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameter name (= resource key) -> annotation."""
    required_resource_keys: frozenset[str] = frozenset()
    pools: Mapping[str, int] = field(default_factory=dict)
    priority: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    compute: Mapping[str, Any] = field(default_factory=lambda: {"kind": "lambda"})
    timeout_seconds: int | None = None
    retry_policy: Any = None
    hooks: tuple[Any, ...] = ()
    """Of this step alone; those of its job are with the job."""
    partitions_def: Any = None
    backfill_policy: Any = None
    can_subset: bool = False
    is_asset: bool = False
    mapped_over: tuple[str, str] | None = None
    """(step key, output name) of a dynamic output: this is a step for each of its values."""
    description: str = ""
    source: str = ""
    """``file:line`` of the function, for error messages."""
