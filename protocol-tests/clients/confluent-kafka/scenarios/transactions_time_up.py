"""The broker aborts a transaction whose time is up; more time than it gives is refused."""

from confluent_kafka import KafkaError

from expectations import PATIENCE_SECONDS, check, same
from session import PREFIX, error_of, producer, topic
from transactional import decided, end, problem_of, produced, transactional, values

name = topic("time-up")
# librdkafka wants records to be given up before the transaction is.
slow = transactional("slow", transaction_timeout_ms=1000, message_timeout_ms=1000)
slow.begin_transaction()
produced(slow, name, 0, "of the slow one")
slow.flush(PATIENCE_SECONDS)
same("the stable end", end(name, 0, "read_committed"), 0)
decided(name, 0)
same("committed after the time was up", values(name, 0), [])
problem = problem_of(lambda: slow.commit_transaction(PATIENCE_SECONDS))
check("a commit after the time was up is refused", problem.fatal() or problem.txn_requires_abort(), problem)
following = transactional("slow")
following.begin_transaction()
produced(following, name, 0, "of the next")
following.commit_transaction(PATIENCE_SECONDS)
decided(name, 0)
same("committed", values(name, 0), ["of the next"])

patient = producer(transactional_id=PREFIX + "patient", transaction_timeout_ms=900_001)
same("too much time", error_of(lambda: patient.init_transactions(PATIENCE_SECONDS)), KafkaError.INVALID_TRANSACTION_TIMEOUT)
