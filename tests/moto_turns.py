"""moto, one call at a time: when threads call at once it loses updates, and breaks."""

import threading
from functools import wraps
from typing import Any


def take_turns(owner: type, name: str) -> None:
    """A call of the owner's method waits for those that began before it."""
    act = getattr(owner, name)
    turn = threading.RLock()

    @wraps(act)
    def act_in_turn(*arguments: Any, **named: Any) -> Any:
        with turn:
            return act(*arguments, **named)

    setattr(owner, name, act_in_turn)
