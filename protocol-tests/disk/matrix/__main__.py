"""Runs the cases: `python3 -m matrix [PATTERN ...]`. See the package's page."""

import fnmatch
import os
import shutil
import sys
import tempfile
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [TESTS, os.path.join(TESTS, "operations")]
sys.dont_write_bytecode = True

from client import Client  # noqa: E402
from stage import BrokerFailure, Stage, passed  # noqa: E402

from . import directory_files, segment_files  # noqa: E402
from .case import SHARED, Alone, Data  # noqa: E402
from .judge import OFFLINE, judge, lost_of  # noqa: E402
from .seed import SETTINGS, seed  # noqa: E402

FAMILIES = [segment_files, directory_files]
# Topics that no case touches. Damages take their files as siblings, which is why there are several.
UNHARMED = ("unharmed-1", "unharmed-2")
ENDS = {"clean": True, "killed": False}
REFUSED, SET_ASIDE = "start refused, told", "set aside"


def chosen(patterns):
    cases = [case for family in FAMILIES for case in family.CASES]
    return [case for case in cases if not patterns or any(fnmatch.fnmatch(case.name, pattern) for pattern in patterns)]


class Run:
    """Both kinds of cases upon both kinds of seeds, and the count."""

    def __init__(self, stage, cases):
        self.stage = stage
        self.together = [case for case in cases if not isinstance(case, Alone)]
        self.alone = [case for case in cases if isinstance(case, Alone)]
        self.outcomes = Counter()

    def note(self, end, case, outcome, failures, details=""):
        self.outcomes[outcome] += 1
        print(f"{end:7} {case.name:42} {outcome} {details}", flush=True)
        for failure in failures:
            self.stage.expect(False, f"{end} {case.name}: {failure}")

    def broker_of(self, name):
        return self.stage.broker(SETTINGS, name=name)

    # Many in one start ------------------------------------------------------------------------

    def run_together(self, end):
        topics = [case.topic for case in self.together] + list(UNHARMED)
        broker = self.broker_of(f"together-{end}")
        seed(broker, topics, ENDS[end])
        for case in self.together:
            case.damage(Data(broker.data_directory, case.topic))
        broker.start()
        with Client(broker, timeout=60) as client:
            for case in self.together:
                self.judge_together(end, case, broker, client)
            for topic in UNHARMED[1:]:
                verdict = judge(broker, client, topic)
                self.stage.expect(not verdict.lost, f"{end}: {topic}, which nobody has touched, has lost {verdict.lost}")
        # Once more: what is there then is what is there now. A log whose beginning is gone has a new one, and that was said.
        broker.stop()
        broker.start()
        with Client(broker, timeout=60) as client:
            for case in self.together:
                lost, _ = lost_of(client, case.topic)
                self.stage.expect(lost == case.lost, f"{end} {case.name}: {case.lost} were lost, after another start {lost}")
        broker.stop()

    def judge_together(self, end, case, broker, client):
        verdict = judge(broker, client, case.topic)
        case.lost = verdict.lost
        lost = f"({len(verdict.lost)} records from {verdict.lost[0]} on)" if verdict.lost else ""
        self.note(end, case, verdict.outcome, verdict.failures, lost)
        replica = Data(broker.data_directory, case.topic).replica
        if any("set-aside" in name for name in os.listdir(replica)):
            self.outcomes[SET_ASIDE] += 1

    # A start for each ---------------------------------------------------------------------------

    def run_alone(self, end):
        if not self.alone:
            return
        first = self.broker_of(f"alone-{end}")
        seed(first, SHARED, ENDS[end])
        for number, case in enumerate(self.alone):
            broker = self.broker_of(f"alone-{end}-{number}")
            shutil.copytree(first.data_directory, broker.data_directory, symlinks=True)
            case.damage(Data(broker.data_directory))
            self.judge_alone(end, case, broker)
            broker.kill9()
            shutil.rmtree(broker.data_directory)

    def judge_alone(self, end, case, broker):
        try:
            broker.start()
        except BrokerFailure as failure:
            failures = [] if case.may_refuse and "ended with status" in str(failure) else [str(failure)]
            last = " ".join(broker.log_lines()[-3:])
            failures += [f"the refusal does not say {word!r}: {last[:300]}" for word in case.told if word not in last]
            self.note(end, case, REFUSED, failures)
            return
        with Client(broker, timeout=30) as client:
            verdicts = [judge(broker, client, topic) for topic in SHARED]
        worst = max(verdicts, key=lambda verdict: (verdict.outcome == OFFLINE, len(verdict.lost)))
        self.note(end, case, worst.outcome, [failure for verdict in verdicts for failure in verdict.failures])


def main():
    cases = chosen(sys.argv[1:])
    with Stage(seconds=230) as stage:
        elsewhere = tempfile.mkdtemp(prefix="elsewhere-", dir=stage.directory)
        os.environ["MATRIX_ELSEWHERE"] = elsewhere
        run = Run(stage, cases)
        for end in ENDS:
            stage.step(lambda _stage, end=end: run.run_together(end))
            stage.step(lambda _stage, end=end: run.run_alone(end))
        total = len(cases) * len(ENDS)
        passed(f"{total} cases: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(run.outcomes.items())))


main()
