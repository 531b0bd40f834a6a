"""scripts/bench latency: from the moment a record was due to be sent to the moment a consumer has it."""

HELP = "end-to-end latency at a fixed rate, with every stall counted"
FIGURES = {"p50": "p50 ms", "p99": "p99 ms", "p99_9": "p99.9 ms", "max": "max ms"}


def measure(bench):
    bench.serve()
    load = bench.loads.get("librdkafka")
    if load is None:
        return
    seconds = 30 if bench.options.long else 4
    rates = (1000, 10_000) if bench.options.long else (1000,)
    for rate in rates:
        for acks in ("1", "all"):
            label = f"{rate:,} records of 1 KiB a second, acks {acks}"
            row = bench.report.row("latency", label)
            bench.progress(f"latency: {label}")

            def once(contestant, rate=rate, acks=acks, row=row):
                with bench.topic(contestant) as topic:
                    figures = load.latency(contestant, topic, rate, max(1, seconds * bench.scale), 1024, acks)
                for name, unit in FIGURES.items():
                    bench.report.add(row, unit, contestant.name, figures[name])
                bench.report.add_beside(row, "sender behind ms", contestant.name, figures["sender_behind"])

            bench.in_turn(f"latency: {label}", bench.contestants, once)
    bench.report.note("latency counts from when a record was due, not from when it could be sent; a stall of the load maker "
                      "itself (\"sender behind ms\" in the JSON file) is in it too")
