"""API keys: `Authorization: Bearer KEY`, looked up by SHA-256; the key itself is kept nowhere."""

import hashlib
import hmac
import math
import time
from collections.abc import Callable

from quarterdeck.identity.principal import ADMIN, Principal
from quarterdeck.table import Put, Table, access_key


def read_bearer(header: str | None) -> str | None:
    """The key of an Authorization header, None if the header is of another form."""
    scheme, _, key = (header or "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def digest_key(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class KeyStore:
    """The first admin key of the environment, and the keys in the table."""

    def __init__(self, table: Table, read_admin_key: Callable[[], str]) -> None:
        self.table = table
        self.read_admin_key = read_admin_key

    def identify(self, key: str) -> Principal | None:
        """Whose key it is; None for an unknown or expired one."""
        digest = digest_key(key)
        if hmac.compare_digest(digest, digest_key(self.read_admin_key())):
            return ADMIN
        item = self.table.get(access_key(digest))
        if item is None or item.get("expires_at", math.inf) <= time.time():
            return None
        return Principal.model_validate(item)

    def put(self, key: str, principal: Principal) -> None:
        """Lets the key in as `principal`."""
        self.table.write(Put(access_key(digest_key(key)), principal.model_dump()))
