"""Settings that change while the broker runs: their effect comes at once, without a restart, and outlives one."""

import os
import time

from client import NONE, OUT_OF_ORDER_SEQUENCE_NUMBER, Client, From, served
from stage import Stage, check, eventually, passed, same

from wire.records import batch, record, simple_batch

BROKER = 4
SET, DELETE = 0, 1
ALL = ""
DYNAMIC_BROKER, DYNAMIC_DEFAULT, STATIC, DEFAULT = 2, 3, 4, 5


def alter(client, changes, whom="1", error=NONE):
    """Sets settings; those with None are deleted."""
    configs = [{"name": key, "config_operation": DELETE if value is None else SET,
                "value": None if value is None else str(value)} for key, value in changes.items()]
    resource = {"resource_type": BROKER, "resource_name": whom, "configs": configs}
    answer = client.call("IncrementalAlterConfigs", 1, {"resources": [resource]})["responses"][0]
    same(f"error of {changes} ({answer['error_message']})", answer["error_code"], error)
    return answer["error_message"]


def described(client, key):
    """The value of a broker's setting, and (source, value) of each place that has one, the effective one first."""
    asked = {"resource_type": BROKER, "resource_name": "1", "configuration_keys": [key]}
    answer = client.call("DescribeConfigs", 4, {"resources": [asked], "include_synonyms": True})["results"][0]
    row = answer["configs"][0]
    same(f"{key} is read-only", row["read_only"], False)
    return row["value"], [(entry["source"], entry["value"]) for entry in row["synonyms"]]


def fill(client, topic, count):
    """Batches of 100 KB with one of three keys."""
    for number in range(count):
        client.must_produce(topic, batch([record(0, b"key-%d" % (number % 3), os.urandom(100_000))]))


def connections(stage):
    """Fewer connections: those that were used the longest time ago go, the others stay."""
    broker = stage.broker()
    broker.start()
    others = [From(broker, f"127.0.0.{number + 2}") for number in range(5)]
    same("connections before", [served(one) for one in others], [True] * 5)
    same("the first is used again", served(others[0]), True)
    with Client(broker) as admin:
        alter(admin, {"max.connections": 3})
        eventually("three of six have gone", lambda: len(broker.logged("max.connections was lowered")) == 3)
        same("who is left", [served(one) for one in others], [True, False, False, False, True])
        same("a new connection", served(Client(broker, timeout=3)), False)
        alter(admin, {"max.connections": None})
        others.append(From(broker, "127.0.0.9"))
        same("a new connection when there is no limit any more", served(others[-1]), True)
        alter(admin, {"max.connections.per.ip.overrides": "127.0.0.9:1"}, ALL)
        same("a second connection of a limited address", served(From(broker, "127.0.0.9")), False)
        alter(admin, {"max.connections.per.ip.overrides": "127.0.0.9:2"})
        second = From(broker, "127.0.0.9")
        same("this broker's own limit prevails", served(second), True)
        same("one too many", served(From(broker, "127.0.0.9")), False)
        same("those that were there", [served(others[-1]), served(second), served(others[0])], [True] * 3)
        alter(admin, {"max.connections": 0}, error=42)
    same("exit status", broker.stop(), 0)
    passed("connections")


def rate_of_connections(stage):
    broker = stage.broker()
    broker.start()
    with Client(broker) as admin:
        alter(admin, {"max.connection.creation.rate": 5})
        began = time.monotonic()
        many = [Client(broker) for _ in range(8)]
        same("all are served in the end", [served(one) for one in many], [True] * 8)
        took = time.monotonic() - began
        # Five may come at once, three after them.
        check(took > 0.5, f"eight connections at five a second took {took:.2f} s")
    same("exit status", broker.stop(), 0)
    passed("rate of connections")


def cleaner_threads(broker):
    tasks = f"/proc/{broker.process.pid}/task"
    names = []
    for task in os.listdir(tasks):
        try:
            with open(f"{tasks}/{task}/comm") as file:
                names.append(file.read().strip())
        except (FileNotFoundError, ProcessLookupError):
            # It has ended meanwhile.
            continue
    return len([name for name in names if name.startswith("log-cleaner")])


def cleaner(stage):
    """The number of threads, how long they wait, and how fast they may be."""
    broker = stage.broker({"log.cleaner.backoff.ms": 3_600_000, "log.cleaner.io.max.bytes.per.second": 1000})
    broker.start()
    with Client(broker) as client:
        same("threads at the start", cleaner_threads(broker), 1)
        alter(client, {"log.cleaner.threads": 2}, ALL)
        same("threads when there are to be more", cleaner_threads(broker), 2)
        alter(client, {"log.cleaner.threads": 5}, ALL, error=42)
        compacted = {"cleanup.policy": "compact", "segment.bytes": 1 << 20, "min.cleanable.dirty.ratio": 0.01}
        client.create_topic("sized", configs=compacted)
        fill(client, "sized", 45)
        alter(client, {"log.cleaner.backoff.ms": 50})
        alter(client, {"log.cleaner.threads": 1}, ALL)
        # At that rate it would take an hour.
        alter(client, {"log.cleaner.io.max.bytes.per.second": "1e9"})
        eventually("the log is clean up to its active segment",
                   lambda: broker.checkpoint("cleaner-offset-checkpoint").get(("sized", 0)) == 40, seconds=60)
        eventually("one thread is left", lambda: cleaner_threads(broker) == 1)
    same("exit status", broker.stop(), 0)
    passed("cleaner")


