"""A second producer with the same transactional id aborts what the first one has begun, and fences it."""

from confluent_kafka import KafkaError

from expectations import PATIENCE_SECONDS, check, same
from session import topic
from transactional import decided, problem_of, produced, transactional, values

name = topic("fenced")
zombie = transactional("id")
zombie.begin_transaction()
produced(zombie, name, 0, "of the zombie")
zombie.flush(PATIENCE_SECONDS)
following = transactional("id")
decided(name, 0)
following.begin_transaction()
produced(following, name, 0, "of the next")
following.flush(PATIENCE_SECONDS)
problem = problem_of(lambda: zombie.commit_transaction(PATIENCE_SECONDS))
check("the zombie cannot go on", problem.fatal(), problem)
check("the zombie is fenced", problem.code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError._FATAL), problem)
following.commit_transaction(PATIENCE_SECONDS)
decided(name, 0)
same("committed", values(name, 0), ["of the next"])
same("everything", values(name, 0, "read_uncommitted"), ["of the zombie", "of the next"])

# One that sends when it is fenced already.
zombie = transactional("id two")
zombie.begin_transaction()
produced(zombie, name, 0, "committed by the zombie")
zombie.commit_transaction(PATIENCE_SECONDS)
following = transactional("id two")
zombie.begin_transaction()
produced(zombie, name, 0, "late")
problem = problem_of(lambda: zombie.commit_transaction(PATIENCE_SECONDS))
check("the second zombie cannot go on", problem.fatal(), problem)
decided(name, 0)
same("everything", values(name, 0, "read_uncommitted"), ["of the zombie", "of the next", "committed by the zombie"])
