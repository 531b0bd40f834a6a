"""Clients that stay connected through a stop and through a kill -9 lose nothing, double nothing, and go on by themselves."""

import json
import os
import subprocess
import threading

from confluent_kafka import TopicPartition

from expectations import fail, same, until
from session import PREFIX, BOOTSTRAP, Consumer, Producer, by_protocol, consumer, read, topic

PARTITIONS = 3
name = topic("restarted", PARTITIONS)


def order(word):
    answer = json.loads(subprocess.run([os.environ["BROKER_CONTROL"], word], check=True, capture_output=True).stdout)
    print(word, answer, flush=True)


acknowledged = []
failures = []
stop = threading.Event()
# Set when the last acknowledgement is in: until then there may always be one more record to read.
complete = threading.Event()


def on_delivery(error, message):
    if error is not None:
        failures.append(str(error))
    else:
        acknowledged.append((message.partition(), message.offset(), int(message.value())))


def keep_sending():
    client = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True, "linger.ms": 5,
                       "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "log_level": 0})
    number = 0
    while not stop.is_set():
        if len(client) < 1000:
            client.produce(name, value=str(number), partition=number % PARTITIONS, on_delivery=on_delivery)
            number += 1
        client.poll(0.0005)
    if client.flush(60):
        failures.append("not everything was acknowledged in the end")


# What the group has read; after a restart it may read again what it had not committed.
seen = set()


def keep_reading():
    client = Consumer(by_protocol({
        "bootstrap.servers": BOOTSTRAP, "group.id": PREFIX + "group", "auto.offset.reset": "earliest",
        "enable.auto.commit": True, "auto.commit.interval.ms": 200,
        "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "log_level": 0}))
    client.subscribe([name])
    # A broker that is away is reported as an event; it is not the end of a consumer.
    while not complete.is_set() or len(seen) < len(acknowledged):
        for message in client.consume(500, timeout=0.1):
            if message.error() is None:
                seen.add(int(message.value()))
    client.close()


threads = [threading.Thread(target=keep_sending, daemon=True), threading.Thread(target=keep_reading, daemon=True)]
for thread in threads:
    thread.start()
for word in ("stop", "kill9"):
    mark = len(acknowledged)
    until("records are acknowledged", lambda: len(acknowledged) > mark + 500)
    order(word)
    order("start")
    mark = len(acknowledged)
    until(f"after {word}: records are acknowledged again", lambda: len(acknowledged) > mark + 500)
    until(f"after {word}: and read again", lambda: len(seen) > mark)
stop.set()
for thread, what in zip(threads, ("producer", "consumer")):
    thread.join(90)
    if thread.is_alive():
        fail(f"the {what} does not come to an end: {len(acknowledged)} acknowledged, {len(seen)} read")
    complete.set()
same("errors", failures, [])

total = len(acknowledged)
client = consumer("audit")
client.assign([TopicPartition(name, partition, 0) for partition in range(PARTITIONS)])
stored = [(m.partition(), m.offset(), int(m.value())) for m in read(client, total)]
client.close()
same("what is stored is what was acknowledged, in place", sorted(stored), sorted(acknowledged))
for partition in range(PARTITIONS):
    same(f"order in partition {partition}", [v for p, _, v in sorted(stored) if p == partition], list(range(partition, total, PARTITIONS)))
same("what the group did not see", sorted(set(range(total)) - seen)[:20], [])
print(f"figures: {total} records")
