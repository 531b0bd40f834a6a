"""A group of three: one leaves, one joins, records flow all the while. Every record is seen exactly once."""

import threading

from expectations import same, until
from group_ledger import GroupLedger
from group_member import GroupMember, leave_all
from session import producer, send_all, topic

PARTITIONS = 6
name = topic("group", PARTITIONS)
ledger = GroupLedger()
sent = 0
stop = threading.Event()


def keep_sending():
    """A record to each partition in turn, without pause for rebalances."""
    global sent
    client = producer()
    while not stop.is_set():
        for _ in range(30):
            client.send(name, value=str(sent).encode(), partition=sent % PARTITIONS)
            sent += 1
        stop.wait(0.02)
    client.flush(60)
    client.close()


def join(member):
    return GroupMember(ledger, "members", name, member)


def flow():
    """Waits until a good part of what is sent from now on has been read."""
    mark = sent + 300
    until("records flow", lambda: len(ledger.values()) >= mark)


sender = threading.Thread(target=keep_sending)
sender.start()
try:
    first = join("first")
    until("one member has everything", lambda: ledger.balanced(1, PARTITIONS))
    second, third = join("second"), join("third")
    until("three equal shares", lambda: ledger.balanced(3, PARTITIONS))
    flow()
    second.leave()
    until("the rest take over", lambda: ledger.balanced(2, PARTITIONS))
    flow()
    fourth = join("fourth")
    until("three equal shares again", lambda: ledger.balanced(3, PARTITIONS))
    flow()
finally:
    stop.set()
    sender.join()
until("all that was sent is read", lambda: len(ledger.values()) >= sent)
leave_all((first, third, fourth))
same("every record exactly once", sorted(map(int, ledger.values())), list(range(sent)))

# The commits of those who left carry a new member to the very end.
ledger = GroupLedger()
late = join("late")
until("the late member has everything", lambda: ledger.balanced(1, PARTITIONS))
rows = [{"partition": partition, "value": f"late {partition}".encode()} for partition in range(PARTITIONS)]
send_all(producer(), name, rows)
until("the late member reads", lambda: len(ledger.values()) >= PARTITIONS)
late.leave()
same("and nothing old", sorted(ledger.values()), [row["value"].decode() for row in rows])
print(f"figures: {sent} records")
