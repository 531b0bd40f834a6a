"""scripts/bench floor: how far above the least that a broker can do each broker stands."""

import cases
import throughput

HELP = "throughput and CPU against a program that only checks, writes and sends"
SECTIONS = {"produce": "floor: produce", "consume": "floor: consume from the beginning"}


def measure(bench):
    bench.serve()
    floor = bench.make_floor()
    bench.contestants.append(floor)
    try:
        floor.start()
        throughput.run_cases(bench, cases.floor(bench.scale), bench.contestants, SECTIONS, base=floor.name)
    finally:
        bench.contestants.remove(floor)
        bench.stop(floor)
    bench.report.note("the floor (scripts/bench.d/floor) only checks CRC-32C, writes one file and answers, or sends that file; "
                      "in its sections ratios are to the floor")
