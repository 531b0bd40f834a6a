"""Limits and waits of fetches: small limits lose nothing, a waiting fetch is woken by the record it waits for."""

import threading
import time

from confluent_kafka import TopicPartition

from expectations import check, same
from session import consumer, nothing_more, producer, read, send_all, topic

# Records larger than what the consumer asks for per partition: the first batch is always sent whole.
big = topic("big", 3)
rows = [{"partition": n % 3, "value": bytes([n % 251]) * (1000 + n * 977 % 60_000)} for n in range(300)]
send_all(producer(batch_size=1_000_000, linger_ms=20), big, rows)
for settings in ({"fetch_message_max_bytes": 1}, {"fetch_message_max_bytes": 5000}, {"fetch_max_bytes": 1_000_000, "message_max_bytes": 1000}):
    client = consumer(**settings)
    client.assign([TopicPartition(big, partition, 0) for partition in range(3)])
    got = [[] for _ in range(3)]
    for message in read(client, len(rows)):
        got[message.partition()].append(message.value())
    for partition in range(3):
        check(f"{settings}: partition {partition} whole and in order",
              got[partition] == [row["value"] for row in rows if row["partition"] == partition])
    client.close()

# Many partitions, one of them with far more than a response holds: the others are not starved.
uneven = topic("uneven", 8)
send_all(producer(), uneven, ({"partition": 0, "value": b"x" * 10_000} for _ in range(2000)))
send_all(producer(), uneven, ({"partition": n % 7 + 1, "value": b"y"} for n in range(70)))
client = consumer(fetch_max_bytes=1_000_000, message_max_bytes=100_000, fetch_message_max_bytes=200_000)
client.assign([TopicPartition(uneven, partition, 0) for partition in range(8)])
order = [message.partition() for message in read(client, 2070)]
client.close()
last_small = max(position for position, partition in enumerate(order) if partition)
check("small partitions come before the large one is through", last_small < len(order) - 500, last_small)

# A fetch that may wait for half a minute: the record comes when it is produced, not when the wait ends.
waited = topic("waited")
client = consumer(fetch_wait_max_ms=30_000, fetch_min_bytes=1, socket_timeout_ms=60_000)
client.assign([TopicPartition(waited, 0, 0)])
nothing_more(client, 2)
for number in range(20):
    began = time.monotonic()
    timer = threading.Timer(0.05, lambda: send_all(producer(linger_ms=0), waited, [{"value": "wake up"}]))
    timer.start()
    same("the awaited record", read(client, 1)[0].offset(), number)
    check("arrives long before the wait is over", time.monotonic() - began < 10, time.monotonic() - began)
    timer.join()
client.close()

# A fetch that wants many bytes holds back until they are there, then answers at once.
patient = topic("patient")
client = consumer(fetch_wait_max_ms=40_000, fetch_min_bytes=90_000, socket_timeout_ms=60_000)
client.assign([TopicPartition(patient, 0, 0)])
nothing_more(client, 1)
send_all(producer(), patient, [{"value": "too little"}])
nothing_more(client, 2)
began = time.monotonic()
send_all(producer(), patient, [{"value": "x" * 100_000}])
same("both records come together", [message.offset() for message in read(client, 2)], [0, 1])
check("as soon as there are bytes enough", time.monotonic() - began < 20, time.monotonic() - began)
client.close()

# A wait that ends with too little answers with what there is.
brief = topic("brief")
client = consumer(fetch_wait_max_ms=300, fetch_min_bytes=90_000)
client.assign([TopicPartition(brief, 0, 0)])
send_all(producer(), brief, [{"value": "little"}])
same("what little there is", read(client, 1)[0].value(), b"little")
client.close()
