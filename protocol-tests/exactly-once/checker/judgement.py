"""The whole judgement: every check over one run, its anomalies and its figures."""

from collections import Counter
from dataclasses import dataclass, field

from . import cycles, fencing, loops, offsets, order, polls, stability, visibility
from .transactions import ABORTED, COMMITTED, NEVER, UNKNOWN, transactions_of


@dataclass
class Anomaly:
    kind: str
    text: str

    def __str__(self):
        return f"{self.kind}: {self.text}"


@dataclass
class Judgement:
    anomalies: list
    figures: dict = field(default_factory=dict)

    @property
    def kinds(self):
        return Counter(anomaly.kind for anomaly in self.anomalies)


class Run:
    """What every check is given."""

    def __init__(self, events, final):
        self.events = events
        self.final = final
        self.told = transactions_of(events)
        self.isolation = {(e["worker"], e["run"]): e.get("isolation") for e in events if e["e"] == "start"}
        self.visible = {value for rows in final.committed.values() for _, value in rows}
        self.polls = [event for event in events if event["e"] == "poll"]

    def reads_committed(self, event):
        return self.isolation.get((event["worker"], event["run"])) == "read_committed"

    def seen_committed(self, transaction):
        """Whether it was committed as far as anybody can tell: by its answer, or by what is visible of it."""
        if transaction.outcome == COMMITTED:
            return True
        return transaction.outcome == UNKNOWN and any(send.value in self.visible for send in transaction.sends)


CHECKS = (visibility.check, offsets.check, polls.check, order.check, stability.check, fencing.check, loops.check,
          cycles.check)


def judge(events, final):
    """Everything that is wrong, and figures of what was looked at."""
    run = Run(events, final)
    anomalies = [Anomaly(kind, text) for check in CHECKS for kind, text in check(run)]
    outcomes = Counter(transaction.outcome for transaction in run.told.transactions)
    figures = {
        "committed": outcomes[COMMITTED],
        "aborted": outcomes[ABORTED],
        "unknown": outcomes[UNKNOWN],
        "left open": sum(t.outcome == ABORTED and t.ended == NEVER for t in run.told.transactions),
        "slept through": sum(event["e"] == "sleep" for event in events),
        "producers": sum(producer.initialized for producer in run.told.producers),
        "records": sum(map(len, final.uncommitted.values())),
        "visible": sum(map(len, final.committed.values())),
        "polled": sum(len(event["records"]) for event in run.polls),
        **cycles.figures(run),
    }
    return Judgement(anomalies, figures)
