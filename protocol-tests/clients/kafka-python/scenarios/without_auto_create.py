"""A broker that makes no topics by itself: producers and consumers of unknown topics are told, nothing is made."""

from expectations import same, until
from kafka.errors import KafkaTimeoutError
from session import PREFIX, admin, consumer, poll, producer, send_all, send_error, topic

missing = PREFIX + "missing"
same("a producer is told", send_error(producer(max_block_ms=3000), missing, value=b"x"), KafkaTimeoutError)
client = consumer("missing", metadata_max_age_ms=500)
client.subscribe([missing])
same("a consumer gets nothing", poll(client, 2000), [])
same("and is assigned nothing", client.assignment(), set())
same("nothing was made", missing in admin().list_topics(), False)

# It is made on purpose, and both go on.
topic("missing")
send_all(producer(), missing, [{"value": b"here now"}])
same("found later", [record.value for record in until("the record", lambda: poll(client, 500))], [b"here now"])
client.close()
