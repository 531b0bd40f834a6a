"""What an operator sees of transactions and does to them: kafka-transactions, and the dump tool over what they leave."""

import json
import os
import re
import sys
import time

from tools import BOOTSTRAP, PREFIX, Tools

sys.path.insert(0, os.environ["PROTOCOL_TESTS"])
from wire.connection import Connection  # noqa: E402
from wire.records import simple_batch  # noqa: E402

TOPIC = PREFIX + "t"
OPEN = PREFIX + "open"
PERFORMANCE = PREFIX + "performance"
TRANSACTIONAL = 16
# By their numbers, which is how the dump tool of 4.3 prints them.
STATES = ("Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence")


class Producer:
    """A transactional producer in plain requests, which can leave its transaction open for as long as it is looked at."""

    def __init__(self, transactional_id, timeout_ms=600_000):
        self.id = transactional_id
        self.connection = Connection(BOOTSTRAP)
        # Kafka makes the coordinators when they are first asked for.
        self.connection.call("FindCoordinator", 4, {"key_type": 1, "coordinator_keys": [self.id]})
        deadline = time.monotonic() + 30
        while True:
            answer = self.connection.call("InitProducerId", 5, {"transactional_id": self.id, "transaction_timeout_ms": timeout_ms})
            if answer["error_code"] == 0:
                break
            if time.monotonic() > deadline:
                sys.exit(f"FAILED: no producer id: {answer}")
            time.sleep(0.05)
        self.producer_id, self.epoch = answer["producer_id"], answer["producer_epoch"]
        self.sequence = 0

    def write(self, *values, version=12, **fields):
        """Sends a batch to partition 0. From version 12 on that adds the partition to the transaction."""
        batch = simple_batch([value.encode() for value in values], attributes=TRANSACTIONAL, producer_id=self.producer_id,
                             producer_epoch=self.epoch, base_sequence=self.sequence, **fields)
        body = {"transactional_id": self.id, "topic_data": [{"name": TOPIC, "partition_data": [{"index": 0, "records": batch}]}]}
        answer = self.connection.call("Produce", version, body)["responses"][0]["partition_responses"][0]
        if answer["error_code"]:
            sys.exit(f"FAILED: a transactional batch was refused: {answer}")
        self.sequence += len(values)
        return answer["base_offset"]

    def end(self, committed):
        body = {"transactional_id": self.id, "producer_id": self.producer_id, "producer_epoch": self.epoch, "committed": committed}
        answer = self.connection.call("EndTxn", 5, body)
        if answer["error_code"]:
            sys.exit(f"FAILED: a transaction did not end: {answer}")
        self.producer_id, self.epoch, self.sequence = answer["producer_id"], answer["producer_epoch"], 0


def seen(tools, *values):
    """These are the values that a reader of committed records gets, and all of them."""
    told = tools.call("console-consumer", "--topic", TOPIC, "--partition", 0, "--offset", "earliest", "--timeout-ms", 2000,
                      "--isolation-level", "read_committed", status=None)
    told.is_exactly(*values)


def listed(tools, *arguments):
    """The rows of `list`: transactional id, coordinator, producer id, state."""
    told = tools.call("transactions", "list", *arguments)
    if told.lines[0].split() != ["TransactionalId", "Coordinator", "ProducerId", "TransactionState"]:
        told.fail("has other columns")
    return {row.split()[0]: row.split()[1:] for row in told.lines[1:]}


def performance(tools):
    tools.call("topics", "--create", "--topic", TOPIC, "--partitions", 1)
    tools.call("topics", "--create", "--topic", TOPIC + "-p", "--partitions", 1)
    told = tools.call("producer-perf-test", "--topic", TOPIC + "-p", "--num-records", 3000, "--record-size", 100, "--throughput", -1,
                      "--transactional-id", PERFORMANCE, "--transaction-duration-ms", 20)
    told.has(r"^3000 records sent, ")
    told = tools.call("consumer-perf-test", "--topic", TOPIC + "-p", "--num-records", 3000, "--timeout", 20000)
    told.has(r"^\d{4}-.*, 3000, ")
    for _ in range(100):
        if listed(tools)[PERFORMANCE][2] == "CompleteCommit":
            return
    sys.exit("FAILED: the transactions of the performance tool do not end")


