"""100,000 records over six partitions: keys, values, headers and timestamps come back byte for byte, in order."""

import time

from expectations import same
from session import consumer, nothing_more, producer, read, send_all, topic
from varied_records import Contents, varied_rows

COUNT = 100_000
PARTITIONS = 6

name = topic("hundred-thousand", PARTITIONS)
rows = list(varied_rows(COUNT, PARTITIONS))
sent = Contents.of_rows(rows, PARTITIONS)

began = time.monotonic()
acknowledged = send_all(producer(), name, rows)
seconds_in = time.monotonic() - began
for partition in range(PARTITIONS):
    same(f"acknowledged offsets of partition {partition}",
         [answer.offset for answer in acknowledged if answer.partition == partition], list(range(sent.counts[partition])))

began = time.monotonic()
client = consumer("hundred-thousand")
client.subscribe([name])
arrived = read(client, COUNT)
seconds_out = time.monotonic() - began
nothing_more(client)
client.close()

back = Contents(PARTITIONS)
for record in arrived:
    same("timestamp type (0 = create time)", record.timestamp_type, 0)
    back.arrived(record.partition, record.offset, record.key, record.value, record.headers, record.timestamp)
back.must_equal(sent)
print(f"figures: in {seconds_in:.1f} s, out {seconds_out:.1f} s")
