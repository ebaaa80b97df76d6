"""The one logger."""

from aws_lambda_powertools import Logger

logger = Logger(utc=True)
"""JSON lines; service by POWERTOOLS_SERVICE_NAME, level by LOG_LEVEL."""
