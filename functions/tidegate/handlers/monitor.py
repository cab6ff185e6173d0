"""Lambda ``monitor``: EventBridge events of containers and executions that ended, and the sweep's tick."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from tidegate.app.upkeep.monitor import observe
from tidegate.handlers.environment import services
from tidegate.handlers.observe import logger, metrics


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    repaired = observe(services(), event)
    metrics.add_metric(name="Repairs", unit=MetricUnit.Count, value=sum(repaired.values()))
    metrics.flush_metrics()
    metrics.clear_metrics()  # where metrics are switched off, flushing leaves them to pile up
    return repaired
