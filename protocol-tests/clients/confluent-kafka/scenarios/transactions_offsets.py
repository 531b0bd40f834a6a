"""Reads, changes and writes, with the offsets in the transaction: each record comes out once, though some are done again."""

import time

from confluent_kafka import KafkaError, TopicPartition

from expectations import PATIENCE_SECONDS, check, fail, same
from session import consumer, error_of, producer, send_all, topic
from transactional import decided, produced, transactional, values

RECORDS = 400

source = topic("input", 2)
target = topic("output")
send_all(producer(), source, ({"partition": number % 2, "value": str(number)} for number in range(RECORDS)))
places = [TopicPartition(source, 0), TopicPartition(source, 1)]
worker = transactional("worker")
reader = consumer("group", isolation_level="read_committed")
reader.subscribe([source])
done = rounds = 0
deadline = time.monotonic() + PATIENCE_SECONDS
while done < RECORDS:
    messages = reader.consume(40, timeout=0.5)
    if time.monotonic() > deadline:
        fail(f"{done} of {RECORDS} records were done in time")
    if not messages:
        continue
    following = {}
    worker.begin_transaction()
    for message in messages:
        check("no error", message.error() is None, message.error())
        produced(worker, target, 0, b"done " + message.value())
        following[message.partition()] = message.offset() + 1
    worker.send_offsets_to_transaction([TopicPartition(source, partition, offset) for partition, offset in following.items()],
                                       reader.consumer_group_metadata(), PATIENCE_SECONDS)
    rounds += 1
    if rounds % 3 == 1:
        worker.abort_transaction(PATIENCE_SECONDS)
        for place in reader.committed(places, timeout=30):
            reader.seek(TopicPartition(source, place.partition, max(place.offset, 0)))
    else:
        worker.commit_transaction(PATIENCE_SECONDS)
        done += len(messages)
check("there were several rounds", rounds > 5, rounds)
same("committed offsets", [place.offset for place in reader.committed(places, timeout=30)], [RECORDS // 2, RECORDS // 2])
decided(target, 0)
same("what came out", sorted(values(target, 0)), sorted(f"done {number}" for number in range(RECORDS)))

# Offsets of an open transaction are not told; a consumer asks again until they are decided.
worker.begin_transaction()
worker.send_offsets_to_transaction([TopicPartition(source, 0, 1)], reader.consumer_group_metadata(), PATIENCE_SECONDS)
code = error_of(lambda: reader.committed(places, timeout=1))
check("no offsets while the transaction is open", code in (KafkaError._TIMED_OUT, KafkaError.UNSTABLE_OFFSET_COMMIT), code)
worker.abort_transaction(PATIENCE_SECONDS)
same("committed offsets after an abort", [place.offset for place in reader.committed(places, timeout=30)],
     [RECORDS // 2, RECORDS // 2])
reader.close()
