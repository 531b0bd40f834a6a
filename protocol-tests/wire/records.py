"""Record batches of magic 2, good ones and ones that lie."""

import struct
import time

from .codec import varint

CASTAGNOLI = []
for byte in range(256):
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    CASTAGNOLI.append(byte)


def crc32c(data):
    """The checksum of record batches; slow, but test batches are small."""
    value = 0xFFFFFFFF
    for byte in data:
        value = CASTAGNOLI[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def record(index, key=None, value=b"", headers=(), timestamp_delta=0):
    """One record, its length in front."""
    body = bytearray(b"\0")
    body += varint(timestamp_delta) + varint(index)
    for part in (key, value):
        body += varint(-1) if part is None else varint(len(part)) + part
    body += varint(len(headers))
    for name, content in headers:
        body += varint(len(name)) + name
        body += varint(-1) if content is None else varint(len(content)) + content
    return varint(len(body)) + bytes(body)


def batch(records, *, base_timestamp=None, attributes=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
          count=None, last_offset_delta=None, base_offset=0, magic=2, length=None, checksum=None, maximum_timestamp=None):
    """A batch of the encoded `records`; every header field can be made to lie."""
    stamp = int(time.time() * 1000) if base_timestamp is None else base_timestamp
    number = len(records) if count is None else count
    last = max(len(records) - 1, 0) if last_offset_delta is None else last_offset_delta
    after_checksum = struct.pack(
        ">hiqqqhii", attributes, last, stamp, stamp if maximum_timestamp is None else maximum_timestamp,
        producer_id, producer_epoch, base_sequence, number,
    ) + b"".join(records)
    total = 4 + 1 + 4 + len(after_checksum) if length is None else length
    check = crc32c(after_checksum) if checksum is None else checksum
    return struct.pack(">qiibI", base_offset, total, -1, magic, check) + after_checksum


def simple_batch(values, **fields):
    """A batch of keyless records with these values."""
    return batch([record(index, None, value) for index, value in enumerate(values)], **fields)


def record_count(batches):
    """How many records the batches in fetched bytes claim; a torn last batch is not counted."""
    at = total = 0
    while at + 61 <= len(batches):
        length = struct.unpack_from(">i", batches, at + 8)[0]
        if at + 12 + length > len(batches):
            break
        total += struct.unpack_from(">i", batches, at + 57)[0]
        at += 12 + length
    return total
