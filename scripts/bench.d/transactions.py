"""scripts/bench transactions: commits of one producer, one after another, and how soon a reader of committed records has them."""

HELP = "commits per second, and the latency of what is read committed"
SIZE = 1024
SHORT_TRANSACTIONS = {1: 300, 100: 200}
LONG_TRANSACTIONS = {1: 5000, 100: 5000}
FIGURES = {"commits": "commits/s", "p50": "p50 ms", "p99": "p99 ms"}


def measure(bench):
    bench.serve()
    tools = bench.loads["tools"]
    for records, count in (LONG_TRANSACTIONS if bench.options.long else SHORT_TRANSACTIONS).items():
        label = f"{records} record{'s' if records > 1 else ''} of 1 KiB in each"
        row = bench.report.row("transactions", label)
        bench.progress(f"transactions: {label}")
        count = max(50, int(count * bench.scale))

        def once(contestant, records=records, count=count, row=row):
            with bench.topic(contestant) as topic:
                figures = tools.transactions(contestant, topic, count, records, SIZE)
            for name, unit in FIGURES.items():
                bench.report.add(row, unit, contestant.name, figures[name])

        bench.in_turn(f"transactions: {label}", bench.contestants, once)
    bench.report.note("a transaction's latency counts from before its first record was sent to when a consumer under read_committed "
                      "has its last one; one partition, Kafka's Java clients")
