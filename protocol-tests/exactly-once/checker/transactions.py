"""Transactions as their clients saw them, out of the events of their histories."""

from dataclasses import dataclass, field

COMMITTED = "committed"
ABORTED = "aborted"
# A commit was asked for, and no answer says what became of it.
UNKNOWN = "unknown"

NEVER = float("inf")


@dataclass
class Send:
    value: str
    place: str
    asked: int
    acked: float = NEVER
    offset: int | None = None


@dataclass
class Producer:
    """One producer object: what fences others with its transactional id, and is fenced by them."""

    name: str
    transactional_id: str
    asked: int
    # When it knew that it was initialized, or that it was not.
    answered: float = NEVER
    initialized: bool = False


@dataclass
class Transaction:
    name: str
    producer: Producer
    begun: int
    timeout: int
    sends: list = field(default_factory=list)
    # (place, offset, value, time) of what was polled within it.
    reads: list = field(default_factory=list)
    offsets: dict = field(default_factory=dict)
    commit_asked: float = NEVER
    abort_asked: float = NEVER
    # When the client knew the outcome.
    ended: float = NEVER
    outcome: str = ABORTED

    @property
    def end_asked(self):
        return min(self.commit_asked, self.abort_asked)


@dataclass
class Told:
    """All that the histories tell of producers."""

    transactions: list
    producers: list
    # value -> (transaction, send)
    sends: dict


def transactions_of(events):
    """Transactions, producers and sends. A transaction whose commit was never asked for counts as aborted."""
    transactions, producers, sends = {}, {}, {}
    timeouts = {}
    for event in events:
        run = (event["worker"], event["run"])
        kind = event["e"]
        if kind == "start":
            timeouts[run] = event.get("timeout_ms", 0) * 1_000_000
            continue
        if kind == "init":
            name = ".".join(map(str, (*run, event["producer"])))
            producers[(*run, event["producer"])] = Producer(name, event["id"], event["t"])
            continue
        if kind in ("initialized", "init-failed"):
            producer = producers[(*run, event["producer"])]
            producer.answered, producer.initialized = event["t"], kind == "initialized"
            continue
        if event.get("txn") is None:
            continue
        key = (*run, event["txn"])
        if kind == "begin":
            name = ".".join(map(str, key))
            transactions[key] = Transaction(name, producers[(*run, event["producer"])], event["t"], timeouts.get(run, 0))
            continue
        apply(transactions[key], event, sends)
    return Told(list(transactions.values()), list(producers.values()), sends)


def apply(transaction, event, sends):
    """One event within a transaction."""
    kind, time = event["e"], event["t"]
    if kind == "send":
        send = Send(event["value"], event["place"], time)
        transaction.sends.append(send)
        sends[send.value] = (transaction, send)
    elif kind == "acked":
        _, send = sends[event["value"]]
        send.acked, send.offset = time, event["offset"]
    elif kind == "poll":
        transaction.reads += [(place, offset, value, time) for place, offset, value in event["records"]]
    elif kind == "offsets":
        transaction.offsets.update(event["offsets"])
    elif kind == "commit":
        transaction.commit_asked = time
        transaction.outcome = UNKNOWN
    elif kind == "committed":
        transaction.ended, transaction.outcome = time, COMMITTED
    elif kind == "abort":
        transaction.abort_asked = time
    elif kind == "aborted":
        transaction.ended, transaction.outcome = time, ABORTED
