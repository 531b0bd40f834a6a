"""Records that cost much to compress, to decompress or to look at."""

import random
import struct
import zlib
from functools import partial

from wire.codec import varint
from wire.records import batch, record, simple_batch

from .arena import Flood
from .crowd import NEIGHBOUR, many_addresses
from .requests import MEBIBYTE, produce

GZIP, LZ4, ZSTD = 1, 3, 4
# What a zstd decoder takes without being asked to: a window of 128 MiB.
LARGEST_WINDOW = 27


def words(size):
    """Text that compresses as text does."""
    chance = random.Random(11)
    stems = [b"alpha", b"beta", b"gamma", b"delta"]
    vocabulary = [b"%s%d" % (chance.choice(stems), chance.randrange(10**5)) for _ in range(40_000)]
    return b" ".join(chance.choice(vocabulary) for _ in range(size // 9))[:size]


def one_record_around(size):
    """A record whose value is `size` zeros, without them: what stands in front, and what stands behind."""
    head = b"\0" + varint(0) + varint(0) + varint(-1) + varint(size)
    return varint(len(head) + size + 1) + head, varint(0)


def packed(content, codec, count=1):
    """A batch with this compressed content."""
    return batch([content], attributes=codec, count=count, last_offset_delta=count - 1)


def gzip_bomb(size):
    front, behind = one_record_around(size)
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    parts = [packer.compress(front)]
    for _ in range(size // MEBIBYTE):
        parts.append(packer.compress(bytes(MEBIBYTE)))
    parts += [packer.compress(bytes(size % MEBIBYTE)), packer.compress(behind), packer.flush()]
    return packed(b"".join(parts), GZIP)


def lz4_bomb(size):
    """Blocks of 64 KiB, each a zero and the order to repeat it."""
    front, behind = one_record_around(size)
    # A frame with independent blocks of 64 KiB at most, and the checksum of that.
    parts = [b"\x04\x22\x4d\x18\x60\x40\x82"]

    def stored(data):
        parts.append(struct.pack("<I", len(data) | 1 << 31) + data)

    stored(front)
    # One literal; a match of so many bytes, one back; five literals, with which a block must end.
    block = 65_536
    more = block - 1 - 5 - 4 - 15
    repeated = b"\x1f\0\x01\0" + b"\xff" * (more // 255) + bytes([more % 255]) + b"\x50" + bytes(5)
    for _ in range(size // block):
        parts.append(struct.pack("<I", len(repeated)) + repeated)
    if size % block:
        stored(bytes(size % block))
    stored(behind)
    return packed(b"".join(parts) + bytes(4), LZ4)


def zstd_frame(blocks, window_log=17):
    """A zstd frame of such blocks: (type, size, content); type 0 is stored as it is, type 1 is one byte repeated."""
    parts = [b"\x28\xb5\x2f\xfd\x00" + bytes([(window_log - 10) << 3])]
    for number, (kind, size, content) in enumerate(blocks):
        last = number == len(blocks) - 1
        parts.append(struct.pack("<I", last | kind << 1 | size << 3)[:3] + content)
    return b"".join(parts)


def zstd_bomb(size):
    """Blocks of four bytes that each stand for 128 KiB."""
    front, behind = one_record_around(size)
    block = 128 * 1024
    blocks = [(0, len(front), front)] + [(1, block, b"\0")] * (size // block)
    if size % block:
        blocks.append((1, size % block, b"\0"))
    return packed(zstd_frame(blocks + [(0, len(behind), behind)]), ZSTD)


def zstd_with_a_large_window():
    """A small record in a frame that says it needs 128 MiB of memory to be read."""
    content = record(0, None, b"small")
    return packed(zstd_frame([(0, len(content), content)], LARGEST_WINDOW), ZSTD)


def many_small_records(count=100_000):
    """As many records as there are bytes in a few KiB of gzip."""
    content = zlib.compressobj(6, zlib.DEFLATED, 31)
    records = b"".join(record(number) for number in range(count))
    return packed(content.compress(records) + content.flush(), GZIP, count)


def text_in_gzip():
    content = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packed(content.compress(record(0, None, words(900_000))) + content.flush(), GZIP)


def topics(arena):
    arena.create_topic("dear", **{"compression_type": "zstd", "compression_zstd_level": 22})
    arena.create_topic("kept", 8)
    arena.create_topic("again", 8, **{"compression_type": "lz4"})
    # Each kind of batch in small is one that the broker takes: what the floods send is refused for its size or not at all.
    for kind in (partial(gzip_bomb, 1000), partial(lz4_bomb, 70_000), partial(zstd_bomb, 140_000),
                 partial(many_small_records, 10)):
        answer = arena.call("Produce", 9, {"acks": 1, "topic_data": [
            {"name": "kept", "partition_data": [{"index": 0, "records": kind()}]}]})
        code = answer["responses"][0]["partition_responses"][0]["error_code"]
        if code:
            raise RuntimeError(f"a good small batch of {kind} is refused with error {code}")


async def pipelined(crowd, topic, make, times, connections, **options):
    """The same batch many times on each connection, without waiting for answers."""
    records = make()
    frames = [produce(topic, records, partition=number) for number in range(1 if topic == "dear" else 8)]

    async def visitor(line):
        frame = frames[line.number % len(frames)]
        for _ in range(times):
            await line.send(frame)
        for _ in range(times):
            await line.answer()

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


def text():
    return simple_batch([words(1_000_000)])


FLOODS = [
    Flood("32 batches of 1 MB for zstd 22 on one connection",
          partial(pipelined, topic="dear", make=text, times=32, connections=1), topics, seconds=5),
    Flood("50 connections with 4 batches of 1 MB for zstd 22",
          partial(pipelined, topic="dear", make=text, times=4, connections=50, source=many_addresses), topics, seconds=5),
    Flood("100 connections with 1 MB of text in gzip, for lz4",
          partial(pipelined, topic="again", make=text_in_gzip, times=4, connections=100), topics, seconds=5),
    Flood("gzip that becomes 100 MB, on 50 connections",
          partial(pipelined, topic="kept", make=partial(gzip_bomb, 100_000_000), times=4, connections=50),
          topics, long=True),
    Flood("lz4 that becomes 100 MB, on 50 connections",
          partial(pipelined, topic="again", make=partial(lz4_bomb, 100_000_000), times=4, connections=50),
          topics, long=True),
    Flood("zstd that becomes 1 GB, on 50 connections",
          partial(pipelined, topic="kept", make=partial(zstd_bomb, 1_000_000_000), times=4, connections=50, source=NEIGHBOUR),
          topics),
    Flood("zstd that asks for a window of 128 MiB, on 50 connections",
          partial(pipelined, topic="kept", make=zstd_with_a_large_window, times=200, connections=50), topics),
    Flood("100,000 records in a small gzip, on 50 connections",
          partial(pipelined, topic="kept", make=many_small_records, times=10, connections=50), topics),
    Flood("zstd that becomes 1 GB, for lz4, on 50 connections",
          partial(pipelined, topic="again", make=partial(zstd_bomb, 1_000_000_000), times=4, connections=50),
          topics, long=True),
]
