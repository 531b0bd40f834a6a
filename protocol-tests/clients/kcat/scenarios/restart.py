"""Records and committed offsets outlive a stop, and a kill -9."""

import json
import os
import subprocess

from kcat_command import PREFIX, consume, kcat, offsets, payloads, produce, same, topic


def order(word):
    answer = json.loads(subprocess.run([os.environ["BROKER_CONTROL"], word], check=True, capture_output=True).stdout)
    print(word, answer)


def group_read(*arguments):
    output = kcat("-G", PREFIX + "group", "-e", "-q", "-J", "-X", "auto.offset.reset=earliest", *arguments, name)
    return sorted((json.loads(line)["payload"] for line in output.splitlines()), key=int)


name = topic("kept", 3)
sent = 0


def send(count):
    """A batch of fresh numbers, acknowledged by the broker."""
    global sent
    produce(name, "".join(f"k{n}:{n}\n" for n in range(sent, sent + count)), "-K:", "-X", "acks=all", "-z", "lz4")
    sent += count


send(1000)
same("before any restart", len(group_read()), 1000)

for how in ("stop", "kill9"):
    send(500)
    before = {p: offsets(consume(name, "-p", p)) for p in range(3)}
    order(how)
    order("start")
    for partition, wanted in before.items():
        same(f"after {how}: offsets of partition {partition}", offsets(consume(name, "-p", partition)), wanted)
    same(f"after {how}: every record", sorted(map(int, payloads(consume(name)))), list(range(sent)))
    same(f"after {how}: the group goes on where it was", group_read(), [str(n) for n in range(sent - 500, sent)])
    send(100)
    same(f"after {how}: and reads what is new", group_read(), [str(n) for n in range(sent - 100, sent)])

# Committed right before the kill: nothing may be read twice.
order("kill9")
order("start")
same("a commit just before a kill holds", group_read(), [])
