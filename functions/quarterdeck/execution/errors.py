"""Why a crew cannot be built; `quarterdeck.vault.SecretMissing` is the third reason."""

from quarterdeck.errors import QuarterdeckError


class InputMissing(QuarterdeckError):
    type = "input-missing"
    title = "An input is missing"

    def __init__(self, name: str) -> None:
        super().__init__(f"the input '{name}' is missing: the crew's texts hold {{{name}}}")


class CrewRefused(QuarterdeckError):
    type = "crew-refused"
    title = "crewai refuses the crew"

    def __init__(self, crew: str, reason: str) -> None:
        super().__init__(f"crewai refuses the crew '{crew}': {reason}")


class ToolMissing(QuarterdeckError):
    type = "tool-missing"
    title = "A tool is missing"
