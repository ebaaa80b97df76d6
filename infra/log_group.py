"""A log group that keeps what the environment says."""

from aws_cdk import RemovalPolicy
from aws_cdk.aws_logs import LogGroup, RetentionDays
from constructs import Construct

from infra.environment import Environment

RETENTION = {
    1: RetentionDays.ONE_DAY,
    7: RetentionDays.ONE_WEEK,
    14: RetentionDays.TWO_WEEKS,
    30: RetentionDays.ONE_MONTH,
    90: RetentionDays.THREE_MONTHS,
    180: RetentionDays.SIX_MONTHS,
    365: RetentionDays.ONE_YEAR,
    731: RetentionDays.TWO_YEARS,
    1827: RetentionDays.FIVE_YEARS,
    3653: RetentionDays.TEN_YEARS,
}


class RetainedLogGroup(LogGroup):
    """Logs of one source, for as many days as the environment keeps them."""

    def __init__(self, scope: Construct, construct_id: str, environment: Environment) -> None:
        super().__init__(
            scope,
            construct_id,
            retention=RETENTION[environment.log_retention_days],
            removal_policy=RemovalPolicy[environment.removal_policy.upper()],
        )
