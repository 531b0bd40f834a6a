"""An open transaction over the end of the broker: one producer commits it, one aborts it, one never comes back."""

import os
import subprocess

from expectations import PATIENCE_SECONDS, same
from session import topic
from transactional import decided, end, produced, transactional, values

name = topic("restart")
settings = {"transaction_timeout_ms": 300_000}
commits, aborts, vanishes = (transactional(word, **settings) for word in ("commits", "aborts", "vanishes"))
for client in (commits, aborts, vanishes):
    client.begin_transaction()
expected = []
for number, command in enumerate(("restart", "kill9", None)):
    for client, word in ((commits, "commits"), (aborts, "aborts"), (vanishes, "vanishes")):
        produced(client, name, 0, f"{word} {number}")
        client.flush(PATIENCE_SECONDS)
    expected.append(f"commits {number}")
    if command:
        subprocess.run([os.environ["BROKER_CONTROL"], command], check=True, stdout=subprocess.DEVNULL)
    if command == "kill9":
        subprocess.run([os.environ["BROKER_CONTROL"], "start"], check=True, stdout=subprocess.DEVNULL)
commits.commit_transaction(PATIENCE_SECONDS)
aborts.abort_transaction(PATIENCE_SECONDS)
following = transactional("vanishes")
following.begin_transaction()
produced(following, name, 0, "next")
following.commit_transaction(PATIENCE_SECONDS)
decided(name, 0)
same("committed", values(name, 0), expected + ["next"])
same("the end", end(name, 0, "read_committed"), end(name, 0, "read_uncommitted"))
