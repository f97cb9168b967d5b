"""Data gzipped, well and badly."""

import gzip
import struct
import zlib


def pack(data):
    return gzip.compress(data, 6, mtime=0)


def bomb(size, data):
    """`size` blanks and the data, gzipped: one fully flushed block, again and again."""
    blank = b" " * 1048576
    last = blank[:size % len(blank)] + data
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(blank) + packer.flush(zlib.Z_FULL_FLUSH)
    end = packer.compress(last) + packer.flush()
    times, crc = size // len(blank), 0
    for _ in range(times):
        crc = zlib.crc32(blank, crc)
    tail = struct.pack("<II", zlib.crc32(last, crc), (size + len(data)) & 0xffffffff)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + block * times + end + tail


def truncated(data):
    packed = pack(data)
    return packed[:len(packed) // 2]


def bad_crc(data):
    """All the data is right; only the trailer says that it is not."""
    packed = bytearray(pack(data))
    packed[-8] ^= 0x01
    return bytes(packed)


def corrupt(data):
    """One byte of the data differs from what the trailer sums up.  It is stored uncompressed, and
    a 4 has become a 5, where there is one: so nothing but the sum can tell."""
    packed = bytearray(gzip.compress(data, 0, mtime=0))
    middle = 15 + min(len(data), 65535) // 2        # gzip's head has 10 bytes, the block's 5
    place = packed.find(b"4", middle, 15 + min(len(data), 65535))
    packed[middle if place < 0 else place] ^= 0x01
    return bytes(packed)


def two_members(data):
    """As some writers flush: two gzip files on end, which are one."""
    half = len(data) // 2
    return pack(data[:half]) + pack(data[half:])


def trailing_garbage(data):
    return pack(data) + b"\0\0garbage after the end"
