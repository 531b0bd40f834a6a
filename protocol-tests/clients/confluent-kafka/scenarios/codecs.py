"""Every codec: keys, headers and timestamps unchanged, in large batches and from the middle of one."""

import time

from expectations import check, same
from session import CODECS, producer, read_partition, send_all, topic

COUNT = 8000
now = int(time.time() * 1000)
rows = [
    {"partition": number % 2, "key": f"k{number}", "value": f"value {number} ".encode() * (number % 40),
     "headers": [("h", str(number).encode())], "timestamp": now + number}
    for number in range(COUNT)
]

for codec in CODECS:
    name = topic(f"codec-{codec}", 2)
    send_all(producer(compression_codec=codec, batch_size=200_000, linger_ms=50), name, rows)
    for partition in range(2):
        wanted = [row for row in rows if row["partition"] == partition]
        got = read_partition(name, partition, len(wanted))
        check(f"{codec}: partition {partition} unchanged", [
            (m.key().decode(), m.value(), m.headers(), m.timestamp()[1]) for m in got
        ] == [(row["key"], row["value"], row["headers"], row["timestamp"]) for row in wanted])
        # Most offsets lie inside a batch; the records before them must not show.
        for offset in (1, 1234, len(wanted) - 1):
            middle = read_partition(name, partition, 1, offset)[0]
            same(f"{codec}: offset {offset}", (middle.offset(), middle.key().decode()), (offset, wanted[offset]["key"]))
