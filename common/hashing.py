"""Which partition a key belongs to, as every Kafka client's default partitioner has it."""

from __future__ import annotations

import struct
from functools import cache

_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def partition_of(key: str, partitions: int) -> int:
    """Return the partition of a key: murmur2 of its bytes, made positive, modulo partitions."""
    return (_murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def _murmur2(content: bytes) -> int:
    """Hash as Kafka's `Utils.murmur2` does (MurmurHash2, seed 0x9747b28c, 32 bits)."""
    h = 0x9747B28C ^ len(content)
    whole = len(content) & ~3
    for word in _words(whole).unpack_from(content):
        k = word * _M & _MASK
        h = h * _M & _MASK ^ (k ^ k >> 24) * _M & _MASK
    tail = content[whole:]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ (h >> 15)


@cache
def _words(size: int) -> struct.Struct:
    """Read so many bytes as little-endian numbers of 32 bits; keys are short, so these are few."""
    return struct.Struct(f"<{size // 4}I")
