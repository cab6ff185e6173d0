"""The dynamic keys of a run's range: those there were when it was submitted, kept in the bucket for all of its life.

So what the run holds, what its code sees, what is recorded and what its retry is for is one set, whatever is added to the
definition or deleted from it meanwhile. They are kept by hash: runs of the same keys share an object, and the run's row has
64 characters for any number of keys. See ``docs/adr/0015-the-keys-of-a-range.md``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from tidegate.app.services import Services
from tidegate.domain.partitions.definition import DynamicKeys, PartitionsDefinition
from tidegate.domain.partitions.range_keys import Keys, dynamic_names, keys_of_range, range_of
from tidegate.domain.run import Run
from tidegate.errors import DeploymentError

MOST_REMEMBERED = 64
"""Sets of keys that a process remembers."""


def fix_range_keys(
    services: Services,
    definition: PartitionsDefinition | None,
    tags: Mapping[str, str],
    known: DynamicKeys,
) -> str | None:
    """Keep the keys of a run's range, before the run is written. Answers their hash; None: it has none. Twice is once.

    Raises:
        UnknownPartitionError, InvocationError, RequestError: it is no range of the definition.
    """
    key_range = range_of(tags)
    if definition is None or key_range is None or not dynamic_names(definition):
        return None
    keys = keys_of_range(definition, key_range, known)
    body = json.dumps(keys, separators=(",", ":")).encode()
    digest = hashlib.sha256(body).hexdigest()
    services.blobs.put(_place(digest), body)
    return digest


def range_keys_of(services: Services, run: Run) -> Keys:
    """Empty: the run is not for a range of dynamic keys.

    Raises:
        DeploymentError: they were deleted from the bucket.
    """
    return {} if run.range_keys is None else kept_range_keys(services, run.range_keys)


def kept_range_keys(services: Services, digest: str) -> Keys:
    """
    Raises:
        DeploymentError: they were deleted from the bucket.
    """
    known = services.range_keys.get(digest)
    if known is None:
        body = services.blobs.get(_place(digest))
        if body is None:
            raise DeploymentError(
                f"The partition keys {digest[:12]} are not in the bucket.",
                mend="They were deleted. Launch the run again for its range.",
            )
        if len(services.range_keys) >= MOST_REMEMBERED:
            services.range_keys.clear()
        known = services.range_keys[digest] = json.loads(body)
    return known


def keep_on(services: Services, digest: str) -> None:
    """Write them again: an object that is not written for long expires."""
    body = services.blobs.get(_place(digest))
    if body is not None:
        services.blobs.put(_place(digest), body)


def _place(digest: str) -> str:
    return f"control/keys/{digest}.json"
