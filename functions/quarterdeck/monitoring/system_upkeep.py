"""What the monitor does for systems: sends lost deployments again, finishes deletions, checks."""

from collections.abc import Callable, Iterable
from datetime import datetime

from quarterdeck.alerts.conditions import note_health
from quarterdeck.alerts.store import AlertStore
from quarterdeck.errors import NotFound
from quarterdeck.keys import DeploymentId, LeaseOwner, find_shard
from quarterdeck.names import format_time
from quarterdeck.observability import logger
from quarterdeck.systems.activity import mark_active
from quarterdeck.systems.health import CHECK_MINUTES, HealthCheck, is_due
from quarterdeck.systems.lifecycle import API_SECONDS
from quarterdeck.systems.records import System
from quarterdeck.systems.rollout import resend_deployment
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import ConditionFailed
from quarterdeck.tasks.queue import DeletionMessage, DeploymentMessage, LifecycleMessage, Queue


class SystemUpkeep:
    def __init__(
        self,
        systems: SystemStore,
        health: HealthCheck,
        alerts: AlertStore,
        queue: Queue[LifecycleMessage],
        clock: Callable[[], datetime],
    ) -> None:
        self.systems = systems
        self.health = health
        self.alerts = alerts
        self.queue = queue
        self.clock = clock

    def resend_deployments(self, due: Iterable[LeaseOwner]) -> int:
        """Those whose message nobody took, or whose deployer is lost; how many."""
        resent = 0
        for owner in due:
            if not isinstance(owner, DeploymentId):
                continue
            try:
                resent += self._resend(owner)
            except (ConditionFailed, NotFound):
                continue
            except Exception:
                logger.exception("A deployment could not be sent again", **owner._asdict())
        return resent

    def _resend(self, due: DeploymentId) -> bool:
        deployment = self.systems.get_deployment(*due)
        now = self.clock()
        # The index is behind, or another was faster.
        if (deployment.lease_expires_at or "~") >= format_time(now):
            return False
        self.systems.table.write(resend_deployment(due.system_id, deployment, now))
        self.queue.send(DeploymentMessage(**due._asdict()))
        return True

    def look_after_systems(self) -> int:
        """Each system once in 15 minutes; how many. One that fails keeps no other from it."""
        looked = 0
        for system_id in self.systems.list_active():
            if not is_due(find_shard(system_id, CHECK_MINUTES), self.clock()):
                continue
            try:
                self._look_after(self.systems.get(system_id))
                looked += 1
            except NotFound:
                continue
            except Exception:
                logger.exception("A system could not be checked", system_id=system_id)
        return looked

    def _look_after(self, system: System) -> None:
        if system.state == "deleting":
            # It may have been asked for this very second.
            message = DeletionMessage(system_id=system.system_id, delete=True)
            self.queue.send(message, delay_s=API_SECONDS)
            return
        report = self.health.check(system, self.clock())
        self.health.note(system, report)
        alert = note_health(self.alerts, system.scope, report, self.clock())
        if alert.outbox:
            mark_active(self.systems.table, system.system_id, self.clock())
        if report.status == "unhealthy":
            logger.warning(
                "Unhealthy", system_id=system.system_id, crews=report.model_dump()["crews"]
            )
