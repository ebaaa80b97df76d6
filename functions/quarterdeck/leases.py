"""What is due: leases that have run out, of tasks and deployments alike, and what is untold."""

from datetime import datetime

from quarterdeck.keys import (
    LEASE_SHARDS,
    LEASES,
    LeaseOwner,
    lease_shard,
    outbox_shard,
    parse_lease_owner,
)
from quarterdeck.names import format_time
from quarterdeck.table import Table

PAGE = 100


def list_due(table: Table, now: datetime) -> list[LeaseOwner]:
    """Whose lease has run out, whose message nobody took, what its ender has not told.

    As the index knows it: it can be behind.
    """
    return [
        parse_lease_owner(item["pk"], item["sk"])
        for spell_shard in (lease_shard, outbox_shard)
        for shard in range(LEASE_SHARDS)
        for item in table.query_index(
            LEASES, spell_shard(shard), below=format_time(now), limit=PAGE
        ).items
    ]
