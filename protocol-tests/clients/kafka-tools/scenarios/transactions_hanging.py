"""A transaction that hangs, since nobody has told the coordinator of it: it is found and aborted."""

import sys
import time

from tools import Tools
from transactions import TOPIC, PREFIX, Producer, seen

HOUR_MS = 3_600_000


def main():
    with Tools() as tools:
        tools.call("topics", "--create", "--topic", TOPIC, "--partitions", 1)
        tools.call("console-producer", "--topic", TOPIC, given="before\n")
        producer = Producer(PREFIX + "hangs")
        # An old client that has not added the partition; the broker was told not to verify that.
        start = producer.write("hangs", version=11, base_timestamp=int(time.time() * 1000) - HOUR_MS)
        tools.call("console-producer", "--topic", TOPIC, given="after\n")
        seen(tools, "before")
        told = tools.call("transactions", "find-hanging", "--broker-id", 1)
        told.has(r"^Topic\s*\tPartition\tProducerId\tProducerEpoch\t", rf"^{TOPIC} *\t0 *\t{producer.producer_id} *\t0 ")
        tools.call("transactions", "abort", "--topic", TOPIC, "--partition", 0, "--start-offset", start)
        seen(tools, "before", "after")
        if len(tools.call("transactions", "find-hanging", "--broker-id", 1).lines) != 1:
            sys.exit("FAILED: a transaction still hangs")


if __name__ == "__main__":
    main()
