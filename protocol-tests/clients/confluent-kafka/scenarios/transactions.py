"""Transactions one after the other and at the same time: only what was committed is seen, and nothing behind an open one."""

from expectations import PATIENCE_SECONDS, same
from session import send_all, producer, topic
from transactional import decided, end, produced, transactional, values

PARTITIONS = 3

name = topic("transactions", PARTITIONS)
client = transactional("one", linger_ms=1)
committed, everything = [], []
for number in range(12):
    client.begin_transaction()
    rows = [f"{number} {letter}" for letter in "abc"]
    for partition in range(PARTITIONS):
        produced(client, name, partition, *rows)
    everything += rows
    if number % 3 == 1:
        # What was not sent yet is not sent at all, so that all of it is there to be seen.
        client.flush(PATIENCE_SECONDS)
        client.abort_transaction(PATIENCE_SECONDS)
    else:
        client.commit_transaction(PATIENCE_SECONDS)
        committed += rows
# With nothing in them.
client.begin_transaction()
client.commit_transaction(PATIENCE_SECONDS)
client.begin_transaction()
client.abort_transaction(PATIENCE_SECONDS)
for partition in range(PARTITIONS):
    decided(name, partition)
    same(f"committed in {partition}", values(name, partition), committed)
    same(f"everything in {partition}", values(name, partition, "read_uncommitted"), everything)

name = topic("open", 1)
other = transactional("other")
client.begin_transaction()
produced(client, name, 0, "first")
client.flush(PATIENCE_SECONDS)
other.begin_transaction()
produced(other, name, 0, "second")
other.commit_transaction(PATIENCE_SECONDS)
send_all(producer(), name, [{"partition": 0, "value": "plain"}])
same("the stable end", end(name, 0, "read_committed"), 0)
same("everything", values(name, 0, "read_uncommitted"), ["first", "second", "plain"])
client.abort_transaction(PATIENCE_SECONDS)
decided(name, 0)
same("committed", values(name, 0), ["second", "plain"])
