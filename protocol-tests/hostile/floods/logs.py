"""What strangers can have the broker write into its log, and what it does when nobody reads that."""

import os
import struct
from functools import partial

from wire.connection import frame

from .arena import Flood
from .crowd import NEIGHBOUR
from .requests import MEBIBYTE, request

# A line that would pass for the broker's own, a cleared screen, a window's title, and a control sequence of one character.
FORGED = ("x\n2026-01-01T00:00:00.000000Z ERROR log directory offline directory=\"/data\""
          "\x1b[2J\x1b]0;owned\x07\r\x9b31m\x7f\u2028")
FORGED_LINE = b"\n2026-01-01T00:00"
LOG_LIMIT = 2 * MEBIBYTE


def join(group, name="range", kind="consumer", client_id="flood"):
    return request("JoinGroup", 3, {
        "group_id": group, "session_timeout_ms": 6000, "rebalance_timeout_ms": 6000, "member_id": "", "protocol_type": kind,
        "protocols": [{"name": name, "metadata": b"m" * 20}]}, client_id)


async def cause_lines(crowd, connections, **options):
    """Everything of which a broker likes to say something: groups that come, frames that are none, requests that fail."""
    bad = [frame(b""), frame(struct.pack(">hhi", 999, 0, 1)), struct.pack(">i", -1),
           frame(struct.pack(">hhih", 1, 4, 1, -1) + b"\xff" * 40), b"GET / HTTP/1.1\r\n\r\n"]
    refused = request("CreateTopics", 4, {"topics": [{"name": "no such/name"}]})
    new = join("group-000000")

    async def visitor(line):
        for number in range(20):
            await line.ask(new.replace(b"000000", b"%06d" % (line.number * 20 + number)))
            await line.ask(refused)
        await line.send(bad[line.number % len(bad)])
        await line.receive(1)

    await crowd.begin()
    while True:
        await crowd.visit(connections, visitor, **options)


async def join_without_end(crowd, connections, **options):
    """New members for groups without number: each is a change of state."""
    new = join("group-000000")

    async def visitor(line):
        for number in range(line.number, 1_000_000, connections):
            await line.ask(new.replace(b"000000", b"%06d" % number))

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


async def forge(crowd, connections, **options):
    """Names of every kind that are lines of a log."""
    new = join("000000" + FORGED, FORGED, FORGED, FORGED)
    frames = [
        request("CreateTopics", 4, {"topics": [{"name": FORGED}]}, FORGED),
        request("CreateTopics", 4, {"topics": [{"name": "forged", "configs": [{"name": FORGED, "value": FORGED}]}]}, FORGED),
        request("Metadata", 4, {"topics": [{"name": FORGED}], "allow_auto_topic_creation": True}, FORGED),
        request("AlterReplicaLogDirs", 1, {"dirs": [{"path": FORGED, "topics": [{"name": FORGED, "partitions": [0]}]}]}, FORGED),
        request("IncrementalAlterConfigs", 0, {"resources": [{"resource_type": 4, "resource_name": "1", "configs": [
            {"name": "log.retention.ms", "config_operation": 0, "value": FORGED},
            {"name": FORGED, "config_operation": 0, "value": "1"}]}]}, FORGED),
        request("DescribeConfigs", 3, {"resources": [{"resource_type": 4, "resource_name": FORGED}]}, FORGED),
        request("OffsetCommit", 7, {"group_id": FORGED, "generation_id": -1, "member_id": FORGED, "topics": [
            {"name": FORGED, "partitions": [
                {"partition_index": 0, "committed_offset": 1, "committed_metadata": FORGED}]}]}, FORGED),
        request("InitProducerId", 1, {"transactional_id": FORGED}, FORGED),
        request("ApiVersions", 3, {"client_software_name": FORGED, "client_software_version": FORGED}, FORGED),
        frame(struct.pack(">hhi", 999, 1, 1) + struct.pack(">h", len(FORGED.encode())) + FORGED.encode()),
    ]

    async def visitor(line):
        await line.ask(new.replace(b"000000", b"%06d" % line.number))
        for each in frames:
            await line.ask(each)

    await crowd.begin()
    while True:
        await crowd.visit(connections, visitor, **options)


def small_log(arena):
    """The log must not grow with what strangers send."""
    size = os.path.getsize(arena.broker.log_path)
    return [f"a log of {size / MEBIBYTE:.1f} MiB"] if size > LOG_LIMIT else []


def nothing_forged(arena):
    """No control character but the ends of the broker's own lines, and none of these lines begins as ours would."""
    with open(arena.broker.log_path, "rb") as log:
        raw = log.read()
    found = sorted({byte for byte in raw if byte < 32 and byte != 10 or byte == 127})
    problems = [f"control character {byte:#04x} in the log" for byte in found]
    if FORGED_LINE in raw:
        problems.append("a forged line in the log")
    for what in ("\x9b", "\u2028"):
        if what.encode() in raw:
            problems.append(f"{what!r} in the log")
    return problems + small_log(arena)


FLOODS = [
    Flood("lines for a standard error that nobody reads", partial(cause_lines, connections=50), deaf_standard_error=True),
    Flood("new members without end, 50 at once",
          partial(join_without_end, connections=50, source=NEIGHBOUR), check=small_log),
    Flood("frames that are none, and the lines about them",
          partial(cause_lines, connections=50), check=small_log, long=True),
    Flood("names that are lines of a log", partial(forge, connections=10), check=nothing_forged, seconds=3),
]
