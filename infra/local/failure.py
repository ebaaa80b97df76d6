"""What ends a local run: `LocalRunFailed`, said in one line."""


class LocalRunFailed(Exception):
    """The message is the one line that the person at the terminal gets."""
