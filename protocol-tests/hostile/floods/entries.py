"""Requests that are nothing but entries: empty ones, one-letter ones, all the same, and fields that nobody knows."""

from functools import partial

from wire.connection import Connection, served
from wire.messages import APIS

from .arena import Flood
from .crowd import NEIGHBOUR, many_addresses
from .requests import array_request, arrays, with_unknown_tags

MEBIBYTE = 1 << 20
# One byte below the largest request that a broker takes, 100 MiB as the settings have it, and what stands round the entries.
LARGEST = 100 * MEBIBYTE - 4096
# A topic and a group of one letter, so that the shortest of names is one that exists.
LETTER = "t"

# What once cost the most: up to 599 bytes for each byte that was sent.
COSTLY = ("DescribeGroups", "OffsetFetch", "FindCoordinator", "LeaveGroup", "Produce", "Metadata")


def one_letter(arena):
    """The topic and the group of one letter."""
    arena.create_topic(LETTER)
    arena.call("OffsetCommit", 7, {"group_id": LETTER, "generation_id": -1, "member_id": "", "topics": [
        {"name": LETTER, "partitions": [{"partition_index": 0, "committed_offset": 1}]}]})
    # Each of the requests in small is one that is answered; the flood is to fail for its size and for nothing else.
    with arena.connect() as connection:
        for api, version, path in every_array(connection.versions()):
            connection.send_bytes(array_request(api, version, path, LETTER, 1))
            connection.receive_frame()


def every_array(versions, names=None):
    """(API, version, path) of each array of each served request: in the newest version, and in the first with short lengths."""
    for api, low, high in served(versions):
        if names and api.name not in names:
            continue
        for version in sorted({high, min(max(api.flexible, low), high)}):
            for path in arrays(api.request, version):
                yield api, version, path


async def each_array(crowd, size, connections, texts=("", LETTER), names=None, unknown_fields=False, **options):
    """Every array in turn, each filled up to `size` and sent by all connections at once."""
    with Connection(crowd.bootstrap) as connection:
        every = list(every_array(connection.versions(), names))
    await crowd.begin()
    for api, version, path in every:
        for text in texts:
            request = array_request(api, version, path, text, size, unknown_fields)
            with crowd.part_of_flood(f"{api.name} v{version} {'.'.join(path)} {text!r}"):
                await crowd.visit(connections, partial(ask_once, request=request), **options)
            crowd.counts["kinds of requests"] += 1


async def one_array(crowd, size, connections, name, version, text=LETTER, **options):
    """The first array of one request, by all connections at once."""
    api = APIS[name]
    request = array_request(api, version, next(arrays(api.request, version)), text, size)
    await crowd.begin()
    await crowd.visit(connections, partial(ask_once, request=request), **options)


async def unknown_fields(crowd, count, connections, **options):
    """Fields with tags that nobody knows, behind what would be a good request."""
    requests = [(name, with_unknown_tags(APIS[name], version, body, count)) for name, version, body in (
        ("ApiVersions", 3, {}), ("Metadata", 12, {"topics": []}), ("Fetch", 12, {"max_wait_ms": 0}),
        ("ListGroups", 5, {}), ("Produce", 9, {"acks": 1}))]
    await crowd.begin()
    for name, request in requests:
        with crowd.part_of_flood(name):
            await crowd.visit(connections, partial(ask_once, request=request), **options)


async def ask_once(line, request):
    await line.ask(request)


FLOODS = [
    Flood("every array, 1 MiB of entries, on 4 connections",
          partial(each_array, size=MEBIBYTE, connections=4), one_letter, seconds=10),
    Flood("costly arrays, 4 MiB of entries, on 8 connections",
          partial(each_array, size=4 * MEBIBYTE, connections=8, names=COSTLY, source=NEIGHBOUR), one_letter, seconds=6),
    Flood("DescribeGroups, 100 MiB of names, on 1 connection",
          partial(one_array, size=LARGEST, connections=1, name="DescribeGroups", version=5), one_letter, long=True),
    Flood("DescribeGroups, 100 MiB of names, on 8 connections",
          partial(one_array, size=LARGEST, connections=8, name="DescribeGroups", version=5), one_letter, seconds=5),
    Flood("Metadata, 4 MiB of names, on 100 connections",
          partial(one_array, size=4 * MEBIBYTE, connections=100, name="Metadata", version=9, source=many_addresses),
          one_letter),
    Flood("a million unknown fields, on 8 connections",
          partial(unknown_fields, count=1_000_000, connections=8, source=NEIGHBOUR), seconds=5),
    Flood("every array, 4 MiB of entries, on 8 connections",
          partial(each_array, size=4 * MEBIBYTE, connections=8), one_letter, seconds=120, long=True),
    Flood("every array, 100 MiB of entries, on 8 connections",
          partial(each_array, size=LARGEST, connections=8, texts=[LETTER]), one_letter, seconds=240, long=True),
    Flood("costly arrays, 100 MiB of entries, on 100 connections",
          partial(each_array, size=LARGEST, connections=100, texts=[LETTER], names=COSTLY, source=many_addresses),
          one_letter, seconds=120, long=True),
    Flood("every array, a field that nobody knows in each entry",
          partial(each_array, size=4 * MEBIBYTE, connections=8, texts=[LETTER], unknown_fields=True),
          one_letter, seconds=120, long=True),
    Flood("20 million unknown fields, on 8 connections",
          partial(unknown_fields, count=20_000_000, connections=8), seconds=60, long=True),
]
