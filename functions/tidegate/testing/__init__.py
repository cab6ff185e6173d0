"""The public test kit: a whole deployment in this process, with a simulated clock.

with LocalDeployment(defs) as tg:
    run = tg.submit("job")
    tg.settle()
    assert tg.run(run).status == "SUCCESS"
"""

from __future__ import annotations

from tidegate.testing.local_deployment import LocalDeployment
from tidegate.testing.views import BackfillView, EventView, LimitView, RunView

__all__ = ["BackfillView", "EventView", "LimitView", "LocalDeployment", "RunView"]
