"""One after the other the members of a group change from the classic protocol to the consumer protocol, and back.

Records flow all the while, and every one is seen exactly once.
"""

import threading

from confluent_kafka import ConsumerGroupType

from group_members import Group
from expectations import same, until
from session import admin, producer, topic

PARTITIONS = 6
name = topic("group", PARTITIONS)
# Not cooperative-sticky: of librdkafka's members with that assignor Kafka says that what they tell it would be lost.
group = Group("members", name, "range")
sent = 0
stop = threading.Event()


def keep_sending():
    global sent
    client = producer(acks="all")
    while not stop.is_set():
        for _ in range(30):
            client.produce(name, value=str(sent), partition=sent % PARTITIONS)
            sent += 1
        client.poll(0)
        stop.wait(0.02)
    same("records that were never acknowledged", client.flush(60), 0)


def settle(members):
    until(f"{members} equal shares", lambda: len(group.shares()) == members and group.balanced(PARTITIONS))
    mark = sent + 300
    until("records flow", lambda: len(group.values_seen()) >= mark)


def type_of_group():
    client = admin()
    return client.describe_consumer_groups([group.name])[group.name].result(30).type


sender = threading.Thread(target=keep_sending)
sender.start()
try:
    present = []
    for number in range(3):
        present.append(group.join(f"classic-{number}", consumer_protocol=False))
        settle(len(present))
    same("type of the group", type_of_group(), ConsumerGroupType.CLASSIC)
    for consumer_protocol, wanted in ((True, ConsumerGroupType.CONSUMER), (False, ConsumerGroupType.CLASSIC)):
        for number in range(3):
            present.pop(0).leave()
            settle(2)
            kind = "consumer" if consumer_protocol else "again"
            present.append(group.join(f"{kind}-{number}", consumer_protocol=consumer_protocol))
            settle(3)
        same("type of the group", type_of_group(), wanted)
finally:
    stop.set()
    sender.join()
until("all that was sent is seen", lambda: len(group.values_seen()) >= sent)
while present:
    present.pop(0).leave()
    until("the rest take over", lambda: len(group.shares()) == len(present) and (not present or group.balanced(PARTITIONS)))
same("every record exactly once", sorted(map(int, group.values_seen())), list(range(sent)))
print(f"figures: {sent} records over {sum(member.rebalances for member in group.members)} assignments")
