"""An idempotent producer with five requests in flight: each record once, each partition in order."""

from expectations import same
from session import consumer, nothing_more, producer, read, read_partition, send_all, topic

COUNT = 20_000
PARTITIONS = 4

name = topic("idempotent", PARTITIONS)
# Small batches make many requests, so that order and sequence numbers have something to do.
client = producer(enable_idempotence=True, batch_size=2000, linger_ms=1, max_in_flight_requests_per_connection=5,
                  compression_type="lz4")
answers = send_all(client, name, ({"partition": n % PARTITIONS, "value": str(n).encode()} for n in range(COUNT)))
same("acknowledged in place", [(answer.partition, answer.offset) for answer in answers],
     [(n % PARTITIONS, n // PARTITIONS) for n in range(COUNT)])

reader = consumer("idempotent")
reader.subscribe([name])
seen = [[] for _ in range(PARTITIONS)]
for record in read(reader, COUNT):
    seen[record.partition].append(int(record.value))
nothing_more(reader)
reader.close()
for partition in range(PARTITIONS):
    same(f"values of partition {partition}", seen[partition], list(range(partition, COUNT, PARTITIONS)))

# Another session of the same program is another producer and starts its own sequence.
again, third = producer(enable_idempotence=True), producer(enable_idempotence=True)
for client, word, first in ((again, "again", 0), (third, "third", 0), (again, "again", 10)):
    send_all(client, name, ({"partition": 0, "value": f"{word} {n}".encode()} for n in range(first, first + 10)))
tail = [record.value.decode() for record in read_partition(name, 0, 30, COUNT // PARTITIONS)]
same("three producers in turn", tail, [f"again {n}" for n in range(10)] + [f"third {n}" for n in range(10)]
     + [f"again {n}" for n in range(10, 20)])
