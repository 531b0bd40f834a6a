"""Keys, headers, tombstones, empty values, partition choice, odd bytes."""

import os

from kcat_command import WORK, check, consume, kcat, payloads, produce, same, topic

# Keys and values by delimiter; an order that consumers see again.
keyed = topic("keyed")
produce(keyed, "apple:red\npear:green\nplum:blue\n", "-K:")
same("keys and values", [(r["key"], r["payload"]) for r in consume(keyed)],
     [("apple", "red"), ("pear", "green"), ("plum", "blue")])

# One key for all.
fixed = topic("fixed-key")
produce(fixed, "one\ntwo\n", "-k", "same")
same("fixed key", [(r["key"], r["payload"]) for r in consume(fixed)], [("same", "one"), ("same", "two")])

# Headers: several, the same name twice, an empty one.
headed = topic("headed")
produce(headed, "body\n", "-H", "first=1", "-H", "first=2", "-H", "empty=", "-H", "text=grün")
record = consume(headed)[0]
same("headers in order, doubles kept", record["headers"], ["first", "1", "first", "2", "empty", "", "text", "grün"])

# Null against empty: -Z makes tombstones of empty values and null keys of empty keys.
tombstones = topic("tombstones", cleanup_policy="compact")
produce(tombstones, "kept:value\ngone:\n", "-K:", "-Z")
produce(tombstones, "hollow:\n", "-K:")
lengths = kcat("-C", "-t", tombstones, "-e", "-q", "-f", "%k %K %S\n").decode().splitlines()
same("value lengths, -1 for a tombstone", lengths, ["kept 4 5", "gone 4 -1", "hollow 6 0"])

# A record without a key has a null key, not an empty one.
keyless = topic("keyless")
produce(keyless, "value\n")
same("key length of a keyless record", kcat("-C", "-t", keyless, "-e", "-q", "-f", "%K\n").decode(), "-1\n")

# Partition by number, and by key: one key always lands in one partition.
several = topic("several", 6)
for partition in range(6):
    produce(several, f"to {partition}\n", "-p", partition)
for partition in range(6):
    got = consume(several, "-p", partition)
    same("explicit partition", [(r["partition"], r["payload"]) for r in got], [(partition, f"to {partition}")])
by_key = topic("by-key", 6)
produce(by_key, "".join(f"key-{number % 20}:{number}\n" for number in range(400)), "-K:")
places = {}
arrived = consume(by_key)
same("records by key", len(arrived), 400)
for record in arrived:
    places.setdefault(record["key"], []).append((record["partition"], int(record["payload"])))
for key, found in places.items():
    same(f"{key} stays in one partition", len({partition for partition, _ in found}), 1)
    same(f"{key} in the order sent", [n for _, n in found], sorted(n for _, n in found))
check("more than one partition is used", len({found[0][0] for found in places.values()}) > 1)

# Bytes that are no text and no line, as one message from a file.
binary = topic("binary")
body = bytes(range(256)) * 2048 + os.urandom(1000)
path = os.path.join(WORK, "binary")
with open(path, "wb") as file:
    file.write(body)
kcat("-P", "-t", binary, path)
check("a binary file comes back unchanged", kcat("-C", "-t", binary, "-e", "-q", "-f", "%s") == body)

# acks: none, leader, all. Unacknowledged records arrive too; nothing kills a healthy broker here.
for acks in ("0", "1", "all"):
    acknowledged = topic(f"acks-{acks}")
    produce(acknowledged, "a\nb\nc\n", "-X", f"acks={acks}")
    got = []
    # Without acknowledgement kcat may be back before the broker has appended.
    for _ in range(50):
        got = payloads(consume(acknowledged))
        if len(got) == 3:
            break
    same(f"acks={acks}", got, ["a", "b", "c"])

# The idempotent producer of an old librdkafka.
idempotent = topic("idempotent", 2)
produce(idempotent, "".join(f"{number}\n" for number in range(5000)), "-X", "enable.idempotence=true", "-p", 1)
same("idempotent producer", payloads(consume(idempotent)), [str(number) for number in range(5000)])
