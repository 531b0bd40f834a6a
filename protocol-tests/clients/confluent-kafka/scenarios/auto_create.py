"""A broker that makes topics when producers ask for them, with its defaults, and not for those who only look."""

from expectations import same
from session import PREFIX, admin, consumer, producer, send_all

made = PREFIX + "by-producer"
send_all(producer(), made, ({"value": str(n), "partition": n} for n in range(3)))
found = admin().list_topics(topic=made, timeout=30).topics[made]
same("the broker's default number of partitions", len(found.partitions), 3)

# A consumer that does not allow it, and a listing of everything, make nothing.
looked_at = PREFIX + "looked-at"
client = consumer("looking", allow_auto_create_topics=False)
client.subscribe([looked_at])
client.poll(1)
client.close()
same("not in the list", looked_at in admin().list_topics(timeout=30).topics, False)
