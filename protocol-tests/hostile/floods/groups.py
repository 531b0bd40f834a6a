"""Groups and producers: what the broker keeps for whoever says that there is one."""

import struct
from functools import partial

from wire.records import crc32c, simple_batch

from .arena import Flood
from .crowd import NEIGHBOUR, many_addresses, until_the_end
from .held import group_that_waits
from .requests import MEBIBYTE, produce, request
from .visits import pipeline_without_end, send_and_hold

PRODUCERS = 100_000
PIPELINED = 50


def join(group, metadata, version=3, session_ms=6000, **more):
    return request("JoinGroup", version, {"group_id": group, "session_timeout_ms": session_ms, "rebalance_timeout_ms": 600_000,
                                          "member_id": "", "protocols": [{"name": "range", "metadata": metadata}], **more})


async def large_members(crowd, connections, groups, **options):
    """Groups of one member each, whose metadata has 500 KB."""
    frame = join("group-0000", b"m" * 500_000)

    async def visitor(line):
        for number in range(line.number, groups, connections):
            await line.ask(frame.replace(b"group-0000", b"group-%04d" % number, 1))

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)
    await until_the_end()


def join_the_waiting(metadata=1000):
    """A member that waits for one who will not come."""
    return join("waiting", b"m" * metadata)


def ask_for_a_member_id():
    return [join("waiting", b"m", version=5)]


def speak_for_nobody():
    """A heartbeat, a sync and a departure of a member of no group."""
    nobody = {"group_id": "nobody", "generation_id": 1, "member_id": "nobody"}
    return [request("Heartbeat", 3, nobody), request("SyncGroup", 3, nobody),
            request("LeaveGroup", 3, {"group_id": "nobody", "members": [{"member_id": "nobody"}]})]


def assigned(group, **more):
    """A member that the broker assigns, new each time: the broker makes its id."""
    return request("ConsumerGroupHeartbeat", 0, {"group_id": group, "member_id": "", "member_epoch": 0,
                                                 "rebalance_timeout_ms": 600_000, "topic_partitions": [], **more})


def become_a_member():
    return [assigned("assigned", subscribed_topic_names=["assigned", "nowhere"])]


def look_for_topics():
    """Members of some groups, each with an expression of its own that is costly for every name."""
    return [request("ConsumerGroupHeartbeat", 1, {
        "group_id": f"looking-{number % 5}", "member_id": f"member-{number}", "member_epoch": 0, "rebalance_timeout_ms": 600_000,
        "subscribed_topic_regex": f"((a|b|ab|{number})?{{30}}){{30}}", "topic_partitions": []}) for number in range(PIPELINED)]


def ask_for_a_producer_id():
    return [request("InitProducerId", 1, {})]


def assigned_topic(arena):
    arena.create_topic("assigned", partitions=100)


def long_names(arena):
    for number in range(50):
        arena.create_topic(f"{number:02}" + 240 * "a")


def rolling_topic(arena):
    arena.create_topic("rolling", segment_bytes=MEBIBYTE)


async def many_producers(crowd, connections, **options):
    """One batch of each of 100,000 producers on one partition, whose segments are small: each roll writes all of them down."""
    batch = simple_batch([b"value"], producer_id=0, producer_epoch=0, base_sequence=0)
    template = produce("rolling", batch)
    begin = template.index(batch)
    # What the checksum covers begins behind it; the producer's id stands 43 bytes into the batch.
    covered, identity = begin + 21, begin + 43
    parts = []
    for producer in range(PRODUCERS):
        frame = bytearray(template)
        struct.pack_into(">q", frame, identity, 1_000_000 + producer)
        struct.pack_into(">I", frame, begin + 17, crc32c(frame[covered:begin + len(batch)]))
        parts.append(bytes(frame))
    share = len(parts) // connections

    async def visitor(line):
        mine = parts[line.number * share:(line.number + 1) * share]
        for start in range(0, share, PIPELINED):
            some = mine[start:start + PIPELINED]
            await line.send(b"".join(some))
            for _ in some:
                await line.answer()

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


FLOODS = [
    Flood("2,000 groups with members of 500 KB", partial(large_members, connections=20, groups=2000), seconds=5),
    Flood("5,000 joins that wait",
          partial(send_and_hold, make=join_the_waiting, connections=5000, source=many_addresses),
          group_that_waits, seconds=5),
    Flood("500 joins of 500 KB that wait",
          partial(send_and_hold, make=partial(join_the_waiting, 500_000), connections=500), group_that_waits, seconds=4),
    Flood("ids for members that never come, on 100 connections",
          partial(pipeline_without_end, make=ask_for_a_member_id, times=PIPELINED, connections=100, source=NEIGHBOUR),
          group_that_waits, long=True),
    Flood("members of no group, on 100 connections",
          partial(pipeline_without_end, make=speak_for_nobody, times=PIPELINED // 3, connections=100), long=True),
    Flood("members without end that the broker assigns, on 100 connections",
          partial(pipeline_without_end, make=become_a_member, times=PIPELINED, connections=100), assigned_topic, seconds=8),
    Flood("regular expressions without end, on 20 connections",
          partial(pipeline_without_end, make=look_for_topics, times=1, connections=20), long_names, seconds=8),
    Flood("ids for producers without end, on 100 connections",
          partial(pipeline_without_end, make=ask_for_a_producer_id, times=PIPELINED, connections=100), long=True),
    Flood("100,000 producers on a partition that rolls", partial(many_producers, connections=20), rolling_topic, seconds=12),
    # As many connections as a broker takes that may open 20,000 files, and some of the honest client.
    Flood("9,000 joins that wait",
          partial(send_and_hold, make=join_the_waiting, connections=9_000, source=many_addresses), group_that_waits,
          seconds=20, long=True),
]
