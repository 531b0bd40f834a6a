"""The command line: help, version, the layers of the configuration, warnings, refusals, the log's format."""

import json
import os
import re
import socket

import kafka_files
from client import Client
from one_shot import overrides, refused, run, setting_rows
from stage import Stage, check, passed, same

def help_and_version(_stage):
    shown = run("--help")
    same("exit status of --help", shown.status, 0)
    for word in ("--config", "--override", "--log-format", "--version", "config"):
        check(word in shown.output, f"--help does not mention {word}: {shown.output!r}")
    same("standard error of --help", shown.errors, "")
    version = run("--version")
    same("exit status of --version", version.status, 0)
    check(re.fullmatch(r"zurau \d+\.\d+\.\d+\S*\n", version.output), f"--version says {version.output!r}")
    passed("help and version")


def wrong_command_lines(stage):
    """Status 2, told from a configuration that cannot be used."""
    path = stage.path("good.properties")
    with open(path, "w") as file:
        file.write("num.partitions=2\n")
    for arguments, named in (
        (["--no-such-option"], "--no-such-option"), (["strat"], "strat"), (["config", "all"], "all"), (["--log-format", "xml"], "xml"),
        (["--override", "nonsense"], "key=value"), (["config", "--override", "=1"], "key=value"), (["--override"], "--override"),
        (["--config"], "--config"), ([path, path], path), ([path, "--config", path], "--config"), (["config", path, "--config", path], "--config"),
    ):
        wrong = run(*arguments)
        same(f"exit status of {wrong}", wrong.status, 2)
        same(f"standard output of {wrong}", wrong.output, "")
        check(named in wrong.errors, f"{named} is not named: {wrong}")
    passed("wrong command lines")


def file_as_kafka_users_name_it(stage):
    """`kafka-server-start.sh server.properties --override key=value`, with the other program's name."""
    path = stage.path("named.properties")
    with open(path, "w") as file:
        file.write("num.partitions=2\nnum.io.threads=5\n")
    for arguments in ([path, "config"], ["config", path], ["config", "--config", path]):
        rows = setting_rows(run(*arguments, "--override", "num.partitions=3"))
        same(f"the file's value with {arguments}", rows["num.io.threads"], ("5", f"file {path}"))
        same(f"the override with {arguments}", rows["num.partitions"][0], "3")
    missing = stage.path("missing.properties")
    refused("a file that is missing", run(missing), missing)
    passed("a file as Kafka's users name it")


