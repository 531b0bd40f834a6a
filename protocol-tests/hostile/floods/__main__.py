"""python3 -m floods [--long] [--only PATTERN] [FAMILY ...]: runs floods and prints their table.

A scenario of the runner is one family. Without names all of them are run, for the whole table at once.
"""

import argparse
import fnmatch
import importlib
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(os.path.dirname(HERE)))
sys.dont_write_bytecode = True

from .arena import MEBIBYTE, Arena, Row  # noqa: E402

FAMILIES = ("harmless", "entries", "answers", "readers", "held", "resets", "compression", "logs", "sessions", "groups",
            "topics", "stopping")


def arguments():
    parser = argparse.ArgumentParser(prog="floods", description=__doc__)
    parser.add_argument("--long", action="store_true", help="also the floods that take long")
    parser.add_argument("--only-long", action="store_true", help="the floods that take long and no others")
    parser.add_argument("--only", metavar="PATTERN", help="the floods whose names fit; * and ? work")
    parser.add_argument("--attackers", action="store_true", help="say after each row what came of the attackers")
    parser.add_argument("families", nargs="*", choices=[*FAMILIES, []], metavar="FAMILY")
    return parser.parse_args()


def chosen(options):
    for family in options.families or FAMILIES:
        for flood in importlib.import_module(f"floods.{family}").FLOODS:
            if options.only:
                if fnmatch.fnmatch(flood.name, options.only):
                    yield flood
            elif flood.long and (options.long or options.only_long) or not flood.long and not options.only_long:
                yield flood


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    rows = []
    print(Row.HEADER, flush=True)
    for flood in chosen(options):
        row = Arena(flood).run()
        rows.append(row)
        print(row, flush=True)
        if options.attackers or row.problems:
            print(f"    attackers: {row.attackers() or 'nothing counted'}", flush=True)
    bad = [row.name for row in rows if row.problems]
    stalled = sum(row.stalled for row in rows)
    if stalled:
        print(f"{stalled} honest requests were under way while the whole machine stood still, and were not counted")
    if bad:
        print(f"FAILED: {len(bad)} of {len(rows)} floods: " + "; ".join(bad))
    if rows:
        peak = max(row.peak for row in rows) / MEBIBYTE
        print(f"figures: {len(rows)} floods in {time.monotonic() - began:.0f} s, peak {peak:.0f} MiB, honest"
              f" p99 {max(row.worst_p99 for row in rows) * 1000:.0f} ms at the worst")
    return 1 if bad or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
