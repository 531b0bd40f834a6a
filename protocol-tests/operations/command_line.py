"""The command line: help, version, the layers of the configuration, warnings, refusals, the log's format."""

import json
import os
import re

from client import Client
from one_shot import overrides, refused, run, setting_rows
from stage import Stage, check, passed, same

# Kafka's own file for one combined broker and controller, in its shape and with its keys.
STOCK_PROPERTIES = """\
############################# Server Basics #############################

# The role of this server. Setting this puts us in KRaft mode
process.roles=broker,controller

# The node id associated with this instance's roles
node.id=1

# Information about the KRaft controllers.
controller.quorum.bootstrap.servers=localhost:9093

############################# Socket Server Settings #############################

listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600

############################# Log Basics #############################

# A comma separated list of directories under which to store log files
log.dirs={directory}
num.partitions=1
num.recovery.threads.per.data.dir=2

############################# Internal Topic Settings  #############################
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1

############################# Log Flush Policy #############################

#log.flush.interval.messages=10000
#log.flush.interval.ms=1000

############################# Log Retention Policy #############################

log.retention.hours=168
#log.retention.bytes=1073741824
#log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
"""


def help_and_version(_stage):
    shown = run("--help")
    same("exit status of --help", shown.status, 0)
    for word in ("--config", "--override", "--log-format", "--version", "config"):
        check(word in shown.output, f"--help does not mention {word}: {shown.output!r}")
    same("standard error of --help", shown.errors, "")
    version = run("--version")
    same("exit status of --version", version.status, 0)
    check(re.fullmatch(r"zurau \d+\.\d+\.\d+\S*\n", version.output), f"--version says {version.output!r}")
    wrong = run("--no-such-option")
    check(wrong.status != 0 and "--no-such-option" in wrong.errors, f"a wrong option: {wrong}")
    passed("help and version")


def layers(stage):
    """One key at every layer, and where its value came from."""
    path = stage.path("layers.properties")
    with open(path, "w") as file:
        file.write("# a comment\nnum.partitions = 2\nlog.retention.hours: 5\nlog.dirs=/srv/\\\n   zurau\n")
    variable = {"KAFKA_NUM_PARTITIONS": "3"}
    plain = setting_rows(run("config"))
    same("the default", plain["num.partitions"], ("1", "default"))
    from_file = setting_rows(run("config", "--config", path))
    same("the file's value", from_file["num.partitions"][0], "2")
    check(path in from_file["num.partitions"][1], f"the file is not named: {from_file['num.partitions']}")
    same("a value after a colon", from_file["log.retention.hours"][0], "5")
    same("a value over two lines", from_file["log.dirs"][0], "/srv/zurau")
    same("what the file does not say", from_file["num.io.threads"], ("8", "default"))
    from_environment = setting_rows(run("config", "--config", path, environment=variable))
    same("the environment's value over the file's", from_environment["num.partitions"][0], "3")
    check("KAFKA_NUM_PARTITIONS" in from_environment["num.partitions"][1],
          f"the variable is not named: {from_environment['num.partitions']}")
    settings = {"num.partitions": 4, "log.retention.hours": 6, "node.id": 7}
    top = setting_rows(run("config", "--config", path, *overrides(settings), environment=variable))
    for key, value in settings.items():
        same(f"the override of {key}", top[key][0], str(value))
        check("override" in top[key][1], f"the override is not named: {top[key]}")
    last = setting_rows(run("config", "--override", "num.partitions=8", "--override", "num.partitions=9"))
    same("of two overrides the last", last["num.partitions"][0], "9")
    # Every key that people look for has its row.
    for key in ("listeners", "advertised.listeners", "log.dirs", "broker.rack", "zurau.disk.reserve.bytes",
                "zurau.flush.before.ack", "offsets.topic.num.partitions", "log.segment.bytes", "max.connections"):
        check(key in plain, f"zurau config does not show {key}")
    same("an override that sets a default is an override",
         "override" in setting_rows(run("config", "--override", "num.partitions=1"))["num.partitions"][1], True)
    passed("layers")


def environment_names(stage):
    rows = setting_rows(run("config", environment={
        "KAFKA_LOG_DIRS": "/srv/one", "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false", "ZURAU_FLUSH_BEFORE_ACK": "true"}))
    same("KAFKA_LOG_DIRS", rows["log.dirs"][0], "/srv/one")
    same("KAFKA_AUTO_CREATE_TOPICS_ENABLE", rows["auto.create.topics.enable"][0], "false")
    same("ZURAU_FLUSH_BEFORE_ACK", rows["zurau.flush.before.ack"][0], "true")
    # No setting of today has an underscore or a dash: the warning shows how the name was read.
    odd = run("config", environment={"KAFKA_A___B__C_D": "1"})
    check("a-b_c.d" in odd.errors, f"KAFKA_A___B__C_D is not read as a-b_c.d: {odd.errors!r}")
    # What container images set for themselves is no setting and worth no warning.
    quiet = run("config", environment={"KAFKA_HEAP_OPTS": "-Xmx1g", "KAFKA_OPTS": "", "KAFKA_JMX_PORT": "1"})
    same("warnings for variables of start scripts", quiet.errors, "")
    # The serving broker takes them too, as a container's broker must.
    broker = stage.broker({}, environment={"KAFKA_NUM_PARTITIONS": "3"})
    broker.start()
    with Client(broker) as client:
        resource = {"resource_type": 4, "resource_name": "1", "configuration_keys": ["num.partitions"]}
        shown = client.call("DescribeConfigs", 4, {"resources": [resource], "include_synonyms": True})["results"][0]
        same("error of DescribeConfigs", shown["error_code"], 0)
        same("num.partitions as clients see it", shown["configs"][0]["value"], "3")
    same("exit status", broker.stop(), 0)
    passed("environment variables")


