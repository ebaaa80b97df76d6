"""A seal opens what was sealed with its key, under that name and for that archive, alone."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.backups.archive.damage import ArchiveDamaged
from quarterdeck.backups.archive.head import Encryption, Opened
from quarterdeck.backups.archive.layout import MIB, ArchiveName
from quarterdeck.backups.archive.sealing import ALGORITHM, FRAME_BYTES, Seal, make_seal
from tests.prove import PROVE

DESK, OTHER = ArchiveName("desk", "b1"), ArchiveName("other", "b1")
KEY = bytes(range(32))
CHUNK = "task_histories/000001-1.chunk"
CONTENT = b"what the agent found"
KINDS: tuple[Encryption, ...] = ("aws-encryption-sdk", "none")
STEP = 1 if PROVE else 7


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Encryption:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def seal(kind: Encryption) -> Seal:
    return make_seal(DESK, Opened(kind, KEY))


def list_damage(sealed: bytes) -> Iterator[bytes]:
    """`sealed` with a byte changed, cut off anywhere, and with something after it."""
    for place in range(0, len(sealed), STEP):
        for mask in (0x01, 0x80, 0xFF):
            yield sealed[:place] + bytes([sealed[place] ^ mask]) + sealed[place + 1 :]
        yield sealed[:place]
    yield sealed + b"\0"
    yield sealed + sealed


def test_every_change_is_found(seal: Seal) -> None:
    sealed = seal.close(CHUNK, CONTENT)

    assert seal.open(CHUNK, sealed) == CONTENT
    for damaged in list_damage(sealed):
        with pytest.raises(ArchiveDamaged, match=CHUNK):
            seal.open(CHUNK, damaged)


@given(content=st.binary(max_size=100))
@pytest.mark.parametrize("kind", KINDS)
def test_no_bytes_are_taken_for_a_sealed_object(kind: Encryption, content: bytes) -> None:
    with pytest.raises(ArchiveDamaged):
        make_seal(DESK, Opened(kind, KEY)).open(CHUNK, content)


def test_an_object_opens_under_its_name_alone(seal: Seal, kind: Encryption) -> None:
    sealed = seal.close(CHUNK, CONTENT)

    with pytest.raises(ArchiveDamaged, match="000002-1"):
        seal.open("task_histories/000002-1.chunk", sealed)
    with pytest.raises(ArchiveDamaged, match=CHUNK):
        make_seal(OTHER, Opened(kind, KEY)).open(CHUNK, sealed)
    with pytest.raises(ArchiveDamaged, match=CHUNK):
        make_seal(DESK, Opened(kind, KEY[::-1])).open(CHUNK, sealed)


@pytest.mark.parametrize("size", [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 3 * MIB])
def test_any_size_comes_back(seal: Seal, size: int) -> None:
    content = os.urandom(size)
    assert seal.open(CHUNK, seal.close(CHUNK, content)) == content


def test_frames_cannot_be_dropped_or_exchanged() -> None:
    seal = make_seal(DESK, Opened("aws-encryption-sdk", KEY))
    sealed = seal.close(CHUNK, bytes(3 * MIB))
    frame = 4 + 12 + FRAME_BYTES + 16
    # The final frame is empty: its mark, number, IV, length and tag.
    start = len(sealed) - (4 + 4 + 12 + 4 + 16) - 3 * frame
    first, second = (sealed[start + n * frame : start + (n + 1) * frame] for n in (0, 1))

    assert sealed[start : start + 4] == (1).to_bytes(4, "big")
    for body in (second + first, first, first + first):
        with pytest.raises(ArchiveDamaged, match=CHUNK):
            seal.open(CHUNK, sealed[:start] + body + sealed[start + 2 * frame :])


def test_messages_are_of_the_committing_suite_without_a_signature() -> None:
    sealed = make_seal(DESK, Opened("aws-encryption-sdk", KEY)).close(CHUNK, CONTENT)

    assert sealed[:3] == b"\x02\x04\x78", "version 2, AES-256-GCM with key commitment"
    assert ALGORITHM.signing_algorithm_info is None
    assert CHUNK.encode() in sealed, "the context is readable, and authenticated"
    assert CONTENT not in sealed
