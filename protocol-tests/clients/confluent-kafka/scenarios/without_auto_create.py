"""A broker that makes no topics by itself: producers and consumers of unknown topics are told, nothing is made."""

from confluent_kafka import KafkaError

from expectations import check, same, until
from session import PREFIX, admin, consumer, producer, send_error, topic

missing = PREFIX + "missing"
code = send_error(producer(message_timeout_ms=8000, topic_metadata_propagation_max_ms=1000), missing, value="x")
check("a producer is told", code in (KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART), code)
client = consumer("missing", allow_auto_create_topics=True)
client.subscribe([missing])
problem = until("an error for the unknown topic", lambda: client.poll(1))
same("a consumer is told", problem.error() and problem.error().code(), KafkaError.UNKNOWN_TOPIC_OR_PART)
client.close()
check("nothing was made", missing not in admin().list_topics(timeout=30).topics)
made = topic("made")
same("a topic that was made on purpose works", send_error(producer(), made, value="x"), None)
