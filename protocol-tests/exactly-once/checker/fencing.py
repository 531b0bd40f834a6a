"""A producer whose transactional id another one has taken over achieves nothing more.

| kind | meaning |
| --- | --- |
| `zombie` | a record, or a commit, that a producer asked for after another was initialized, and that was acknowledged |
"""

from collections import defaultdict

from .transactions import COMMITTED, NEVER


def check(run):
    by_id = defaultdict(list)
    for producer in run.told.producers:
        by_id[producer.transactional_id].append(producer)
    fenced_at = {
        producer.name: min((other.answered for other in by_id[producer.transactional_id]
                            if other is not producer and other.initialized and other.asked > producer.answered),
                           default=NEVER)
        for producer in run.told.producers
    }
    for transaction in run.told.transactions:
        fenced = fenced_at[transaction.producer.name]
        if transaction.outcome == COMMITTED and transaction.sends and transaction.commit_asked > fenced:
            yield "zombie", f"{transaction.name} was committed by a producer that had been fenced before it asked"
        for send in transaction.sends:
            if send.offset is not None and send.asked > fenced:
                yield "zombie", f"{send.value} of {transaction.name} was sent by a fenced producer, and acknowledged"
                break
