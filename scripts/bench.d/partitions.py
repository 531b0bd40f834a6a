"""scripts/bench partitions: what a thousand partitions cost, and ten thousand."""

import resource
import time

from acknowledgement import acknowledged_everywhere
from wire.connection import Connection
from wire.topics import NoTopic

HELP = "creation time, memory and idle CPU with 1,000 partitions (--long: 10,000 too)"
SECTION = "partitions"
PER_TOPIC = 1000
PATIENCE = 300


def measure(bench):
    idle_seconds = 30 if bench.options.long else 5
    for count in (1000, 10_000) if bench.options.long else (1000,):
        row = bench.report.row(SECTION, f"{count:,} partitions, {PER_TOPIC:,} to a topic")
        count = max(1, int(count * bench.scale))
        for make in bench.makers():
            bench.alone(make, f"{count} partitions", lambda contestant, count=count, row=row: many(bench, contestant, count, idle_seconds, row))
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    bench.report.note(f"a broker may have {most:,} files open here, and some keep several for each partition")
    bench.report.note("partitions: \"s created\" ends when the creation is answered, \"s to records\" when each partition has acknowledged "
                      "a record; \"MiB more\" is resident memory above that of the broker just started")


def many(bench, contestant, count, idle_seconds, row):
    contestant.start()
    before = contestant.process.memory()[0]
    topics = {f"many-{number}": min(PER_TOPIC, count - number) for number in range(0, count, PER_TOPIC)}
    began = time.perf_counter()
    with Connection(contestant.bootstrap, timeout=PATIENCE) as connection:
        for name, partitions in topics.items():
            made = connection.call("CreateTopics", 7, {"topics": [{"name": name, "num_partitions": partitions}],
                                                       "timeout_ms": PATIENCE * 1000})["topics"][0]
            if made["error_code"]:
                raise NoTopic(f"{name}: error {made['error_code']}: {made['error_message']}")
    bench.report.add(row, "s created", contestant.name, time.perf_counter() - began)
    for name, partitions in topics.items():
        seconds = acknowledged_everywhere(contestant, name, partitions, began, PATIENCE)
    bench.report.add(row, "s to records", contestant.name, seconds)
    bench.report.add(row, "MiB more", contestant.name, (contestant.process.memory()[0] - before) / 2**20)
    used = contestant.process.processor_seconds()
    time.sleep(idle_seconds)
    used = contestant.process.processor_seconds() - used
    bench.report.add(row, "idle CPU %", contestant.name, 100 * used / idle_seconds)
