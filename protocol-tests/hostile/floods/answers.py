"""Answers that are hundreds or thousands of times their request: the same thing named many times, or all of a great many."""

from functools import partial

from wire.messages import APIS

from .arena import Flood
from .crowd import NEIGHBOUR, many_addresses
from .requests import Repeated, long_request, request
from .visits import SMALL_BUFFER, ask_without_end, never_read

GROUP = "large"
GROUPS = 20_000
PIPELINED = 50
TOPICS = 1000


def large_assignment(arena):
    """A group of one member whose assignment has 900,000 bytes."""
    with arena.connect() as connection:
        joined = connection.call("JoinGroup", 3, {
            "group_id": GROUP, "session_timeout_ms": 600_000, "rebalance_timeout_ms": 600_000, "member_id": "",
            "protocols": [{"name": "range", "metadata": b"m" * 100}]})
        connection.call("SyncGroup", 2, {
            "group_id": GROUP, "generation_id": joined["generation_id"], "member_id": joined["member_id"],
            "assignments": [{"member_id": joined["member_id"], "assignment": b"a" * 900_000}]})


def large_offsets(arena):
    """A group with 200 offsets, each with a note of 4,000 bytes."""
    arena.create_topic("noted", 200)
    arena.call("OffsetCommit", 7, {"group_id": GROUP, "generation_id": -1, "member_id": "", "topics": [
        {"name": "noted", "partitions": [{"partition_index": number, "committed_offset": 1, "committed_metadata": "n" * 4000}
                                         for number in range(200)]}]})


def many_partitions(arena):
    """5,000 partitions in five topics."""
    for number in range(5):
        arena.create_topic(f"many-{number}", 1000)


def many_groups(arena):
    """20,000 groups that have nothing but an offset."""
    template = request("OffsetCommit", 2, {"group_id": "group-000000", "generation_id": -1, "member_id": "", "topics": [
        {"name": "honest", "partitions": [{"partition_index": 0, "committed_offset": 1}]}]})
    with arena.connect() as connection:
        for begin in range(0, GROUPS, PIPELINED):
            connection.send_bytes(b"".join(template.replace(b"group-000000", b"group-%06d" % number)
                                           for number in range(begin, begin + PIPELINED)))
            for _ in range(PIPELINED):
                connection.receive_frame()


def named_often(name, version, field, entry, count, **more):
    """The frame of a request that has the same entry `count` times."""
    return long_request(APIS[name], version, {field: Repeated(entry, count=count), **more})


def describe_groups():
    return named_often("DescribeGroups", 5, "groups", GROUP, 3000)


def fetch_offsets():
    return named_often("OffsetFetch", 8, "groups", {"group_id": GROUP, "topics": None}, 1000)


def describe_configs():
    """One topic, which Kafka too answers once however often it is named."""
    honest = {"resource_type": 2, "resource_name": "honest", "configuration_keys": None}
    return named_often("DescribeConfigs", 4, "resources", honest, 10_000, include_synonyms=True, include_documentation=True)


def many_topics(arena):
    """1,000 topics."""
    with arena.connect() as connection:
        connection.call("CreateTopics", 7, {"topics": [{"name": f"topic-{number}"} for number in range(TOPICS)]})


def describe_all_configs():
    return request("DescribeConfigs", 4, {"include_synonyms": True, "include_documentation": True, "resources": [
        {"resource_type": 2, "resource_name": f"topic-{number}", "configuration_keys": None} for number in range(TOPICS)]})


def describe_partitions():
    return named_often("DescribeTopicPartitions", 0, "topics", {"name": "many-0"}, 5000)


def everything(name, version):
    """The frame of a request that asks for all there is."""
    return request(name, version, {})


async def never_read_small_answers(crowd, connections, **options):
    """Small requests by the thousand on each connection, and no answer is ever read."""
    requests = 500 * (request("ApiVersions", 3, {}) + request("Metadata", 4, {"topics": None}) + request("ListGroups", 4, {}))

    async def visitor(line):
        while True:
            await line.send(requests)

    await crowd.begin()
    await crowd.visit(connections, visitor, receive_buffer=SMALL_BUFFER, **options)


FLOODS = [
    Flood("a group of 900 KB described 3,000 times, read", partial(ask_without_end, make=describe_groups, connections=1),
          large_assignment),
    Flood("a group of 900 KB described 3,000 times, 50 never read",
          partial(never_read, make=describe_groups, connections=50, source=NEIGHBOUR), large_assignment),
    Flood("offsets of 800 KB fetched 1,000 times, read by 4", partial(ask_without_end, make=fetch_offsets, connections=4),
          large_offsets),
    Flood("metadata of 5,000 partitions, 500 never read",
          partial(never_read, make=partial(everything, "Metadata", 12), connections=500), many_partitions),
    Flood("configurations of a topic 10,000 times, read by 4",
          partial(ask_without_end, make=describe_configs, connections=4), long=True),
    Flood("configurations of 1,000 topics, read by 4",
          partial(ask_without_end, make=describe_all_configs, connections=4), many_topics, long=True),
    Flood("configurations of 1,000 topics, 100 never read",
          partial(never_read, make=describe_all_configs, connections=100, source=NEIGHBOUR), many_topics),
    Flood("20,000 groups listed, 500 never read",
          partial(never_read, make=partial(everything, "ListGroups", 4), connections=500, source=many_addresses),
          many_groups),
    Flood("small requests without end, 200 never read", partial(never_read_small_answers, connections=200)),
    Flood("offsets of 800 KB fetched 1,000 times, 50 never read",
          partial(never_read, make=fetch_offsets, connections=50), large_offsets, long=True),
    Flood("partitions of a topic described 5,000 times, 500 never read",
          partial(never_read, make=describe_partitions, connections=500), many_partitions, long=True),
    Flood("log directories of 5,000 partitions, 500 never read",
          partial(never_read, make=partial(everything, "DescribeLogDirs", 4), connections=500), many_partitions, long=True),
]
