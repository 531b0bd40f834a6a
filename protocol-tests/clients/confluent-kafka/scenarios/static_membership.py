"""group.instance.id: a member that restarts in time gets its partitions back and nobody else notices."""

import sys

from confluent_kafka import Consumer, KafkaError, KafkaException

from group_members import Group
from expectations import check, fail, same, until
from session import BOOTSTRAP, CONSUMER_PROTOCOL, by_protocol, producer, send_all, topic

PARTITIONS = 4
name = topic("static", PARTITIONS)
group = Group("static", name, "range")
send_all(producer(), name, ({"value": str(n), "partition": n % PARTITIONS} for n in range(400)))

one = group.join("one", **{"group.instance.id": "instance-1"})
two = group.join("two", **{"group.instance.id": "instance-2"})
until("two equal shares", lambda: len(group.shares()) == 2 and group.balanced(PARTITIONS))
until("everything is read", lambda: len(group.values_seen()) >= 400)

share = group.shares()["two"]
assignments_of_one = one.rebalances
two.leave()
again = group.join("two-again", **{"group.instance.id": "instance-2"})
until("the restarted member is back", lambda: group.shares().get("two-again") == share)
send_all(producer(), name, ({"value": str(n), "partition": n % PARTITIONS} for n in range(400, 800)))
until("everything new is read", lambda: len(group.values_seen()) >= 800)
same("the other member saw no rebalance", one.rebalances, assignments_of_one)
same("every record exactly once", sorted(map(int, group.values_seen())), list(range(800)))

# A second process that claims the same instance while the first one lives: the first one is fenced, but by the consumer
# protocol the second one is refused.
usurper = Consumer(by_protocol({
    "bootstrap.servers": BOOTSTRAP, "group.id": group.name, "group.instance.id": "instance-2",
    "partition.assignment.strategy": "range", "session.timeout.ms": 10000, "heartbeat.interval.ms": 300,
}))
usurper.subscribe([name])
if CONSUMER_PROTOCOL:
    refusal = until("the second owner of the instance id is refused", lambda: usurper.poll(0.1))
    check("with an error that names the instance id", "instance" in str(refusal.error()).lower(), refusal.error())
    usurper.close()
    send_all(producer(), name, ({"value": str(n), "partition": n % PARTITIONS} for n in range(800, 1200)))
    until("the first one reads on", lambda: len(group.values_seen()) >= 1200)
    group.leave_all()
    same("every record exactly once", sorted(map(int, group.values_seen())), list(range(1200)))
    sys.exit(0)
until("the older owner of the instance id ends", lambda: usurper.poll(0.1) is None and not again.thread.is_alive())
error = again.error
check("it ends with an error", isinstance(error, KafkaException), error)
if error.args[0].code() not in (KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL):
    fail(f"wanted a fenced instance, got {error}")
check("the error names the instance id", "instance" in str(error).lower(), error)
again.error = None
usurper.close()
again.consumer.close()
group.leave_all()
