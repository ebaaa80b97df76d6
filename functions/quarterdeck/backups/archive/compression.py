"""zstd, one frame a content, with its checksum."""

from backports.zstd import CompressionParameter, ZstdCompressor, ZstdDecompressor, ZstdError

OPTIONS: dict[int, int] = {
    CompressionParameter.compression_level: 3,
    CompressionParameter.checksum_flag: 1,
}


class NotCompressed(ValueError):
    """The bytes are not one frame of at most so many; says why."""


def start_compressor() -> ZstdCompressor:
    return ZstdCompressor(options=OPTIONS)


def compress(content: bytes) -> bytes:
    return start_compressor().compress(content, ZstdCompressor.FLUSH_FRAME)


def decompress(content: bytes, limit: int) -> bytes:
    """Never makes more than one byte over `limit`."""
    frame = ZstdDecompressor()
    try:
        plain = frame.decompress(content, max_length=limit + 1)
    except ZstdError as error:
        raise NotCompressed(f"it does not decompress: {error}") from None
    if len(plain) > limit:
        raise NotCompressed(f"it decompresses to more than {limit} bytes")
    if not frame.eof:
        raise NotCompressed("its zstd frame is cut off")
    if frame.unused_data:
        raise NotCompressed("something follows its zstd frame")
    return plain
