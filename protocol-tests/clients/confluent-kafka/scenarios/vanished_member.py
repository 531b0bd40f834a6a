"""A member that dies without a word is missed after its session timeout, and its partitions go to the others."""

import json
import os
import signal
import subprocess
import sys

from group_members import Group
from expectations import check, same, until
from session import BOOTSTRAP, by_protocol, producer, send_all, topic

PARTITIONS = 4
VICTIM = """
import json, sys
from confluent_kafka import Consumer
c = Consumer(json.loads(sys.argv[1]))
c.subscribe([sys.argv[2]], on_assign=lambda _, parts: parts and print(len(parts), flush=True))
while True:
    c.poll(0.1)
"""

name = topic("vanished", PARTITIONS)
group = Group("vanished", name, "range")
survivor = group.join("survivor")
until("the first member has everything", lambda: group.balanced(PARTITIONS))
settings = by_protocol({"bootstrap.servers": BOOTSTRAP, "group.id": group.name, "session.timeout.ms": 6000,
                        "heartbeat.interval.ms": 300, "partition.assignment.strategy": "range", "enable.auto.commit": False})
victim = subprocess.Popen([sys.executable, "-c", VICTIM, json.dumps(settings), name], stdout=subprocess.PIPE, text=True)
try:
    same("the victim gets half", victim.stdout.readline().strip(), "2")
    until("the survivor has the other half", lambda: len(group.shares()["survivor"]) == 2)
    send_all(producer(), name, ({"value": str(n), "partition": n % PARTITIONS} for n in range(100)))
    check("the victim still lives", victim.poll() is None)
finally:
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
until("the survivor inherits", lambda: len(group.shares()["survivor"]) == PARTITIONS, 40)
until("and reads what the victim had not committed", lambda: len(set(group.values_seen())) == 100)
group.leave_all()
