"""`Authorization: Bearer KEY` -> whose key it is."""

import hmac
from collections.abc import Callable
from datetime import datetime

from quarterdeck.identity.keys import KeyStore, digest_key
from quarterdeck.identity.principal import ADMIN, Principal
from quarterdeck.identity.uses import KeyUses


def read_bearer(header: str | None) -> str | None:
    """The key of an Authorization header, None if the header is of another form."""
    scheme, _, key = (header or "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


class Authenticator:
    """Knows the first admin key of the environment, and the keys in the table."""

    def __init__(
        self,
        keys: KeyStore,
        uses: KeyUses,
        read_admin_key: Callable[[], str],
        clock: Callable[[], datetime],
    ) -> None:
        self.keys = keys
        self.uses = uses
        self.read_admin_key = read_admin_key
        self.clock = clock

    def identify(self, key: str) -> Principal | None:
        """Whose key it is, with its use noted; None for an unknown or expired one."""
        digest = digest_key(key)
        if hmac.compare_digest(digest, digest_key(self.read_admin_key())):
            return ADMIN
        now = self.clock()
        principal = self.keys.find(digest, now)
        if principal and principal.key_id:
            self.uses.note(principal.key_id, now)
        return principal
