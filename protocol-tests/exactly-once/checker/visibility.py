"""What of each transaction is to be seen, at the end and in every poll.

| kind | meaning |
| --- | --- |
| `lost-write` | a committed transaction of which records are not visible |
| `vanished` | an acknowledged or polled record that is not in the log any more |
| `aborted-read` | a record of a transaction that was aborted, or whose commit nobody asked for, read as committed |
| `early-read` | a record read as committed before its transaction's commit was asked for |
| `torn` | a transaction of unknown outcome of which some records are visible and some are not |
| `duplicate` | a value that is in the logs more than once |
| `phantom` | a value in the logs that nobody sent |
"""

from .transactions import ABORTED, COMMITTED, UNKNOWN


def check(run):
    yield from logs(run)
    yield from transactions(run)
    yield from reads(run)


def logs(run):
    """What the logs hold, value by value."""
    stored = {}
    for place, rows in run.final.uncommitted.items():
        for offset, value in rows:
            if value in stored:
                yield "duplicate", f"{value} is at {stored[value]} and at {place}@{offset}"
            stored[value] = f"{place}@{offset}"
            if value not in run.told.sends:
                yield "phantom", f"{value} at {place}@{offset} was sent by nobody"
    seen = set()
    for place, rows in run.final.committed.items():
        for offset, value in rows:
            if value in seen:
                yield "duplicate", f"{value} is visible twice, the second time at {place}@{offset}"
            seen.add(value)
            if value not in stored:
                yield "vanished", f"{value} is read at {place}@{offset} as committed and not as uncommitted"
    for value, (_, send) in run.told.sends.items():
        if send.offset is not None and value not in stored:
            yield "vanished", f"{value} was acknowledged at {send.place}@{send.offset} and is not in the log"


def transactions(run):
    """All or nothing."""
    for transaction in run.told.transactions:
        missing = [send for send in transaction.sends if send.value not in run.visible]
        if transaction.outcome == COMMITTED and missing:
            yield "lost-write", (f"{transaction.name} was committed; {len(missing)} of its {len(transaction.sends)} records "
                                 f"are not visible, the first {missing[0].value} of {missing[0].place}@{missing[0].offset}")
        elif transaction.outcome == UNKNOWN and missing and len(missing) < len(transaction.sends):
            yield "torn", (f"{transaction.name}, whose commit has no known outcome: {len(missing)} of its "
                           f"{len(transaction.sends)} records are not visible, the first {missing[0].value}")
        elif transaction.outcome == ABORTED and len(missing) < len(transaction.sends):
            shown = next(send for send in transaction.sends if send.value in run.visible)
            yield "aborted-read", f"{transaction.name} was not committed, and its record {shown.value} is visible at the end"


def reads(run):
    """Every poll under read_committed."""
    for event in run.polls:
        if not run.reads_committed(event):
            continue
        for place, offset, value in event["records"]:
            transaction, _ = run.told.sends.get(value, (None, None))
            if transaction is None:
                yield "phantom", f"{event['worker']} polled {value} at {place}@{offset}, which was sent by nobody"
            elif transaction.outcome == ABORTED:
                yield "aborted-read", f"{event['worker']} polled {value} at {place}@{offset}; {transaction.name} was not committed"
            elif transaction.commit_asked > event["t"]:
                yield "early-read", f"{event['worker']} polled {value} at {place}@{offset} before its commit was asked for"
            elif transaction.outcome == UNKNOWN and value not in run.visible:
                yield "aborted-read", f"{event['worker']} polled {value} at {place}@{offset}, which is not visible at the end"
