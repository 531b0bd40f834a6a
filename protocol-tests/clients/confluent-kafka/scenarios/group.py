"""A group of three: one leaves, one joins, records flow all the while. Every record is seen exactly once.

The assignor is the end of the scenario's name: range and roundrobin take everything away at each rebalance,
cooperative-sticky, and the broker's uniform, only what moves.
"""

import os
import threading

from group_members import Group
from expectations import check, same, until
from session import producer, topic

PARTITIONS = 6
assignor = os.environ["SCENARIO"].removeprefix("consumer-protocol-").removeprefix("group-")
name = topic("group", PARTITIONS)
group = Group("members", name, assignor)

sent = 0
stop = threading.Event()


def keep_sending():
    """A record to each partition in turn, without pause for rebalances."""
    global sent
    client = producer(acks="all")
    while not stop.is_set():
        for _ in range(30):
            client.produce(name, value=str(sent), partition=sent % PARTITIONS)
            sent += 1
        client.poll(0)
        stop.wait(0.02)
    same("records that were never acknowledged", client.flush(60), 0)


def flow():
    """Waits until a good part of what is sent from now on has been seen."""
    mark = sent + 500
    until("records flow", lambda: len(group.values_seen()) >= mark)


sender = threading.Thread(target=keep_sending)
sender.start()
try:
    first = group.join("first")
    until("one member has everything", lambda: group.balanced(PARTITIONS))
    flow()
    second, third = group.join("second"), group.join("third")
    until("three equal shares", lambda: len(group.shares()) == 3 and group.balanced(PARTITIONS))
    flow()

    second.leave()
    until("the rest take over", lambda: len(group.shares()) == 2 and group.balanced(PARTITIONS))
    flow()

    before = group.shares()
    taken_before = {member.name: len(member.given_up) for member in (first, third)}
    fourth = group.join("fourth")
    until("three equal shares again", lambda: len(group.shares()) == 3 and group.balanced(PARTITIONS))
    flow()
    after = group.shares()
    if assignor in ("cooperative-sticky", "uniform"):
        moved = 0
        for member in (first, third):
            check(f"{member.name} keeps what it had", set(after[member.name]) <= set(before[member.name]), (before, after))
            moved += sum(len(batch) for batch in member.given_up[taken_before[member.name]:])
        same("only what moves was given up", moved, len(after["fourth"]))
finally:
    stop.set()
    sender.join()
until("all that was sent is seen", lambda: len(group.values_seen()) >= sent)
# One after the other, each when the rest have settled: who leaves while the group still joins commits, the last time, for
# a generation that may have passed.
for staying, member in ((2, first), (1, third), (0, fourth)):
    member.leave()
    until("the rest take over", lambda: len(group.shares()) == staying and (not staying or group.balanced(PARTITIONS)))
seen = sorted(map(int, group.values_seen()))
same("every record exactly once", seen, list(range(sent)))

# The commits of those who left carry a new member to the very end.
late = Group("members", name, assignor)
late.join("late")
until("the late member has everything", lambda: late.balanced(PARTITIONS))
client = producer()
for partition in range(PARTITIONS):
    client.produce(name, value=f"late {partition}", partition=partition)
client.flush(30)
until("the late member reads", lambda: len(late.values_seen()) >= PARTITIONS)
late.leave_all()
same("and nothing old", sorted(late.values_seen()), [f"late {partition}" for partition in range(PARTITIONS)])
print(f"figures: {sent} records over {sum(member.rebalances for member in group.members)} assignments")
