"""Transactional clients under trouble, and a judgement over what they wrote down.

Writers, consume-transform-produce loops and readers of Java's client and of librdkafka work while the broker and they
themselves are killed, paused and put to sleep beyond the timeout of their transactions. Then everything comes to an end,
the logs are read, and the checker looks for anomalies: see checker/. A long run is made of rounds of five minutes.
The histories of a round with anomalies are kept, and `python3 -m checker DIRECTORY` judges them again.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(FOLDER))

from checker import judge, load_events  # noqa: E402
from clients import ClientFailure, Crew, stop  # noqa: E402
from ends import Logs  # noqa: E402
from trouble import BrokerFailure, Trouble  # noqa: E402
from wire.connection import Connection  # noqa: E402
from wire.topics import create_topic  # noqa: E402

BOOTSTRAP = os.environ["BOOTSTRAP_SERVERS"]
TOPICS = {"in": 6, "out": 4}
TRANSACTION_TIMEOUT_MS = 5000
ROUND_SECONDS = 300
# Clients get this long to come to the end of what is there, once nobody disturbs them.
PATIENCE_SECONDS = 45
MOST_SHOWN = 20


class Round:
    """Topics, clients and histories of their own."""

    def __init__(self, number, seed, java_class_path):
        self.chance = random.Random(f"{seed} {number}")
        self.prefix = f"{os.environ['TOPIC_PREFIX']}{number}-"
        self.directory = os.path.join(os.environ["WORK_DIRECTORY"], f"round-{number}")
        os.mkdir(self.directory)
        self.logs = Logs(BOOTSTRAP, self.prefix, TOPICS)
        self.group = self.prefix + "loops"
        self.began = time.monotonic()
        environment = {
            **os.environ, "TOPIC_PREFIX": self.prefix, "HISTORY_DIRECTORY": self.directory, "SEED": f"{seed}.{number}",
            "INPUT_PARTITIONS": str(TOPICS["in"]), "OUTPUT_PARTITIONS": str(TOPICS["out"]),
            "TRANSACTION_TIMEOUT_MS": str(TRANSACTION_TIMEOUT_MS)}

        def crew(name, kind, *workers, can_be_killed=True):
            return Crew(name, kind, workers, environment, java_class_path, can_be_killed)

        self.writers = [
            crew("writers-java", "java", ("writer", "writer-java-0"), ("writer", "writer-java-1")),
            crew("writer-librdkafka-0", "librdkafka", ("writer", "writer-librdkafka-0")),
            crew("writer-librdkafka-1", "librdkafka", ("writer", "writer-librdkafka-1")),
        ]
        self.loops = [
            crew("loops-java", "java", ("loop", "loop-java-0"), ("loop", "loop-java-1")),
            crew("loop-librdkafka-0", "librdkafka", ("loop", "loop-librdkafka-0")),
        ]
        self.readers = [
            crew("readers-java", "java", ("reader", "reader-java-committed"), ("reader", "reader-java-uncommitted"),
                 can_be_killed=False),
            crew("readers-librdkafka", "librdkafka", ("reader", "reader-librdkafka-committed"),
                 ("reader", "reader-librdkafka-uncommitted"), can_be_killed=False),
        ]
        self.trouble = None

    @property
    def crews(self):
        return self.readers + self.loops + self.writers

    def say(self, text):
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def run(self, seconds, seconds_between_kills):
        for name, partitions in TOPICS.items():
            create_topic(BOOTSTRAP, self.prefix + name, partitions, {"segment.bytes": "1048576"})
        self.trouble = Trouble(self.chance, self.crews, seconds_between_kills, self.say)
        try:
            for crew in self.crews:
                crew.start()
            self.trouble.make(seconds)
            self.come_to_an_end()
        finally:
            for crew in self.crews:
                crew.end_all()

    def come_to_an_end(self):
        """First nobody writes, then the loops have nothing left, then the readers have read all."""
        self.stop("writers", self.writers)
        if not self.logs.settle("in", PATIENCE_SECONDS):
            self.say(f"transactions are still open in the input after {PATIENCE_SECONDS} s")
        if not self.logs.await_group(self.group, PATIENCE_SECONDS):
            self.say(f"the loops are not through after {PATIENCE_SECONDS} s")
        self.stop("loops", self.loops)
        if not self.logs.settle("out", PATIENCE_SECONDS):
            self.say(f"transactions are still open in the output after {PATIENCE_SECONDS} s")
        self.stop("readers", self.readers)

    def stop(self, name, crews):
        stuck = stop(crews)
        self.trouble.done["stuck clients"] += len(stuck)
        self.say(f"the {name} have ended" + "".join(f"; {crew.name} was stuck" for crew in stuck))

    def judge(self):
        final = self.logs.final(self.group)
        with open(os.path.join(self.directory, "final.json"), "w") as file:
            json.dump(final.as_json(), file)
        return judge(load_events(self.directory), final)


def keep(directory, seed):
    kept = tempfile.mkdtemp(prefix=f"zurau-exactly-once-{seed}-")
    shutil.copytree(directory, kept, dirs_exist_ok=True)
    print(f"the histories are in {kept}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=25, help="of trouble, for a short run")
    parser.add_argument("--minutes", type=float, help="of trouble, for a long run; EXACTLY_ONCE_MINUTES overrides it")
    parser.add_argument("--java", default="4.4.0", help="release of the Java client; one before 4.0 knows transactions V1 only")
    parser.add_argument("--seed", type=int, default=os.environ.get("EXACTLY_ONCE_SEED", random.SystemRandom().randrange(2**32)))
    parser.add_argument("--between-kills", type=float, default=9 if os.environ["BROKER_KIND"] == "kafka" else 5,
                        help="seconds between two kills of the broker, on average")
    options = parser.parse_args()
    if options.minutes and "EXACTLY_ONCE_MINUTES" in os.environ:
        options.minutes = float(os.environ["EXACTLY_ONCE_MINUTES"])
    remaining = options.minutes * 60 if options.minutes else options.seconds
    print(f"seed {options.seed}, Java client {options.java}, transaction.version {transaction_version()}", flush=True)
    class_path = subprocess.run([os.path.join(FOLDER, "java-workers"), options.java], check=True, capture_output=True,
                                text=True).stdout.strip()

    totals, done, anomalies, number = Counter(), Counter(), 0, 0
    while remaining > 0:
        number += 1
        seconds = min(remaining, ROUND_SECONDS)
        remaining -= seconds
        one = Round(number, options.seed, class_path)
        try:
            one.run(seconds, options.between_kills)
            judgement = one.judge()
        except (ClientFailure, BrokerFailure, OSError) as failure:
            keep(one.directory, options.seed)
            sys.exit(f"FAILED: {failure}")
        totals.update(judgement.figures)
        done.update(one.trouble.done)
        anomalies += len(judgement.anomalies)
        one.say(f"round {number}: {words(judgement.figures)}; {words(one.trouble.done)}; {len(judgement.anomalies)} anomalies")
        if judgement.anomalies:
            for anomaly in judgement.anomalies[:MOST_SHOWN]:
                print(anomaly)
            print(f"anomalies: {dict(judgement.kinds)}")
        if judgement.anomalies or one.trouble.done["stuck clients"] or one.trouble.done["crashed clients"]:
            keep(one.directory, options.seed)
        else:
            shutil.rmtree(one.directory)
    print(f"figures: seed {options.seed}, {words(done)}, {words(totals)}, {anomalies} anomalies")
    sys.exit(1 if anomalies else 0)


def transaction_version():
    """What the cluster has finalized, by which its clients choose their generation of the protocol."""
    with Connection(BOOTSTRAP) as connection:
        answer = connection.call("ApiVersions", 3, {"client_software_name": "checker", "client_software_version": "1"})
    levels = {feature["name"]: feature["max_version_level"] for feature in answer.get("finalized_features") or []}
    return levels.get("transaction.version", 0)


def words(figures):
    return ", ".join(f"{count} {name}" for name, count in figures.items())


main()
