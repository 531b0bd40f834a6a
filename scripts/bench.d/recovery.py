"""scripts/bench recovery: from exec to the first acknowledged record, after nothing, after a stop, after SIGKILL."""

from acknowledgement import NotAcknowledged, acknowledged_everywhere
from cases import Case
from wire.connection import Connection
from wire.topics import create_topic

HELP = "time from exec to the first acknowledged record: new, stopped, and after SIGKILL with a log"
SECTION = "exec to acknowledged record"
PARTITIONS = 8


def measure(bench):
    fresh = bench.report.row(SECTION, "new directory")
    stopped = bench.report.row(SECTION, "after a clean stop")
    for _ in range(bench.rounds):
        for make in bench.makers():
            bench.alone(make, "start", lambda contestant: two_starts(bench, contestant, fresh, stopped))
    for gigabytes in (1, 10) if bench.options.long else (1,):
        label = f"after SIGKILL, {gigabytes} GB in {PARTITIONS} partitions"
        gigabytes *= bench.scale
        bench.need_space(2 * gigabytes + 1)
        row = bench.report.row(SECTION, label)
        bench.make_loads()
        for _ in range(bench.rounds):
            for make in bench.makers():
                bench.alone(make, label, lambda contestant, gigabytes=gigabytes, row=row: kill(bench, contestant, gigabytes, row))
    bench.report.note("a new directory includes the format step that Kafka needs; after SIGKILL the page cache is warm, "
                      "Kafka's session timeout is 3 s (its default is 9 s), and a record must be acknowledged by every partition")


def two_starts(bench, contestant, fresh, stopped):
    for row in (fresh, stopped):
        began = contestant.spawn()
        seconds = acknowledged_everywhere(contestant, "first", 1, began)
        bench.report.add(row, "ms", contestant.name, seconds * 1000)
        contestant.stop()


def kill(bench, contestant, gigabytes, row):
    """Fills, kills and starts again. Every round makes the log anew: what was recovered once may be known to be good."""
    case = Case("produce", "librdkafka", records=int(gigabytes * 1e9 / 1024), partitions=PARTITIONS)
    contestant.start()
    create_topic(contestant.bootstrap, "log", PARTITIONS)
    bench.fill(contestant, case, "log")
    contestant.kill()
    began = contestant.spawn()
    seconds = acknowledged_everywhere(contestant, "log", PARTITIONS, began, patience=600)
    bench.report.add(row, "ms", contestant.name, seconds * 1000)
    expected, found = case.records + PARTITIONS, end_offsets(contestant)
    # A record whose acknowledgement was lost may be there twice; none may be missing.
    if found < expected:
        raise NotAcknowledged(f"{expected - found} of {expected} acknowledged records are missing after SIGKILL")


def end_offsets(contestant):
    asked = {"topics": [{"name": "log", "partitions": [{"partition_index": number, "timestamp": -1} for number in range(PARTITIONS)]}]}
    with Connection(contestant.bootstrap, timeout=60) as connection:
        return sum(partition["offset"] for partition in connection.call("ListOffsets", 4, asked)["topics"][0]["partitions"])
