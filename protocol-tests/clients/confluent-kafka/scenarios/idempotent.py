"""An idempotent producer with five requests in flight: 100,000 records, each once, each partition in order."""

from confluent_kafka import TopicPartition

from expectations import same
from session import consumer, nothing_more, producer, read, send_all, topic

COUNT = 100_000
PARTITIONS = 4

name = topic("idempotent", PARTITIONS)
# Small batches make many requests, so that order and sequence numbers have something to do.
client = producer(enable_idempotence=True, batch_size=4000, linger_ms=1, max_in_flight=5, compression_type="lz4",
                  queue_buffering_max_messages=200_000)
delivered = send_all(client, name, ({"partition": n % PARTITIONS, "value": str(n)} for n in range(COUNT)))
for partition in range(PARTITIONS):
    pairs = [(m.offset(), int(m.value())) for m in delivered if m.partition() == partition]
    same(f"acknowledged offsets and values of partition {partition}", pairs,
         list(enumerate(range(partition, COUNT, PARTITIONS))))

reader = consumer("idempotent")
reader.subscribe([name])
seen = [[] for _ in range(PARTITIONS)]
for message in read(reader, COUNT):
    seen[message.partition()].append(int(message.value()))
nothing_more(reader)
reader.close()
for partition in range(PARTITIONS):
    same(f"values of partition {partition}", seen[partition], list(range(partition, COUNT, PARTITIONS)))

# Another session of the same program is another producer and starts its own sequence.
again = producer(enable_idempotence=True)
send_all(again, name, ({"partition": 0, "value": f"again {n}"} for n in range(10)))
third = producer(enable_idempotence=True)
send_all(third, name, ({"partition": 0, "value": f"third {n}"} for n in range(10)))
send_all(again, name, ({"partition": 0, "value": f"again {n}"} for n in range(10, 20)))
reader = consumer()
reader.assign([TopicPartition(name, 0, COUNT // PARTITIONS)])
tail = [message.value().decode() for message in read(reader, 30)]
reader.close()
same("three producers in turn", tail, [f"again {n}" for n in range(10)] + [f"third {n}" for n in range(10)]
     + [f"again {n}" for n in range(10, 20)])
