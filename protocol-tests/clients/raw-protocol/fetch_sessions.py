"""Fetch sessions (KIP-227): a session answers only with what has changed; wrong ones are refused."""

from raw import Partition, connect, create_topic, same, simple_batch, versions

FETCH_SESSION_ID_NOT_FOUND = 70
INVALID_FETCH_SESSION_EPOCH = 71

connection = connect()
name, topic_id = create_topic("sessions", 3)
partitions = [Partition(connection, name, topic_id, number) for number in range(3)]
for partition in partitions:
    same("produce", partition.produce(simple_batch([b"first"]))["error_code"], 0)


def fetch(version, session, epoch, offsets, forget=()):
    """One request of a session; the whole answer and its changed partitions."""
    topics = [{"topic": name, "topic_id": topic_id, "partitions": [
        {"partition": number, "fetch_offset": offset} for number, offset in offsets.items()]}] if offsets else []
    forgotten = [{"topic": name, "topic_id": topic_id, "partitions": list(forget)}] if forget else []
    body = {"max_wait_ms": 100, "min_bytes": 1, "session_id": session, "session_epoch": epoch, "topics": topics,
            "forgotten_topics_data": forgotten}
    answer = connection.call("Fetch", version, body)
    changed = {p["partition_index"]: p for t in answer["responses"] for p in t["partitions"]}
    return answer, changed


for version in [v for v in versions("Fetch") if v >= 7]:
    ends = {number: partition.offset(-1)["offset"] for number, partition in enumerate(partitions)}
    answer, changed = fetch(version, 0, 0, dict.fromkeys(range(3), 0))
    session = answer["session_id"]
    same(f"v{version}: a full fetch", (answer["error_code"], sorted(changed)), (0, [0, 1, 2]))
    if session == 0:
        # A broker need not keep sessions; then each answer is whole, and there is nothing more to see here.
        print(f"v{version}: the broker keeps no session")
        continue
    # The first incremental fetch moves all three to the end: nothing has changed.
    answer, changed = fetch(version, session, 1, ends)
    same(f"v{version}: nothing new", (answer["error_code"], answer["session_id"], changed), (0, session, {}))
    same("produce", partitions[1].produce(simple_batch([b"second"]))["error_code"], 0)
    answer, changed = fetch(version, session, 2, {})
    same(f"v{version}: only the one with news", sorted(changed), [1])
    same(f"v{version}: its watermark", changed[1]["high_watermark"], ends[1] + 1)
    # Forgotten partitions are silent, even with news.
    same("produce", partitions[2].produce(simple_batch([b"third"]))["error_code"], 0)
    answer, changed = fetch(version, session, 3, {1: ends[1] + 1}, forget=[2])
    same(f"v{version}: a forgotten partition says nothing", changed, {})
    # Wrong epoch, wrong session, and a session that was closed.
    answer, _ = fetch(version, session, 77, {})
    same(f"v{version}: a wrong epoch", answer["error_code"], INVALID_FETCH_SESSION_EPOCH)
    answer, _ = fetch(version, session + 12345, 1, {})
    same(f"v{version}: an unknown session", answer["error_code"], FETCH_SESSION_ID_NOT_FOUND)
    answer, _ = fetch(version, session, -1, {0: 0})
    same(f"v{version}: closing it", (answer["error_code"], answer["session_id"]), (0, 0))
    answer, _ = fetch(version, session, 4, {})
    same(f"v{version}: it is gone", answer["error_code"], FETCH_SESSION_ID_NOT_FOUND)
connection.socket.close()
