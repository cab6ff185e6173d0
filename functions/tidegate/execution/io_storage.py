"""What IO managers that store bytes have in common: the format, the key, and what is said when a value is missing."""

from __future__ import annotations

import typing
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from tidegate.errors import OutputError
from tidegate.execution.value_format import Encoded, decode, encode
from tidegate.execution.value_location import value_keys
from tidegate.sdk.context import output_label
from tidegate.sdk.io import InputContext, IOManager, OutputContext
from tidegate.sdk.metadata import MetadataValue

T = TypeVar("T")
R = TypeVar("R")

LOADERS = 32
"""Threads that load side by side; the S3 client keeps as many connections."""


class StorageIOManager(IOManager):
    """Stores each value as one object, whole or not at all, in the format that suits it."""

    @abstractmethod
    def write(self, key: str, value: Encoded) -> MetadataValue:
        """Replace what is at ``key``, atomically. Answers where that is."""

    @abstractmethod
    def read(self, key: str) -> Encoded | None:
        """What is at ``key``; None if nothing is."""

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        keys = value_keys(context)
        if is_by_partition(context, keys, obj):
            in_parallel(lambda one: self.write(keys[one], _encoded(context, obj[one])), keys)
        elif len(keys) > 1:
            raise several_partitions(context, len(keys))
        else:
            path = self.write(next(iter(keys.values())), _encoded(context, obj))
            context.add_output_metadata({"path": path})

    def load_input(self, context: InputContext) -> Any:
        """The value; several partitions as a dict by partition key."""
        keys = value_keys(context)
        if len(keys) == 1 and not (None not in keys and wants_dict(context.annotation)):
            partition, key = next(iter(keys.items()))
            return self._load(context, partition, key)
        return dict(
            zip(keys, in_parallel(lambda one: self._load(context, *one), keys.items()), strict=True)
        )

    def _load(self, context: InputContext, partition: str | None, key: str) -> Any:
        stored = self.read(key)
        if stored is None:
            raise missing(context, partition)
        try:
            return decode(stored.body, stored.format)
        except OutputError as error:
            what = describe(context, partition)
            raise OutputError(f"{what}: {error.message}", mend=error.mend) from error


def _encoded(context: OutputContext, obj: Any) -> Encoded:
    try:
        return encode(obj)
    except OutputError as error:
        raise OutputError(
            f"Output {context.name!r} of step {context.step_key!r}: {error.message}",
            mend=error.mend,
        ) from error


def is_by_partition(context: OutputContext, keys: Iterable[str | None], obj: Any) -> bool:
    """What a run of a range returned is a value for each of its partitions, by key."""
    return (
        context.run_partition is None
        and None not in keys
        and isinstance(obj, Mapping)
        and set(obj) == set(keys)
    )


def several_partitions(context: OutputContext, count: int) -> OutputError:
    return OutputError(
        f"Output {context.name!r} of step {context.step_key!r} is {count} partitions at once, "
        "which are stored one by one.",
        mend="Return a dict with a value for each of context.partition_keys; or store it yourself, "
        "and return MaterializeResult.",
    )


def wants_dict(annotation: Any) -> bool:
    """Whether an input is annotated as a mapping (from partition keys)."""
    origin = typing.get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, Mapping)


def describe(context: InputContext, partition: str | None) -> str:
    """The value that an input wants, in words."""
    if context.has_asset_key:
        where = "" if partition is None else f", partition {partition!r}"
        return f"Asset {str(context.asset_key)!r}{where}"
    stored = context.upstream_output or context
    name = output_label(stored.name, stored.mapping_key)
    return f"Output {name!r} of step {stored.step_key!r} in run {stored.run_id}"


def missing(context: InputContext, partition: str | None) -> OutputError:
    """What to say when nothing is stored where an input looks."""
    consumer = f"; input {context.name!r} of step {context.consumer!r} needs it"
    what = (
        f"{describe(context, partition)} has no stored value{consumer if context.consumer else ''}."
    )
    if not context.has_asset_key:
        return OutputError(what, mend="Run the job again from that step.")
    return OutputError(
        what,
        mend="Materialize it first. If its function stores the data itself (returns None or a MaterializeResult "
        "without a value), use deps instead of an argument.",
    )


def in_parallel(load: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Load side by side, answers in order; the first failure is raised, and what has not begun is dropped.

    Each in a copy of the caller's context: what is set there holds for its threads too.
    """
    todo = list(items)
    if len(todo) < 2:
        return [load(one) for one in todo]
    pool = ThreadPoolExecutor(min(LOADERS, len(todo)), thread_name_prefix="load")
    try:
        started = [pool.submit(copy_context().run, load, one) for one in todo]
        return [one.result() for one in started]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
