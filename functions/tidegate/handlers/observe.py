"""Structured logs and metrics, the same in every control-plane function."""

from __future__ import annotations

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging import utils

logger = Logger(service="tidegate")
utils.copy_config_to_registered_loggers(source_logger=logger, include={"tidegate"})
metrics = Metrics(namespace="Tidegate", service="tidegate")
