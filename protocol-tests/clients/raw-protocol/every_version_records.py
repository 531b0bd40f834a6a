"""Produce, Fetch, ListOffsets, OffsetForLeaderEpoch, InitProducerId at every version that the broker advertises."""

from raw import Partition, check, connect, create_topic, new_producer_id, same, simple_batch, versions

from wire.records import record_count

name, topic_id = create_topic("every-version")
connection = connect()
partition = Partition(connection, name, topic_id)

# Produce: each version appends where the one before left off.
end = 0
for version in versions("Produce"):
    answer = partition.produce(simple_batch([b"a", b"b", b"c"]), version)
    same(f"Produce v{version}", (answer["index"], answer["error_code"], answer["base_offset"]), (0, 0, end))
    same(f"Produce v{version}: no append time", answer["log_append_time_ms"], -1)
    if version >= 5:
        same(f"Produce v{version}: log start", answer["log_start_offset"], 0)
    end += 3

# Fetch: whole batches, from the one that holds the offset; the same bytes at every version.
stored = {}
for version in versions("Fetch"):
    answer = partition.fetch(4, version)
    same(f"Fetch v{version}", (answer["error_code"], answer["high_watermark"], answer["last_stable_offset"]), (0, end, end))
    same(f"Fetch v{version}: records from the batch of offset 4 on", record_count(answer["records"]), end - 3)
    # Nothing is aborted here, and who does not ask for committed data only is told of no aborted transactions.
    check(f"Fetch v{version}: no aborted transactions", not answer["aborted_transactions"], answer)
    stored[version] = answer["records"]
check("all versions give the same bytes", len(set(stored.values())) == 1)
for version in versions("Fetch"):
    same(f"Fetch v{version} at the end", partition.fetch(end, version)["records"] or b"", b"")
    same(f"Fetch v{version} beyond the end (OFFSET_OUT_OF_RANGE)", partition.fetch(end + 1, version)["error_code"], 1)
    same(f"Fetch v{version} below zero (OFFSET_OUT_OF_RANGE)", partition.fetch(-5, version)["error_code"], 1)

# ListOffsets: the ends, a time, and from v7 on the largest timestamp.
for version in versions("ListOffsets"):
    same(f"ListOffsets v{version} earliest", (partition.offset(-2, version)["error_code"], partition.offset(-2, version)["offset"]), (0, 0))
    same(f"ListOffsets v{version} latest", partition.offset(-1, version)["offset"], end)
    found = partition.offset(1, version)
    same(f"ListOffsets v{version} by time", (found["error_code"], found["offset"]), (0, 0))
    same(f"ListOffsets v{version} in the future", partition.offset(2**60, version)["offset"], -1)
    if version >= 7:
        check(f"ListOffsets v{version} largest timestamp", 0 <= partition.offset(-3, version)["offset"] < end)
    if version >= 4:
        same(f"ListOffsets v{version} leader epoch", partition.offset(-1, version)["leader_epoch"], 0)

# OffsetForLeaderEpoch: where the epoch ends, and what is no epoch.
for version in versions("OffsetForLeaderEpoch"):
    for epoch, wanted in ((0, (0, 0, end)), (7, (0, -1, -1))):
        body = {"topics": [{"topic": name, "partitions": [{"partition": 0, "leader_epoch": epoch}]}]}
        answer = connection.call("OffsetForLeaderEpoch", version, body)["topics"][0]["partitions"][0]
        same(f"OffsetForLeaderEpoch v{version} of {epoch}", (answer["error_code"], answer["leader_epoch"], answer["end_offset"]), wanted)

# InitProducerId: a new id each time.
ids = set()
for version in versions("InitProducerId"):
    answer = new_producer_id(connection, version)
    same(f"InitProducerId v{version}", (answer["error_code"], answer["producer_epoch"]), (0, 0))
    check(f"InitProducerId v{version}: an id", answer["producer_id"] >= 0)
    ids.add(answer["producer_id"])
same("all ids differ", len(ids), len(versions("InitProducerId")))

# A partition, a topic and an id that are not there, at every version.
nobody = Partition(connection, name, topic_id, 77)
for version in versions("Produce"):
    same(f"Produce v{version} to an unknown partition", nobody.produce(simple_batch([b"x"]), version)["error_code"], 3)
for version in versions("Fetch"):
    same(f"Fetch v{version} of an unknown partition", nobody.fetch(0, version)["error_code"], 3)
for version in versions("ListOffsets"):
    same(f"ListOffsets v{version} of an unknown partition", nobody.offset(-1, version)["error_code"], 3)
# Of a leader epoch that is over or is yet to come a broker must not speak as if it were now.
for version in versions("Fetch"):
    if version >= 9:
        for epoch, wanted in ((0, 0), (5, 75)):
            entry = {"partition": 0, "fetch_offset": 0, "current_leader_epoch": epoch}
            body = {"max_wait_ms": 0, "topics": [{**partition.keys, "partitions": [entry]}]}
            got = connection.call("Fetch", version, body)["responses"][0]["partitions"][0]["error_code"]
            same(f"Fetch v{version} with leader epoch {epoch}", got, wanted)
connection.socket.close()
