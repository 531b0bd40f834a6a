"""scripts/bench start: how soon a record is acknowledged, and what the idle broker weighs."""

import json
import os
import pathlib
import platform
import shutil
import statistics
import sys
import tempfile
import time

from broker import Broker, BrokerFailure, zurau_command
from producer import Producer

HELP = "time from exec to the first acknowledged record, idle resident memory, binary size"
IDLE_SECONDS = 1.0


def add_options(parser):
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--runs", type=int, default=20, help="starts of each kind (default 20)")
    parser.add_argument("--directory", type=pathlib.Path, help="make the data directories in here (default: a temporary directory)")
    parser.add_argument("--override", action="append", default=[], metavar="KEY=VALUE", help="a setting of the broker; may be repeated")


def start_once(options, base, data):
    """Milliseconds from exec to the ready line and to the first acknowledged record, and those of a stop."""
    producer = Producer("bench-start")
    with Broker(zurau_command(options.binary, data, settings=options.override), base / "broker.log") as broker:
        address = broker.wait_until_ready()
        ready = time.perf_counter()
        producer.connect(address)
        producer.first_record()
        acknowledged = time.perf_counter()
        producer.close()
        status, stopping = broker.end()
    if status != 0:
        raise BrokerFailure(f"the broker ended with status {status} after SIGTERM")
    return {
        "ready_ms": (ready - broker.began) * 1e3,
        "first_record_ms": (acknowledged - broker.began) * 1e3,
        "stop_ms": stopping * 1e3,
    }


def idle_memory(options, base, data):
    """Resident bytes of a broker that nobody has spoken to yet, and after its first record."""
    producer = Producer("bench-start")
    with Broker(zurau_command(options.binary, data, settings=options.override), base / "broker.log") as broker:
        address = broker.wait_until_ready()
        time.sleep(IDLE_SECONDS)
        before = broker.memory()
        producer.connect(address)
        producer.first_record()
        time.sleep(IDLE_SECONDS)
        after = broker.memory()
        producer.close()
        broker.end()
    return {
        "after_start_bytes": before[0], "after_start_own_bytes": before[1],
        "after_first_record_bytes": after[0], "after_first_record_own_bytes": after[1],
    }


def summary(runs):
    """Each figure's median, least and most."""
    columns = {name: [run[name] for run in runs] for name in runs[0]}
    return {
        name: {"median": round(statistics.median(values), 2), "least": round(min(values), 2), "most": round(max(values), 2)}
        for name, values in columns.items()
    }


def measure(options, base):
    start_once(options, base, base / "warm-up")  # the binary comes into the page cache
    fresh = [start_once(options, base, base / f"fresh-{run}") for run in range(options.runs)]
    # The directory of the last run, with its topic, after a clean stop.
    existing = [start_once(options, base, base / f"fresh-{options.runs - 1}") for _ in range(options.runs)]
    return {
        "runs": options.runs,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "fresh_directory": summary(fresh),
        "existing_directory": summary(existing),
        "idle_memory": idle_memory(options, base, base / "idle"),
        "binary_bytes": options.binary.stat().st_size,
    }


def show(figures):
    def times(name, key):
        figure = figures[name][key]
        return f"{figure['median']:7.1f} ms ({figure['least']:.1f} to {figure['most']:.1f})"

    def mebibytes(count):
        return f"{count / 2**20:7.1f} MiB"

    memory = figures["idle_memory"]
    print(f"median of {figures['runs']} starts (least to most), {figures['machine']}")
    for name in ("fresh_directory", "existing_directory"):
        print(f"{name.replace('_', ' ')}")
        print(f"  exec to ready line                {times(name, 'ready_ms')}")
        print(f"  exec to first acknowledged record {times(name, 'first_record_ms')}")
        print(f"  SIGTERM to exit                   {times(name, 'stop_ms')}")
    for moment in ("after_start", "after_first_record"):
        whole, own = memory[f"{moment}_bytes"], memory[f"{moment}_own_bytes"]
        print(f"idle memory {moment.replace('_', ' '):<23} {mebibytes(whole)} resident, {own / 2**20:.1f} MiB of it without the binary's own pages")
    print(f"binary                              {mebibytes(figures['binary_bytes'])}")


def run(options):
    if options.runs < 1:
        sys.exit("bench: --runs must be at least 1")
    base = pathlib.Path(tempfile.mkdtemp(prefix="zurau-bench-", dir=options.directory))
    try:
        figures = measure(options, base)
    except (BrokerFailure, OSError) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(base, ignore_errors=True)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)
    return 0
