"""Every codec: keys, headers and timestamps unchanged, in large batches and from the middle of one."""

import time

from expectations import same
from session import producer, read_partition, run, send_all, topic

COUNT = 2000


async def scenario():
    now = int(time.time() * 1000)
    rows = [
        {"partition": 0, "key": f"k{number}".encode(), "value": f"value {number} ".encode() * (number % 40),
         "headers": [("h", str(number).encode())], "timestamp": now + number}
        for number in range(COUNT)
    ]
    wanted = [(row["key"], row["value"], tuple(row["headers"]), row["timestamp"]) for row in rows]
    for codec in (None, "gzip", "snappy", "lz4", "zstd"):
        name = await topic(f"codec-{codec}")
        async with producer(compression_type=codec, max_batch_size=200_000, linger_ms=50) as client:
            await send_all(client, name, rows)
        same(codec, [(r.key, r.value, r.headers, r.timestamp) for r in await read_partition(name, 0, COUNT)], wanted)
        # Most offsets lie inside a batch; the records before them must not show.
        for offset in (1, 1234, COUNT - 1):
            record = (await read_partition(name, 0, 1, offset))[0]
            same(f"{codec}: offset {offset}", (record.offset, record.key), (offset, rows[offset]["key"]))


run(scenario)
