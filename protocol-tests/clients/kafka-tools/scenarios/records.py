"""Records in and out, offsets, groups, transactions: what people look at their data with."""

import json
import sys

from tools import IS_KAFKA, PREFIX, Tools, in_file

TOPIC = PREFIX + "t"
GROUP = PREFIX + "g"


def records(tools):
    tools.call("topics", "--create", "--topic", TOPIC, "--partitions", 2)
    keyed = ("--reader-property", "parse.key=true", "--reader-property", "key.separator=:")
    tools.call("console-producer", "--topic", TOPIC, *keyed, given="".join(f"k{number}:v{number}\n" for number in range(40)))
    told = tools.call("console-consumer", "--topic", TOPIC, "--from-beginning", "--max-messages", 40, "--timeout-ms", 20000,
                      "--formatter-property", "print.key=true")
    if sorted(told.lines) != sorted(f"k{number}\tv{number}" for number in range(40)):
        told.fail("does not give back what was written")
    tools.call("console-producer", "--topic", TOPIC, "--compression-codec", "zstd", given="last\n")
    told = tools.call("get-offsets", "--topic", TOPIC)
    ends = [int(line.split(":")[2]) for line in told.lines]
    if len(ends) != 2 or sum(ends) != 41:
        told.fail("does not count 41 records")
    tools.call("get-offsets", "--topic-partitions", f"{TOPIC}:0,{TOPIC}:1", "--time", "-2").is_exactly(f"{TOPIC}:0:0", f"{TOPIC}:1:0")
    for time in ("earliest", "latest", "max-timestamp", "earliest-local", "0"):
        tools.call("get-offsets", "--topic", TOPIC, "--time", time)
    tools.call("get-offsets", "--topic", PREFIX + "missing", status=1).warns("Could not match any topic-partitions")
    return ends


def performance(tools):
    told = tools.call("producer-perf-test", "--topic", TOPIC, "--num-records", 5000, "--record-size", 100, "--throughput", -1)
    told.has(r"^5000 records sent, ")
    told = tools.call("consumer-perf-test", "--topic", TOPIC, "--num-records", 5000, "--timeout", 20000)
    told.has(r"^\d{4}-.*, 5\d\d\d, ")
    words = ("--topic", TOPIC, "--num-records", 100, "--producer-acks", "all", "--record-size", 100)
    tools.call("e2e-latency", *words).has("^Avg latency: ", "^Percentiles: ")


def groups(tools, ends):
    consume = ("console-consumer", "--topic", TOPIC, "--group", GROUP, "--timeout-ms", 20000)
    tools.call(*consume, "--from-beginning", "--max-messages", 10)
    tools.call("consumer-groups", "--list").has(f"^{GROUP}$")
    tools.call("consumer-groups", "--list", "--state").has(rf"^{GROUP} +Empty")
    tools.call("groups", "--list").has(rf"^{GROUP} +Classic +consumer")
    describe = ("consumer-groups", "--describe", "--group", GROUP)
    rows = [line.split() for line in tools.call(*describe).warns("has no active members").lines if line.startswith(GROUP)]
    if sum(int(row[3]) for row in rows) != 10:
        sys.exit(f"FAILED: 10 records were consumed and {rows} are committed")
    tools.call(*describe, "--members", "--verbose").has("CURRENT-ASSIGNMENT")
    tools.call(*describe, "--state").has(rf"^{GROUP} .*\(1\) .*Empty +0$")
    tools.call("consumer-groups", "--describe", "--all-groups", "--offsets").has(rf"^{GROUP} +{TOPIC} +0 ")
    reset = ("consumer-groups", "--group", GROUP, "--reset-offsets", "--topic", TOPIC)
    tools.call(*reset, "--to-earliest", "--dry-run").has(rf"^{GROUP} +{TOPIC} +0 +0$")
    tools.call(*reset, "--to-latest", "--execute").has(rf"^{GROUP} +{TOPIC} +1 +{ends[1]}$")
    tools.call(*reset, "--shift-by", "-1", "--execute").has(rf"^{GROUP} +{TOPIC} +1 +{ends[1] - 1}$")
    tools.call(*reset, "--to-datetime", "2020-01-01T00:00:00.000", "--execute").has(rf"^{GROUP} +{TOPIC} +0 +0$")
    tools.call(*reset, "--to-latest", "--export", "--dry-run").has(f"^{TOPIC},0,{ends[0]}$")
    told = tools.call("consumer-groups", "--group", GROUP, "--delete-offsets", "--topic", TOPIC)
    told.has(rf"^{TOPIC} +0 +Successful", rf"^{TOPIC} +1 +Successful")
    tools.call("consumer-groups", "--validate-regex", "a.*").has("is valid")
    tools.call("consumer-groups", "--describe", "--group", PREFIX + "missing").has("GroupIdNotFoundException")
    tools.call("consumer-groups", "--delete", "--group", PREFIX + "missing").has("could not be deleted")
    tools.call(*consume, "--from-beginning", "--max-messages", 1)
    tools.call("consumer-groups", "--delete", "--group", GROUP).is_exactly(
        f"Deletion of requested consumer groups ('{GROUP}') was successful.")