def warnings(_stage):
    unknown = run("config", "--override", "num.partition=3")
    same("an unknown key does not stop the program", unknown.status, 0)
    lines = [line for line in unknown.error_lines() if "num.partition" in line]
    same(f"warnings about num.partition ({unknown.errors!r})", len(lines), 1)
    check("num.partitions" in lines[0], f"the nearest key is not named: {lines[0]!r}")
    # A topic's name for a broker's setting is the likeliest mistake of all.
    topics_name = run("config", "--override", "retention.ms=1000")
    check("log.retention.ms" in topics_name.errors, f"retention.ms does not lead to log.retention.ms: {topics_name.errors!r}")
    foreign = run("config", "--override", "background.threads=12")
    same("a key of Kafka's does not stop the program", foreign.status, 0)
    lines = [line for line in foreign.error_lines() if "background.threads" in line]
    same(f"warnings about background.threads ({foreign.errors!r})", len(lines), 1)
    check("did you mean" not in lines[0].lower(), f"a key of Kafka's is taken for a mistake: {lines[0]!r}")
    same("warnings about good settings", run("config", "--override", "num.partitions=3").errors, "")
    passed("warnings")


def wrong_values(stage):
    """Each names the key, the value that was given, and what to do about it."""
    data = {"log.dirs": stage.path("never-made"), "listeners": "PLAINTEXT://127.0.0.1:0"}
    cures = ("use", "set", "add", "map", "give", "must", "remove", "one of", "at least")
    wrong = [
        ("num.partitions", "many"), ("num.partitions", "0"), ("num.partitions", "9999999999"), ("node.id", "-1"),
        ("auto.create.topics.enable", "yes"), ("log.segment.bytes", "10"), ("log.retention.ms", "1d"),
        ("compression.type", "brotli"), ("log.cleaner.min.cleanable.ratio", "2"), ("listeners", "PLAINTEXT"),
        ("listeners", "PLAINTEXT://127.0.0.1:99999"), ("listeners", ""), ("zurau.disk.reserve.bytes", "1GiB"),
        ("socket.request.max.bytes", ""), ("inter.broker.listener.name", "NOWHERE"),
    ]
    for key, value in wrong:
        for command in ([], ["config"]):
            ended = run(*command, *overrides({**data, key: value}))
            line = refused(f"{key}={value!r} {command}", ended, key, value)
            check(any(cure in line.lower() for cure in cures), f"{key}={value!r}: no cure in {line!r}")
    check(not os.path.exists(data["log.dirs"]), "a refused configuration has made a data directory")
    refused("an override that is none", run("config", "--override", "nonsense"), "nonsense", "key=value")
    missing = stage.path("missing.properties")
    refused("a configuration file that is missing", run("--config", missing), missing)
    # Which of the layers it was, for somebody who looks for the mistake.
    path = stage.path("wrong.properties")
    with open(path, "w") as file:
        file.write("num.partitions=several\n")
    refused("a wrong value in a file", run("--config", path), "num.partitions", "several", path)
    refused("a wrong value in the environment", run(environment={"KAFKA_NUM_PARTITIONS": "x"}), "num.partitions",
            "KAFKA_NUM_PARTITIONS")
    passed("wrong values")


def log_as_json(stage):
    broker = stage.broker({"num.partition": 3}, arguments=["--log-format", "json"])
    broker.start()
    with Client(broker) as client:
        client.create_topic("some")
    same("exit status", broker.stop(), 0)
    lines = [line for line in broker.log_lines() if not line.startswith(("---", "stdout: "))]
    check(len(lines) >= 2, f"hardly anything was logged: {lines}")
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            check(False, f"not JSON: {line!r}")
        check(isinstance(event, dict) and {"timestamp", "level", "message"} <= set(event), f"time, level or message missing: {line}")
    check(any("num.partitions" in line for line in lines), "the warning about num.partition is not in the log")
    passed("log as JSON")


def stock_properties(stage):
    """Kafka's own file starts, and the controller's listener is not opened."""
    path = stage.path("server.properties")
    with open(path, "w") as file:
        file.write(STOCK_PROPERTIES.format(directory=stage.path("stock-data")))
    # Only the ports are ours, since somebody else may be using Kafka's here.
    listeners = "PLAINTEXT://:0,CONTROLLER://:0"
    broker = stage.broker({"listeners": listeners, "log.dirs": None}, arguments=["--config", path])
    broker.start()
    same("listeners that are open", sorted(broker.listeners), ["PLAINTEXT"])
    check(stage.path("stock-data") in broker.ready_line, f"the data directory is not in {broker.ready_line!r}")
    with Client(broker, address=f"127.0.0.1:{broker.port}") as client:
        same("the file's advertised address", client.brokers(), [("localhost", 9092)])
        client.create_topic("stock")
        same("base offset", client.produce_values("stock", [b"value"]), 0)
    for line in broker.logged(" WARN "):
        check(".min.isr" in line or "replication.factor" in line or "quorum" in line or "CONTROLLER" in line,
              f"a stock file is worth this warning? {line}")
    same("errors in the log", broker.logged(" ERROR "), [])
    same("exit status", broker.stop(), 0)
    check(os.path.isfile(stage.path("stock-data", "meta.properties")), "no meta.properties in the file's log.dirs")
    passed("stock server.properties")


with Stage(seconds=100) as stage:
    stage.step(help_and_version)
    stage.step(layers)
    stage.step(environment_names)
    stage.step(warnings)
    stage.step(wrong_values)
    stage.step(log_as_json)
    stage.step(stock_properties)
