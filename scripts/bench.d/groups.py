"""scripts/bench groups: a rolling restart of a group's members, and for how long each partition made no progress meanwhile."""

HELP = "rolling restart of 12 consumers over 120 partitions, with both protocols: time without progress per partition"
MEMBERS, PARTITIONS = 12, 120
PROTOCOLS = {"classic": "classic protocol, the client's assignors", "consumer": "consumer protocol (KIP-848), the broker's assignor"}
FIGURES = {"p50": "p50 ms", "p99": "p99 ms", "most": "most ms", "seconds": "s in all"}


def measure(bench):
    bench.serve()
    tools = bench.loads["tools"]
    members = MEMBERS if bench.scale >= 1 else max(2, int(MEMBERS * bench.scale))
    for protocol, label in PROTOCOLS.items():
        row = bench.report.row("rolling restart", label)
        bench.progress(f"rolling restart: {label}")

        def once(contestant, protocol=protocol, row=row):
            with bench.topic(contestant, PARTITIONS) as topic:
                figures = tools.rolling_restart(contestant, topic, protocol, members)
            for name, unit in FIGURES.items():
                bench.report.add(row, unit, contestant.name, figures[name])

        bench.in_turn(f"rolling restart: {label}", bench.contestants, once)
    bench.report.note(f"rolling restart: {members} of Kafka's Java consumers leave and come back one after another, each when all "
                      f"{PARTITIONS} partitions are read again; a partition's time without progress is the longest from when "
                      "a record was sent to when it was read, less what that is without restarts; heartbeats once a second")
