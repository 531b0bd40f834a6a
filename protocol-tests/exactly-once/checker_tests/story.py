"""Histories that never happened, told step by step beside a broker that does everything right unless it is told otherwise."""

from checker import Final, judge

TIMEOUT_MS = 1_000_000


class Log:
    """A partition: values with the outcome of their transactions; None is a marker."""

    def __init__(self):
        self.rows = []

    def append(self, value):
        self.rows.append(value)
        return len(self.rows) - 1


class Story:
    def __init__(self, timeout_ms=TIMEOUT_MS):
        self.time = 0
        self.timeout_ms = timeout_ms
        self.events = []
        self.logs = {}
        self.shown = set()
        self.group = {}
        self.open = []
        self.stable = {}

    def log(self, place):
        return self.logs.setdefault(place, Log())

    def event(self, worker, kind, **fields):
        self.time += 1
        event = {"worker": worker.name, "run": worker.run, "t": self.time, "e": kind, **fields}
        self.events.append(event)
        return event

    def worker(self, name, run=1, isolation="read_committed"):
        return Worker(self, name, run, isolation)

    def final(self):
        uncommitted = {place: [(offset, value) for offset, value in enumerate(log.rows) if value]
                       for place, log in self.logs.items()}
        committed = {place: [row for row in rows if row[1] in self.shown] for place, rows in uncommitted.items()}
        end = {place: len(log.rows) for place, log in self.logs.items()}
        return Final(committed, uncommitted, {**end, **self.stable}, end, self.group, self.open)

    def judge(self, final=None):
        return judge(self.events, final or self.final())

    def kinds(self, final=None):
        return set(self.judge(final).kinds)


class Worker:
    """A client that writes its history; it may produce, poll, or both within one transaction."""

    def __init__(self, story, name, run, isolation):
        self.story = story
        self.name = name
        self.run = run
        self.txn = 0
        self.producer = 0
        self.values = []
        self.places = []
        self.offsets = {}
        self.inside = False
        self.say("start", isolation=isolation, timeout_ms=story.timeout_ms)

    def say(self, kind, **fields):
        return self.story.event(self, kind, **fields)

    def init(self, answered=True):
        self.producer += 1
        self.say("init", producer=self.producer, id=self.name)
        if answered:
            self.say("initialized", producer=self.producer)
        return self

    def begin(self):
        self.txn += 1
        self.values, self.places, self.offsets, self.inside = [], [], {}, True
        self.say("begin", txn=self.txn, producer=self.producer)
        return self

    def send(self, place, source=None, acked=True, stored=True):
        value = f"{self.name}.{self.run}.{self.txn}.{len(self.values)}" + (f"<{source}" if source else "")
        self.values.append(value)
        self.places.append(place)
        self.say("send", txn=self.txn, value=value, place=place)
        if stored:
            offset = self.story.log(place).append(value)
            if acked:
                self.say("acked", txn=self.txn, value=value, place=place, offset=offset)
        return value

    def move(self, **offsets):
        """Offsets of the input in the transaction; `in_0=3` for place in-0."""
        self.offsets = {place.replace("_", "-"): offset for place, offset in offsets.items()}
        self.say("offsets", txn=self.txn, offsets=self.offsets)

    def ask_commit(self):
        self.say("commit", txn=self.txn)

    def take_effect(self, commit=True):
        """What the coordinator does: markers, and for a commit everything becomes visible."""
        for place in dict.fromkeys(self.places):
            self.story.log(place).append(None)
        if commit:
            self.story.shown.update(self.values)
            self.story.group.update(self.offsets)
        self.inside = False

    def commit(self):
        self.ask_commit()
        self.take_effect()
        self.say("committed", txn=self.txn)

    def commit_unanswered(self, effect):
        self.ask_commit()
        self.take_effect(effect)

    def abort(self):
        self.say("abort", txn=self.txn)
        self.take_effect(commit=False)
        self.say("aborted", txn=self.txn)

    def position(self, committed=False, **positions):
        named = {place.replace("_", "-"): offset for place, offset in positions.items()}
        self.story.time += 1
        self.say("position", asked=self.story.time - 1, committed=committed, positions=named)

    def poll(self, place, *offsets):
        records = [[place, offset, self.story.log(place).rows[offset]] for offset in offsets]
        within = {"txn": self.txn} if self.inside else {}
        self.story.time += 1
        self.say("poll", asked=self.story.time - 1, records=records, **within)
        return records
