"""Which partition a key belongs to, as every Kafka client's default partitioner has it."""

from __future__ import annotations


def partition_of(key: str, partitions: int) -> int:
    """Return the partition of a key: murmur2 of its bytes, made positive, modulo partitions."""
    return (_murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def _murmur2(content: bytes) -> int:
    """Hash as Kafka's `Utils.murmur2` does (MurmurHash2, seed 0x9747b28c, 32 bits)."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(content)) & mask
    whole = len(content) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(content[i : i + 4], "little")
        k = (k * m) & mask
        k ^= k >> 24
        k = (k * m) & mask
        h = ((h * m) & mask) ^ k
    tail = content[whole:]
    if tail:
        h ^= int.from_bytes(tail, "little")
        h = (h * m) & mask
    h ^= h >> 13
    h = (h * m) & mask
    return h ^ (h >> 15)
