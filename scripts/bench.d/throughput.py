"""scripts/bench throughput: produce and consume as fast as it goes, and what that costs the broker."""

import contextlib

import cases
from workbench import FAILURES

HELP = "produce and consume throughput, CPU seconds per gigabyte, requests per CPU second"
SECTIONS = {"produce": "produce", "consume": "consume from the beginning", "tail": "consume at the tail, while it is produced",
            "requests": "small produce requests"}


def measure(bench):
    bench.serve()
    chosen = cases.long(bench.scale) if bench.options.long else cases.short(bench.scale)
    run_cases(bench, chosen, bench.contestants, SECTIONS)


def run_cases(bench, chosen, contestants, sections, base="Kafka"):
    for case in chosen:
        if case.tool not in bench.loads:
            continue
        row = bench.report.row(sections[case.kind], case.label, base)
        bench.progress(f"{sections[case.kind]}: {case.label}")
        if case.kind == "consume":
            consume_case(bench, case, contestants, row)
        else:
            bench.in_turn(f"{case.kind}: {case.label}", contestants, lambda contestant: fresh_topic(bench, case, contestant, row))


def fresh_topic(bench, case, contestant, row):
    with bench.topic(contestant, case.partitions) as topic:
        if case.kind == "tail":
            record(bench, case, contestant, row, lambda load: load.tail(contestant, case, topic, topic))
        else:
            record(bench, case, contestant, row, lambda load: load.produce(contestant, case, topic))


def consume_case(bench, case, contestants, row):
    """Every round reads the same topic, each time with groups that are new."""
    where = f"consume: {case.label}"
    with contextlib.ExitStack() as topics:
        filled = {}

        def fill(contestant):
            topic = topics.enter_context(bench.topic(contestant, case.partitions))
            bench.fill(contestant, case, topic)
            filled[contestant] = topic

        bench.in_turn(where, contestants, fill, rounds=1)
        bench.in_turn(where, filled, lambda contestant: record(
            bench, case, contestant, row,
            lambda load: load.consume(contestant, case, filled[contestant], f"{filled[contestant]}-{next(bench.numbers)}")))


def record(bench, case, contestant, row, run):
    """One run; adds its throughput and the broker's share of the processors to the row."""
    process = contestant.process
    before = process.processor_seconds()
    try:
        seconds = run(bench.loads[case.tool])
    except FAILURES:
        contestant.must_live()  # a broker that died explains it better
        raise
    used = process.processor_seconds() - before
    bench.report.add_beside(row, "resident MiB after", contestant.name, process.memory()[0] / 2**20)
    if case.kind == "requests":
        bench.report.add(row, "requests/CPU s", contestant.name, case.records / used)
        bench.report.add(row, "requests/s", contestant.name, case.records / seconds)
        return
    # At the tail the clock runs for what was produced; from the beginning every group's reading counts.
    counted = case.megabytes * (case.readers if case.kind == "consume" else 1)
    bench.report.add(row, "MB/s", contestant.name, counted / seconds)
    bench.report.add(row, "CPU s/GB", contestant.name, used / case.megabytes_moved * 1000)