def expiration_of_producers(stage):
    broker = stage.broker({"producer.id.expiration.check.interval.ms": 100})
    broker.start()
    with Client(broker) as client:
        client.create_topic("numbered")
        producer = client.new_producer()

        def send(sequence):
            numbered = simple_batch([b"value"], producer_id=producer, producer_epoch=0, base_sequence=sequence)
            return client.produce("numbered", numbered)["error_code"]

        same("its first record", send(0), NONE)
        same("a gap", send(50), OUT_OF_ORDER_SEQUENCE_NUMBER)
        alter(client, {"producer.id.expiration.ms": 1})
        # A producer that nobody remembers may begin anywhere.
        eventually("the producer is forgotten", lambda: send(50) == NONE)
    same("exit status", broker.stop(), 0)
    passed("expiration of producers")


def replicas(client):
    """For each directory, whether the replica of moved-0 in it is a future one; None where there is none."""
    answer = client.call("DescribeLogDirs", 4, {"topics": [{"topic": "moved", "partitions": [0]}]})
    return {directory["log_dir"]: next((entry["is_future_key"] for topic in directory["topics"]
                                        for entry in topic["partitions"]), None)
            for directory in answer["results"]}


def future_log(directory):
    """The log file of a future replica."""
    name, = [name for name in os.listdir(directory) if name.endswith("-future")]
    return os.path.join(directory, name, "00000000000000000000.log")


def moves(stage):
    """A move is held to the rate, and goes on at once when that is raised."""
    directories = [stage.path("moves-a"), stage.path("moves-b")]
    broker = stage.broker({"log.dirs": ",".join(directories)})
    broker.start()
    with Client(broker) as client:
        rate = "replica.alter.log.dirs.io.max.bytes.per.second"
        alter(client, {rate: 1000})
        client.create_topic("moved")
        fill(client, "moved", 40)
        here = next(path for path, is_future in replicas(client).items() if is_future is False)
        there = next(path for path in directories if path != here)
        body = {"dirs": [{"path": there, "topics": [{"name": "moved", "partitions": [0]}]}]}
        answer = client.call("AlterReplicaLogDirs", 2, body)["results"][0]["partitions"][0]
        same("error of the move", answer["error_code"], NONE)
        # At that rate the rest takes more than half an hour.
        eventually("some of it is copied", lambda: os.path.getsize(future_log(there)) > 0)
        same("where it is", replicas(client), {here: False, there: True})
        alter(client, {rate: None})
        eventually("the move has come to its end", lambda: replicas(client) == {here: None, there: False})
        same("records", len(client.read("moved")), 40)
    same("exit status", broker.stop(), 0)
    passed("moves")


def over_a_restart(stage):
    """What was set is in the metadata log: it is told, and in force, after a restart."""
    settings = {"num.io.threads": 6, "max.connections": 100}
    broker = stage.broker(settings)
    broker.start()
    with Client(broker) as client:
        alter(client, {"num.io.threads": 12}, ALL)
        alter(client, {"num.io.threads": 24})
        alter(client, {"max.connections": 2, "background.threads": 7}, ALL)
        told = {
            "num.io.threads": ("24", [(DYNAMIC_BROKER, "24"), (DYNAMIC_DEFAULT, "12"), (STATIC, "6"), (DEFAULT, "8")]),
            "max.connections": ("2", [(DYNAMIC_DEFAULT, "2"), (STATIC, "100"), (DEFAULT, "2147483647")]),
            "background.threads": ("7", [(DYNAMIC_DEFAULT, "7"), (DEFAULT, "10")]),
        }
        for key, wanted in told.items():
            same(key, described(client, key), wanted)
    same("exit status", broker.stop(), 0)
    broker.start()
    with Client(broker) as client:
        for key, wanted in told.items():
            same(f"{key} after a restart", described(client, key), wanted)
        one_more = From(broker, "127.0.0.2")
        same("a second connection", served(one_more), True)
        same("a third connection", served(From(broker, "127.0.0.3")), False)
        # Half of it is as far as it goes at once, also back.
        alter(client, {"num.io.threads": None})
        refused = alter(client, {"num.io.threads": 25}, error=42)
        check("num.io.threads" in refused and "24" in refused, f"a refusal that does not say how far it goes: {refused}")
        same("num.io.threads at the end", described(client, "num.io.threads")[0], "12")
    same("exit status", broker.stop(), 0)
    passed("over a restart")


def refusals(stage):
    """What has no effect here is not accepted, and it is said why."""
    broker = stage.broker()
    broker.start()
    with Client(broker) as client:
        for key, why in (("num.replica.fetchers", "no other broker"), ("ssl.keystore.location", "TLS"),
                         ("listeners", "a restart of the broker"), ("node.id", "Cannot update"),
                         ("no.such", "Cannot update")):
            text = alter(client, {key: "1"}, error=42)
            check(why in text and key in text, f"the refusal of {key} does not say why: {text}")
    same("exit status", broker.stop(), 0)
    passed("refusals")


with Stage(seconds=160) as stage:
    for step in (connections, rate_of_connections, cleaner, expiration_of_producers, moves, over_a_restart, refusals):
        stage.step(step)