def first_line(stage):
    """Who starts stands before all that is said of it."""
    directories = f"{stage.path('first-data')},/proc/none/data"
    broker = stage.broker({"num.partition": 3, "node.id": 7, "log.dirs": directories})
    broker.start()
    lines = broker.own_lines()
    version = run("--version").output.split()[1]
    check(lines and f"zurau {version} starts as node 7 of cluster {broker.cluster_id}" in lines[0], f"the first line is {lines[:1]}")
    check(any("num.partition " in line and " WARN " in line for line in lines[1:]), f"no warning after it: {lines}")
    check(any("/proc/none/data" in line and " ERROR " in line for line in lines[1:]), f"no directory that is offline: {lines}")
    same("exit status", broker.stop(), 0)
    passed("the first line")


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
    # What container images and Kubernetes set for themselves is no setting and worth no warning.
    quiet = run("config", environment={
        "KAFKA_HEAP_OPTS": "-Xmx1g", "KAFKA_OPTS": "", "KAFKA_JMX_PORT": "1", "KAFKA_PORT": "tcp://10.0.0.1:9092",
        "KAFKA_PORT_9092_TCP_ADDR": "10.0.0.1", "KAFKA_UI_SERVICE_HOST": "10.0.0.2", "ZURAU_SERVICE_PORT": "9092"})
    same("warnings for variables of start scripts", quiet.errors, "")
    unknown = run("config", environment={"ZURAU_FLUSH_BEFORE_ACKS": "true"})
    check("ZURAU_FLUSH_BEFORE_ACKS" in unknown.errors and "zurau.flush.before.ack?" in unknown.errors, f"an unknown variable: {unknown}")
    same("lines about it", len(unknown.error_lines()), 1)
    # Of another image nothing would be read: that is no start.
    bitnami = {"KAFKA_CFG_NODE_ID": "0", "KAFKA_CFG_PROCESS_ROLES": "controller,broker", "KAFKA_CFG_LISTENERS": "SASL_SSL://:9092"}
    for arguments in ([], ["config"]):
        refused("variables of Bitnami's image", run(*arguments, environment=bitnami), "KAFKA_CFG_", "2 more", "Bitnami")
    confluent = run("config", environment={f"KAFKA_CONFLUENT_{name}": "1" for name in ("LICENSE_TOPIC_REPLICATION_FACTOR", "BALANCER_ENABLE", "SUPPORT")})
    same(f"lines about Confluent's settings ({confluent.errors})", len(confluent.error_lines()), 1)
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
    for key, value, word in (("producer.purgatory.purge.interval.requests", 12, "has no effect here"),
                             ("quota.window.num", 12, "not served yet"), ("port", 9092, "use listeners")):
        foreign = run("config", "--override", f"{key}={value}")
        same(f"{key} does not stop the program", foreign.status, 0)
        lines = [line for line in foreign.error_lines() if key in line]
        same(f"warnings about {key} ({foreign.errors!r})", len(lines), 1)
        check(word in lines[0] and "did you mean" not in lines[0].lower(), f"{key} is taken for something else: {lines[0]!r}")
        check(("yet" in lines[0]) == (word == "not served yet"), f"{key} will not come: {lines[0]!r}")
    # What cannot matter on a single node is for those who look closely.
    same("warnings about replication", run("config", "--override", "replica.fetch.max.bytes=12").errors, "")
    closely = run("config", "--override", "replica.fetch.max.bytes=12", environment={"RUST_LOG": "debug"})
    check("replica.fetch.max.bytes" in closely.errors and "single node" in closely.errors, f"nothing for those who look closely: {closely}")
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
    port = refused("a port that is none", run("--override", "listeners=PLAINTEXT://127.0.0.1:99999"), "99999 is not a port", "65535")
    check("NAME://" not in port, f"a wrong port is no wrong form: {port}")
    refused("listeners in the environment", run(environment={"KAFKA_LISTENERS": "9092"}), "KAFKA_LISTENERS", "NAME://host:port")
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
    lines = broker.own_lines()
    check(len(lines) >= 2, f"hardly anything was logged: {lines}")
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            check(False, f"not JSON: {line!r}")
        check(isinstance(event, dict) and {"timestamp", "level", "message"} <= set(event), f"time, level or message missing: {line}")
    check(any("num.partitions" in line for line in lines), "the warning about num.partition is not in the log")
    passed("log as JSON")


def nobody_can_come(stage):
    """Where the rest of the configuration sends clients elsewhere than to the loopback, or this is a container."""
    data = {"log.dirs": stage.path("unreachable-data")}
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 9092))
            taken.listen()
        except OSError:
            pass  # somebody else has it: as good
        # The start ends at the port, after the configuration is said.
        for environment in ({"KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://kafka:9092"}, {"container": "some"}):
            ended = run(*overrides(data), environment=environment)
            lines = [line for line in ended.error_lines() if " WARN " in line]
            check(len(lines) == 1 and "set listeners, such as PLAINTEXT://0.0.0.0:9092" in lines[0], f"with {environment}: {ended}")
    passed("a loopback that nobody can reach")


def stock_properties(stage):
    """Kafka's own file starts, and the controller's listener is not opened."""
    path = stage.path("server.properties")
    with open(path, "w") as file:
        file.write(kafka_files.SERVER.format(directory=stage.path("stock-data")))
    # Only the ports are ours, since somebody else may be using Kafka's here.
    listeners = "PLAINTEXT://:0,CONTROLLER://:0"
    broker = stage.broker({"listeners": listeners, "log.dirs": None}, arguments=[path])
    broker.start()
    same("listeners that are open", sorted(broker.listeners), ["PLAINTEXT"])
    check(stage.path("stock-data") in broker.ready_line, f"the data directory is not in {broker.ready_line!r}")
    with Client(broker, address=f"127.0.0.1:{broker.port}") as client:
        same("the file's advertised address", client.brokers(), [("localhost", 9092)])
        client.create_topic("stock")
        same("base offset", client.produce_values("stock", [b"value"]), 0)
    same("warnings about a stock file", broker.logged(" WARN "), [])
    same("errors in the log", broker.logged(" ERROR "), [])
    same("exit status", broker.stop(), 0)
    check(os.path.isfile(stage.path("stock-data", "meta.properties")), "no meta.properties in the file's log.dirs")
    passed("stock server.properties")


with Stage(seconds=100) as stage:
    stage.step(help_and_version)
    stage.step(wrong_command_lines)
    stage.step(file_as_kafka_users_name_it)
    stage.step(first_line)
    stage.step(layers)
    stage.step(environment_names)
    stage.step(warnings)
    stage.step(wrong_values)
    stage.step(log_as_json)
    stage.step(nobody_can_come)
    stage.step(stock_properties)
