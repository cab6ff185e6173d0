"""Loads the arguments of a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.domain.mapping import mapped_step_key
from tidegate.domain.task import Invocation
from tidegate.errors import InvocationError
from tidegate.execution.io_storage import in_parallel
from tidegate.execution.resources import ResourceScope
from tidegate.execution.step_partitions import StepPartitions
from tidegate.execution.type_check import check_type
from tidegate.sdk.io import InputContext, IOManager, OutputContext
from tidegate.sdk.step import StepDefinition, StepInput, StepOutput

_PARALLEL_FROM = 3
"""Fewer values are loaded one after the other."""


@dataclass(frozen=True, slots=True)
class _Load:
    """One value to load."""

    context: InputContext
    manager: IOManager

    def __call__(self) -> Any:
        value = self.manager.load_input(self.context)
        if self.context.added:
            said = {name: one.value for name, one in self.context.added.items()}
            self.context.log.info("Input %r: %s", self.context.name, said)
        return value


@dataclass(frozen=True, slots=True)
class _Source:
    """One stored value upstream."""

    step_key: str
    output: StepOutput
    mapping_key: str | None = None


class StepInputs:
    """What the inputs of one step are, and where their values come from."""

    def __init__(
        self,
        step: StepDefinition,
        invocation: Invocation,
        steps: Mapping[str, StepDefinition],
        scope: ResourceScope,
        partitions: StepPartitions,
    ) -> None:
        self._step, self._invocation, self._steps, self._scope = step, invocation, steps, scope
        self._made_in = {key: run_id for run_id, keys in invocation.done_in.items() for key in keys}
        """Steps upstream that an earlier run has done."""
        self.partitions = {
            one.name: keys
            for one in step.inputs
            if one.loads and (keys := partitions.upstream(one)) is not None
        }
        """Input name -> partition keys of the asset it loads."""

    def arguments(self) -> dict[str, Any]:
        """The loaded values by argument name.

        Raises:
            OutputError: a value is not there.
            InvocationError: a value does not fit its annotation, or an input has none.
        """
        plans: dict[str, list[_Load] | None] = {}
        place = 0
        for one in self._step.inputs:
            there = self._there(one, place)
            place += len(one.sources)
            if one.loads:
                plans[one.name] = self._loads(one, there)
        loaded = iter(self._carry_out([load for loads in plans.values() for load in loads or ()]))
        values: dict[str, Any] = {}
        for one in self._step.inputs:
            if one.name in plans:
                values[one.name] = self._value(one, plans[one.name], loaded)
        return values

    def _there(self, one: StepInput, place: int) -> list[_Source]:
        """The values there are for an input whose first source is in this place among all of them."""
        invocation = self._invocation
        if one.collects:
            (end,) = one.sources
            return [self._source(end, key) for key in invocation.collected.get(place, ())]
        return [
            self._source(end, invocation.mapping_key)
            for k, end in enumerate(one.sources, place)
            if k not in invocation.missing
        ]

    def _source(self, end: tuple[str, str], mapping_key: str | None) -> _Source:
        key, name = end
        step = self._steps[key]
        output = next(out for out in step.outputs if out.name == name)
        if step.mapped_over is not None:
            key = mapped_step_key(key, mapping_key)
        return _Source(key, output, mapping_key if output.is_dynamic else None)

    def _value(self, one: StepInput, loads: list[_Load] | None, loaded: Any) -> Any:
        if loads is None:
            return self._default(one)
        found = [next(loaded) for _ in loads]
        value = found if one.fan_in else found[0]
        check_type(value, one.annotation, f"Input {one.name!r} of step {self._step.key!r}")
        return value

    def _default(self, one: StepInput) -> Any:
        if one.default is ...:
            raise InvocationError(
                f"Input {one.name!r} of step {self._step.key!r} has no value.",
                mend="Connect it, or give it a default.",
            )
        return one.default

    def _loads(self, one: StepInput, sources: Sequence[_Source]) -> list[_Load] | None:
        """What to load for an input; None when it has only a default."""
        if one.sources or one.fan_in:
            if not one.sources:
                return None
            return [self._load(one, source) for source in sources]
        if one.asset_key is None:
            return None
        output = one.upstream or StepOutput(name="result", asset_key=one.asset_key, annotation=Any)
        return [self._load(one, _Source("", output))]

    def _load(self, one: StepInput, source: _Source) -> _Load:
        output = source.output
        manager_key = one.io_manager_key or output.io_manager_key
        common: dict[str, Any] = {
            "step_key": source.step_key,
            "mapping_key": source.mapping_key,
            "run_id": self._invocation.run_id,
            "job_name": self._invocation.job,
            "run_tags": self._invocation.tags,
            "run_partition": self._invocation.partition_key,
            "key": output.asset_key,
            "partitions": self.partitions.get(one.name),
            "partitions_def": one.partitions_def,
            "log": self._scope.log,
        }
        if output.annotation is None and output.asset_key is None:
            return _Load(InputContext(**common), _NOTHING)
        manager = io_manager(self._scope, manager_key)
        given = self._scope.given(manager_key)
        common |= {"resources": given.resources, "resource_config": given.resource_config}
        stored = OutputContext(
            name=output.name,
            definition_metadata=output.metadata,
            annotation=output.annotation,
            **{**common, "run_id": self._made_in.get(source.step_key, common["run_id"])},
        )
        context = InputContext(
            name=one.name,
            definition_metadata=one.metadata,
            annotation=Any if one.fan_in else one.annotation,
            upstream_output=stored,
            consumer=self._step.key,
            **common,
        )
        return _Load(context, manager)

    @staticmethod
    def _carry_out(loads: list[_Load]) -> list[Any]:
        """Load everything, side by side where the managers allow it."""
        if len(loads) >= _PARALLEL_FROM and all(one.manager.loads_in_parallel for one in loads):
            return in_parallel(_Load.__call__, loads)
        return [load() for load in loads]


class _NothingManager(IOManager):
    """Stands for outputs that carry no value."""

    loads_in_parallel = True

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Nothing is stored."""

    def load_input(self, context: InputContext) -> None:
        return None


_NOTHING = _NothingManager()


def io_manager(scope: ResourceScope, key: str) -> IOManager:
    """The IO manager of this resource key.

    Raises:
        InvocationError: the resource is none.
    """
    manager = scope.get(key)
    if isinstance(manager, IOManager) or (
        hasattr(manager, "handle_output") or hasattr(manager, "load_input")
    ):
        found: IOManager = manager
        return found
    raise InvocationError(
        f"Resource {key!r} is no IO manager but {type(manager).__name__}.",
        mend="Give an IOManager in Definitions(resources=...).",
    )
