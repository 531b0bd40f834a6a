"""Bad input gets a clear error and a failing exit status, and the broker goes on."""

from kcat_command import PREFIX, WORK, check, kcat, kcat_result, metadata, produce, same, topic

# A topic that does not exist: consumers do not make one.
missing = PREFIX + "missing"
result = kcat_result("-C", "-t", missing, "-e", "-q", "-X", "allow.auto.create.topics=false")
check("an unknown topic fails the consumer", result.returncode != 0, result)
check("and says so", b"unknown topic" in result.stderr.lower(), result.stderr)
check("and was not created", missing not in [entry["topic"] for entry in metadata()["topics"]])

# A producer makes it, as the broker's default allows.
fresh = PREFIX + "fresh"
produce(fresh, "made\n")
made = [entry for entry in metadata()["topics"] if entry["topic"] == fresh]
same("a producer's topic is made with the default partitions", len(made[0]["partitions"]), 1)
same("and holds the record", kcat("-C", "-t", fresh, "-e", "-q"), b"made\n")

# A partition that does not exist.
small = topic("small", 2)
result = kcat_result("-P", "-t", small, "-p", "7", "-X", "message.timeout.ms=3000", given="x\n")
check("an unknown partition fails", result.returncode != 0 or b"nknown partition" in result.stderr, result)

# Names that Kafka refuses.
for bad in ("bad name", "bad/name", "x" * 250):
    result = kcat_result("-P", "-t", bad, "-X", "message.timeout.ms=3000", "-X", "topic.message.timeout.ms=3000", given="x\n")
    check(f"producing to {bad[:20]!r} fails", result.returncode != 0 or b"rror" in result.stderr, result)
    check(f"{bad[:20]!r} was not created", bad not in [entry["topic"] for entry in metadata()["topics"]])

# A record larger than the topic takes, although the client would send it.
limited = topic("limited", 1, max_message_bytes=2000)
path = f"{WORK}/large"
with open(path, "w") as file:
    file.write("x" * 5000)
result = kcat_result("-P", "-t", limited, "-X", "message.max.bytes=10000000", path)
check("too large a record fails", b"too large" in result.stderr.lower(), result)
produce(limited, "small enough\n")
same("nothing of it was stored", kcat("-C", "-t", limited, "-e", "-q"), b"small enough\n")
