"""Transactions are not served yet: who asks for one hears it at once, and not when the time is up. Others are not disturbed."""

import time

from confluent_kafka import KafkaError

from expectations import check, same
from session import PREFIX, error_of, producer, read_partition, send_all, topic


def refused():
    """How long it takes until a transactional producer is told."""
    client = producer(transactional_id=PREFIX + "transactional")
    began = time.monotonic()
    same("init_transactions", error_of(lambda: client.init_transactions(60)), KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    return time.monotonic() - began


# A machine that is busy may be late once.
fastest = min(refused() for _ in range(3))
check("the refusal comes at once", fastest < 2, f"{fastest:.1f} s")
afterwards = topic("afterwards")
send_all(producer(enable_idempotence=True), afterwards, [{"value": "good"}])
same("an idempotent producer goes on", [message.value() for message in read_partition(afterwards, 0, 1)], [b"good"])
