"""The commands that compare Zurau with Kafka: all of them share their options, their report and how they end."""

import argparse
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import floor
import groups
import latency
import partitions
import recovery
import report
import throughput
import transactions
from contestants import PEER
from workbench import FAILURES, NoSpace, Workbench, footnotes

# The commands that use brokers which stay come first, the others need the machine to themselves.
STAYING = {"throughput": throughput, "latency": latency, "transactions": transactions, "floor": floor}
ALONE = {"recovery": recovery, "partitions": partitions}
# These take minutes, and are only run by name or in a long run.
LONG_ONLY = {"groups": groups}
SHORT_GIGABYTES, LONG_GIGABYTES = 8, 30


class Comparison:
    """One command of scripts/bench, made of the parts that it runs."""

    def __init__(self, help_text, parts):
        self.HELP = help_text
        self.parts = parts

    @staticmethod
    def add_options(parser):
        length = parser.add_mutually_exclusive_group()
        length.add_argument("--short", action="store_true", help="few cases, small amounts (the default)")
        length.add_argument("--long", action="store_true", help="every combination, large amounts")
        parser.add_argument("--rounds", type=positive_integer, help="turns of each broker in each case (default 2, with --long 3)")
        parser.add_argument("--third", metavar="NAME=COMMAND", type=named_command, help="a third broker; see scripts/bench --help")
        parser.add_argument("--results", type=pathlib.Path, help="write the JSON file in here (default: target/bench)")
        parser.add_argument("--directory", type=pathlib.Path, help="make the data directories in here (default: a temporary directory)")
        parser.add_argument("--override", action="append", default=[], metavar="KEY=VALUE", help="a setting of Zurau; may be repeated")
        parser.add_argument("--scale", type=float, default=1.0, help="multiplies all amounts; below 1 only tries the benchmarks themselves")

    def run(self, options):
        options.rounds = options.rounds or (3 if options.long else 2)
        # A polite kill ends the run as well as an interrupt from the keyboard: cleaned up, and with what was found so far.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        base = pathlib.Path(tempfile.mkdtemp(prefix="zurau-bench-", dir=options.directory))
        found = report.Report({"command": options.command, "long": options.long, "rounds": options.rounds, "scale": options.scale,
                               "overrides": options.override, "third": options.third})
        bench = Workbench(options, base, found)
        try:
            bench.need_space((LONG_GIGABYTES if options.long else SHORT_GIGABYTES) * options.scale)
            found.versions.update(versions(options.binary))
            footnotes(found)
            self.measure(bench)
        except (NoSpace, *FAILURES) as failure:
            found.failed("the run", "everything", failure)
        except KeyboardInterrupt:
            found.failed("the run", "everything", "interrupted")
        finally:
            bench.close()
            shutil.rmtree(base, ignore_errors=True)
            path = found.save(options.results or options.target / "bench")
        print(report.table(found), report.footer(found, path), sep="\n\n")
        return 1 if found.failures else 0

    def measure(self, bench):
        for part in self.parts:
            if part in STAYING:
                STAYING[part].measure(bench)
            if part in LONG_ONLY and (bench.options.long or len(self.parts) == 1):
                LONG_ONLY[part].measure(bench)
        bench.retire()
        for part in self.parts:
            if part in ALONE:
                ALONE[part].measure(bench)


def positive_integer(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def named_command(text):
    name, _, command = text.partition("=")
    if not name or not command or name in ("Zurau", "Kafka", "floor"):
        raise argparse.ArgumentTypeError("must be NAME=COMMAND, with a name of its own")
    return text


def versions(binary):
    zurau = subprocess.run([str(binary), "--version"], capture_output=True, text=True).stdout.strip()
    java = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr.splitlines()
    kafka = re.search(r"<kafka.version>(.*?)<", (PEER / "pom.xml").read_text())[1]
    return {"Zurau": zurau.rpartition(" ")[2], "Kafka": kafka, "Java": re.sub(r"openjdk version |\"", "", java[0]) if java else "?"}


COMMANDS = {
    "all": Comparison("everything below beside Kafka", [*STAYING, *LONG_ONLY, *ALONE]),
    **{name: Comparison(module.HELP, [name]) for name, module in {**STAYING, **LONG_ONLY, **ALONE}.items()},
}