def looking(tools, producer):
    row = listed(tools)[OPEN]
    if row != ["1", str(producer.producer_id), "Ongoing"]:
        sys.exit(f"FAILED: the open transaction is listed as {row}")
    if set(listed(tools, "--transactional-id-pattern", ".*open")) != {OPEN}:
        sys.exit("FAILED: the pattern finds other transactions")
    if OPEN not in listed(tools, "--duration-filter", 1):
        sys.exit("FAILED: the open transaction is not old enough")
    if listed(tools, "--duration-filter", 3_600_000):
        sys.exit("FAILED: a transaction is an hour old")
    told = tools.call("transactions", "describe", "--transactional-id", OPEN)
    told.has(r"^CoordinatorId\tTransactionalId\s*\tProducerId\tProducerEpoch\tTransactionState\tTransactionTimeoutMs\t"
             r"CurrentTransactionStartTimeMs\tTransactionDurationMs\tTopicPartitions",
             rf"^1 *\t{OPEN} *\t{producer.producer_id} *\t{producer.epoch} *\tOngoing *\t600000 *\t\d{{13}} *\t\d+ *\t{TOPIC}-0")
    tools.call("transactions", "describe", "--transactional-id", "none", status=1).warns("could not be found")
    told = tools.call("transactions", "describe-producers", "--topic", TOPIC, "--partition", 0)
    told.has("^ProducerId\tProducerEpoch\t", rf"^{producer.producer_id} *\t{producer.epoch} *\t(0|-1) *\t1 *\t\d{{13}} *\t0\s*$")
    # It is open and not old, and its coordinator knows of it.
    for where in (["--broker-id", 1], ["--topic", TOPIC], ["--topic", TOPIC, "--partition", 0]):
        told = tools.call("transactions", "find-hanging", *where)
        if len(told.lines) != 1:
            told.fail("takes a transaction for one that hangs")


def ending(tools, producer):
    """Aborted from outside, terminated by its id; the records are not seen."""
    seen(tools)
    producer.end(True)
    seen(tools, "one", "two")
    start = producer.write("three")
    tools.call("transactions", "abort", "--topic", TOPIC, "--partition", 0, "--start-offset", start)
    tools.call("transactions", "abort", "--topic", TOPIC, "--partition", 0, "--start-offset", start, status=1)
    seen(tools, "one", "two")
    other = Producer(PREFIX + "other")
    other.write("four")
    tools.call("transactions", "forceTerminateTransaction", "--transactionalId", PREFIX + "other")
    seen(tools, "one", "two")
    for _ in range(100):
        if listed(tools)[PREFIX + "other"][2] in ("Empty", "CompleteAbort"):
            return
    sys.exit("FAILED: a transaction that was terminated is still there")


def dump(tools):
    """What the coordinator and the partitions have written, read while the broker runs."""
    told = tools.call("log-dirs", "--describe", "--topic-list", "__transaction_state")
    directories = json.loads(told.lines[-1])["brokers"][0]["logDirs"]
    states = {}
    for entry in directories:
        for replica in entry["partitions"]:
            if replica["partition"].startswith("__transaction_state-") and replica["size"] > 0:
                file = f"{entry['logDir']}/{replica['partition']}/00000000000000000000.log"
                told = tools.call("dump-log", "--transaction-log-decoder", "--deep-iteration", "--files", file)
                told.has("^Log starting offset: 0$", "isvalid: true")
                for line in told.lines:
                    found = re.search(r'"transactionalId":"([^"]*)"}} payload: .*"transactionStatus":"?(\w+)"?', line)
                    if found:
                        name = STATES[int(found.group(2))] if found.group(2).isdigit() else found.group(2)
                        states.setdefault(found.group(1), []).append(name)
    ended = ["Ongoing", "PrepareCommit", "CompleteCommit"]
    if states.get(OPEN) != ["Empty", *ended, "Ongoing"]:
        sys.exit(f"FAILED: the states of {OPEN} were {states.get(OPEN)}")
    if states.get(PERFORMANCE, [])[:4] != ["Empty", *ended]:
        sys.exit(f"FAILED: the states of {PERFORMANCE} were {states.get(PERFORMANCE)}")
    # Another one has taken its id, which is known by its end.
    if "PrepareAbort" not in states.get(PREFIX + "other", []) and "PrepareEpochFence" not in states.get(PREFIX + "other", []):
        sys.exit(f"FAILED: the states of {PREFIX}other were {states.get(PREFIX + 'other')}")
    folder = directories[0]["logDir"]
    told = tools.call("dump-log", "--deep-iteration", "--files", f"{folder}/{TOPIC}-0/00000000000000000000.log")
    told.has("isTransactional: true", "endTxnMarker: COMMIT coordinatorEpoch: 0", "endTxnMarker: ABORT coordinatorEpoch: 0")
    told = tools.call("dump-log", "--files", f"{folder}/{TOPIC}-0/00000000000000000000.txnindex")
    told.has(r"version: 0 producerId: \d+ firstOffset: 3 lastOffset: 4 lastStableOffset: \d+")


def main():
    with Tools() as tools:
        tools.call("transactions", "list").is_exactly("TransactionalId\tCoordinator\tProducerId\tTransactionState")
        tools.call("transactions", "describe", "--transactional-id", "none", status=1).warns("could not be found")
        performance(tools)
        producer = Producer(OPEN)
        producer.write("one", "two")
        looking(tools, producer)
        ending(tools, producer)
        dump(tools)


if __name__ == "__main__":
    main()
