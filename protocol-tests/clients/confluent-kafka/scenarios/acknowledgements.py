"""acks 0, 1 and all; and min.insync.replicas as a cluster of one broker answers it."""

from expectations import same
from session import producer, read_partition, send_all, send_error, topic

for acks in ("0", "1", "all"):
    name = topic(f"acks-{acks}")
    delivered = send_all(producer(acks=acks), name, ({"value": str(n)} for n in range(2000)))
    got = read_partition(name, 0, 2000)
    same(f"acks={acks}: all there, in order", [int(m.value()) for m in got], list(range(2000)))
    if acks != "0":
        same(f"acks={acks}: offsets in the acknowledgements", [m.offset() for m in delivered], list(range(2000)))

# More in-sync replicas than the topic has replicas: Kafka asks for as many as there are, and so accepts.
strict = topic("strict", 1, {"min.insync.replicas": "2"})
for acks in ("all", "1"):
    same(f"acks={acks} with min.insync.replicas=2", send_error(producer(acks=acks), strict, value=acks), None)
same("both are there", [m.value() for m in read_partition(strict, 0, 2)], [b"all", b"1"])
