"""What is wrong with an archive."""


class ArchiveDamaged(Exception):
    """`chunk` is the name of an object of the archive, `rule` what it breaks."""

    def __init__(self, chunk: str, rule: str) -> None:
        super().__init__(f"{chunk}: {rule}")
        self.chunk = chunk
        self.rule = rule
