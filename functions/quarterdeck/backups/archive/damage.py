"""What is wrong with an archive."""

from pydantic import BaseModel, ValidationError


class ArchiveDamaged(Exception):
    """`chunk` is the name of an object of the archive, `rule` what it breaks."""

    def __init__(self, chunk: str, rule: str) -> None:
        super().__init__(f"{chunk}: {rule}")
        self.chunk = chunk
        self.rule = rule


def parse_object[M: BaseModel](kind: type[M], name: str, content: bytes) -> M:
    """ArchiveDamaged with the first fault of what is not of this kind."""
    try:
        return kind.model_validate_json(content, strict=True)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise ArchiveDamaged(name, f"{place or 'it'}: {fault['msg']}") from None
