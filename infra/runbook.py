"""Which section of docs/operations.md says what an alarm means, and what to do."""

DOCUMENT = "docs/operations.md"
# The longest first: `release-errors` are not any errors.
KINDS = (
    "malformed-messages",
    "release-errors",
    "server-errors",
    "oldest-message",
    "dead-letters",
    "throttles",
    "heartbeat",
    "errors",
)


def name_section(alarm: str) -> str:
    """The heading for an alarm, by its name without the environment: `worker-errors`.

    Alarms of the same kind share one; an alarm of no kind has its own.
    """
    kind = next((kind for kind in KINDS if alarm.endswith(f"-{kind}")), alarm)
    return f"Alarm: {kind}"


def describe_alarm(alarm: str, meaning: str) -> str:
    return f'{meaning}. What to do: {DOCUMENT}, "{name_section(alarm)}"'
