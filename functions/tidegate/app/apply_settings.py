"""Apply settings: bring the limits that settings name to the capacities they name.

A limit somebody changed by hand keeps that value until the settings for it change. The settings applied last are kept in the
bucket, so a start with unchanged settings costs one read.
"""

from __future__ import annotations

import json

from tidegate.app.launch import launch
from tidegate.app.services import Services
from tidegate.domain.limit import configured_limits

APPLIED = "control/settings.json"


def apply_settings(services: Services) -> list[str]:
    """Set what changed since the settings were applied last. Answers the keys. Twice is once."""
    wanted = configured_limits(services.settings)
    body = services.blobs.get(APPLIED)
    applied = json.loads(body)["limits"] if body else {}
    changed = [key for key, capacity in wanted.items() if applied.get(key) != capacity]
    gone = [key for key in applied if key not in wanted]
    for key in changed:
        launch(services, services.admission.set_limit(key, wanted[key], source="settings"))
    for key in gone:
        launch(services, services.admission.set_limit(key, -1, source="settings"))
    if changed or gone:
        services.blobs.put(APPLIED, json.dumps({"limits": wanted}, sort_keys=True).encode())
    return changed + gone
