"""The one logger, and the names of metrics."""

from aws_lambda_powertools import Logger

logger = Logger(service="quarterdeck", utc=True)
"""JSON lines; level by POWERTOOLS_LOG_LEVEL."""