def deleting(tools):
    offsets = in_file("delete.json", {"version": 1, "partitions": [{"topic": TOPIC, "partition": 0, "offset": 5}]})
    tools.call("delete-records", "--offset-json-file", offsets).has(rf"^partition: {TOPIC}-0\tlow_watermark: 5$")
    tools.call("get-offsets", "--topic", TOPIC, "--time", "earliest").has(f"^{TOPIC}:0:5$", f"^{TOPIC}:1:0$")
    beyond = in_file("beyond.json", {"version": 1, "partitions": [{"topic": TOPIC, "partition": 0, "offset": 10**9}]})
    tools.call("delete-records", "--offset-json-file", beyond).has("OffsetOutOfRangeException")


def transactions(tools):
    """There are none; the idempotent producer of the tools is one that can be described."""
    tools.call("transactions", "list").is_exactly("TransactionalId\tCoordinator\tProducerId\tTransactionState")
    tools.call("transactions", "describe", "--transactional-id", "none", status=1).warns("could not be found")
    told = tools.call("transactions", "describe-producers", "--topic", TOPIC, "--partition", 0)
    told.has("^ProducerId\tProducerEpoch\t", r"^\d+ +\t0 ")
    for where in (["--broker-id", 1], ["--topic", TOPIC]):
        told = tools.call("transactions", "find-hanging", *where)
        if len(told.lines) != 1:
            told.fail("shows a transaction")


def dump(tools):
    """What the broker has written, read by the tool while the broker runs."""
    told = tools.call("log-dirs", "--describe", "--topic-list", TOPIC)
    directories = json.loads(told.lines[-1])["brokers"][0]["logDirs"]
    folder = next(entry["logDir"] for entry in directories for replica in entry["partitions"] if replica["partition"] == f"{TOPIC}-1")
    told = tools.call("dump-log", "--deep-iteration", "--print-data-log", "--files", f"{folder}/{TOPIC}-1/00000000000000000000.log")
    told.has("^Log starting offset: 0$", r"^baseOffset: 0 .*isvalid: true", r" key: k\d+ payload: v\d+$")
    told = tools.call("dump-log", "--cluster-metadata-decoder", "--files",
                      f"{folder}/__cluster_metadata-0/00000000000000000000.log")
    told.has('"type":"TOPIC_RECORD"', '"type":"REGISTER_BROKER_RECORD"')


def newer_groups(tools):
    """Groups that are not served are refused with a word for it."""
    if IS_KAFKA:
        return
    tools.call("share-groups", "--list").is_exactly()
    tools.call("share-groups", "--describe", "--group", "s", status=None).warns("SHARE_GROUP_DESCRIBE|not found")
    tools.call("streams-groups", "--list").is_exactly()
    told = tools.call("console-share-consumer", "--topic", TOPIC, "--group", "s", "--timeout-ms", 2000, status=None)
    told.warns("SHARE_GROUP_HEARTBEAT|does not support")


def main():
    with Tools() as tools:
        ends = records(tools)
        groups(tools, ends)
        dump(tools)
        transactions(tools)
        deleting(tools)
        performance(tools)
        newer_groups(tools)


if __name__ == "__main__":
    main()
