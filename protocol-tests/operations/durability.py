"""What is synced when: the recovery point says so, and SIGKILL takes nothing that was acknowledged."""

import os
from threading import Thread

from client import Client
from stage import Stage, check, eventually, passed, same

RECOVERY_POINTS = "recovery-point-offset-checkpoint"
# The recovery points are looked at through their file, which is to be written often.
OFTEN = {"log.flush.offset.checkpoint.interval.ms": 300}


def recovery_point(broker, topic):
    return broker.checkpoint(RECOVERY_POINTS).get((topic, 0), 0)


def becomes(broker, topic, offset):
    eventually(f"the recovery point of {topic} becomes {offset}", lambda: recovery_point(broker, topic) == offset)


def by_topic(stage):
    """Each way of asking for syncs, as a topic's own setting; and one topic that asks for none."""
    broker = stage.broker(OFTEN)
    broker.start()
    with Client(broker) as client:
        client.create_topic("synced", configs={"zurau.flush.before.ack": "true"})
        client.create_topic("counted", configs={"flush.messages": 5})
        client.create_topic("timed", configs={"flush.ms": 1000})
        client.create_topic("plain")
        resource = {"resource_type": 2, "resource_name": "synced", "configuration_keys": ["zurau.flush.before.ack"]}
        shown = client.call("DescribeConfigs", 4, {"resources": [resource]})["results"][0]
        same("zurau.flush.before.ack of the topic", shown["configs"][0]["value"], "true")
        client.produce_values("plain", [b"p"] * 3)
        for end in (1, 2, 3):
            same("base offset", client.produce_values("synced", [b"s"]), end - 1)
            becomes(broker, "synced", end)
        client.produce_values("counted", [b"c"] * 3)
        client.produce_values("timed", [b"t"])
        becomes(broker, "timed", 1)
        # A checkpoint later, three records of five have not been reason enough.
        same("recovery point of counted after 3 of 5 records", recovery_point(broker, "counted"), 0)
        client.produce_values("counted", [b"c"] * 3)
        becomes(broker, "counted", 6)
        client.produce_values("timed", [b"t"] * 4)
        becomes(broker, "timed", 5)
        same("recovery point of a topic that asks for nothing", recovery_point(broker, "plain"), 0)
        ends = {"synced": 3, "counted": 6, "timed": 5, "plain": 3}
    broker.kill9()
    # SIGKILL leaves what the system has: all of it.
    broker.start()
    with Client(broker) as client:
        for topic, end in ends.items():
            same(f"range of {topic} after SIGKILL", client.range(topic), (0, end))
        same("base offset", client.produce_values("synced", [b"s"]), 3)
        becomes(broker, "synced", 4)
    same("exit status", broker.stop(), 0)
    for topic, end in {**ends, "synced": 4}.items():
        same(f"recovery point of {topic} after a clean stop", recovery_point(broker, topic), end)
    passed("syncs by topic")


def by_broker(stage):
    """The broker's defaults of the same settings."""
    asked = {
        "zurau.flush.before.ack": ("true", 2), "log.flush.interval.messages": (2, 2), "log.flush.interval.ms": (500, 2),
        "log.flush.interval.messages ": (3, 0),
    }
    for key, (value, wanted) in asked.items():
        broker = stage.broker({**OFTEN, key.strip(): value})
        broker.start()
        with Client(broker) as client:
            client.create_topic("other", configs={"zurau.flush.before.ack": "true"})
            client.create_topic("default")
            client.produce_values("default", [b"one", b"two"])
            client.produce_values("other", [b"one"])
            becomes(broker, "other", 1)
            if wanted:
                becomes(broker, "default", wanted)
            else:
                same(f"recovery point with {key.strip()}={value}", recovery_point(broker, "default"), 0)
        broker.kill9()
        broker.start()
        with Client(broker) as client:
            same(f"records with {key.strip()}={value} after SIGKILL", client.read("default"), [(0, b"one"), (1, b"two")])
        same("exit status", broker.stop(), 0)
    passed("syncs by the broker's defaults")


def by_roll(stage):
    """A closed segment is synced without anybody asking."""
    broker = stage.broker(OFTEN)
    broker.start()
    with Client(broker) as client:
        client.create_topic("rolled", configs={"segment.bytes": 1048576})
        for _ in range(12):
            client.produce_values("rolled", [b"r" * 100_000])
        eventually("the recovery point reaches the new segment", lambda: recovery_point(broker, "rolled") >= 10)
    broker.kill9()
    broker.start()
    with Client(broker) as client:
        same("range after SIGKILL", client.range("rolled"), (0, 12))
    same("exit status", broker.stop(), 0)
    passed("syncs by rolling")


def many_at_once(stage):
    """Acknowledged means stored, for many producers whose records share a sync."""
    broker = stage.broker({**OFTEN, "zurau.flush.before.ack": "true"})
    broker.start()
    with Client(broker) as client:
        client.create_topic("shared", partitions=4)
    acknowledged = [[] for _ in range(8)]

    def produce(number):
        with Client(broker) as client:
            for index in range(40):
                value = b"%d-%d" % (number, index)
                offset = client.produce_values("shared", [value], number % 4)
                acknowledged[number].append((number % 4, offset, value))

    threads = [Thread(target=produce, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    broker.kill9()
    broker.start()
    with Client(broker) as client:
        stored = {partition: dict(client.read("shared", partition)) for partition in range(4)}
    for entries in acknowledged:
        same("records of one producer", len(entries), 40)
        for partition, offset, value in entries:
            same(f"record at {partition}/{offset}", stored[partition].get(offset), value)
    same("exit status", broker.stop(), 0)
    check(os.path.exists(os.path.join(broker.data_directory, ".kafka_cleanshutdown")), "no marker after a clean stop")
    passed("many producers, one sync")


with Stage(seconds=110) as stage:
    stage.step(by_topic)
    stage.step(by_broker)
    stage.step(by_roll)
    stage.step(many_at_once)
