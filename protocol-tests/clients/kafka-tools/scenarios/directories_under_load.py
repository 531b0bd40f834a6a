"""The replicas go to and fro between the directories while records come in and are read; none is lost."""

import sys
import threading

from directories import PARTITIONS, TOPIC, move, places
from tools import PREFIX, Tools

RECORDS = 120_000
A_SECOND = 4_000


def count(told):
    return sum(int(line.split(":")[2]) for line in told.lines)


def main():
    with Tools() as tools, Tools() as writer, Tools() as reader:
        tools.call("topics", "--create", "--topic", TOPIC, "--partitions", PARTITIONS)
        said = {}

        def work(name, worker, *words):
            said[name] = worker.call(*words, status=None)

        write = ("producer-perf-test", "--topic", TOPIC, "--num-records", RECORDS, "--record-size", 200, "--throughput", A_SECOND,
                 "--command-property", "acks=all")
        read = ("console-consumer", "--topic", TOPIC, "--group", PREFIX + "g", "--from-beginning", "--max-messages", RECORDS,
                "--timeout-ms", 60000)
        threads = [threading.Thread(target=work, args=("written", writer, *write), daemon=True),
                   threading.Thread(target=work, args=("read", reader, *read), daemon=True)]
        for thread in threads:
            thread.start()
        _, _, (one, two) = places(tools)
        rounds = 0
        while threads[0].is_alive():
            move(tools, "to-one.json", [one] * PARTITIONS)
            move(tools, "to-two.json", [two] * PARTITIONS)
            rounds += 1
        for thread in threads:
            thread.join()
        said["written"].has(f"^{RECORDS} records sent, ")
        if len(said["read"].lines) != RECORDS:
            sys.exit(f"FAILED: {RECORDS} records were written and {len(said['read'].lines)} read")
        ends = tools.call("get-offsets", "--topic", TOPIC)
        if count(ends) != RECORDS:
            ends.fail(f"does not count {RECORDS} records")
        print(f"figures: {rounds} times to and fro")


if __name__ == "__main__":
    main()
