"""A broker that makes no topics by itself: producers and consumers of unknown topics are told, nothing is made."""

from aiokafka.errors import UnknownTopicOrPartitionError
from expectations import check, same
from session import PREFIX, admin, consumer, error_of, poll, producer, run, send_all, topic, until


async def scenario():
    missing = PREFIX + "missing"
    async with producer(request_timeout_ms=3000) as client:
        same("a producer is told", await error_of(client.send(missing, b"x")), UnknownTopicOrPartitionError)
    async with consumer(group="missing", metadata_max_age_ms=500) as client:
        client.subscribe([missing])
        same("a consumer gets nothing", await poll(client, 2000), [])
        same("and is assigned nothing", client.assignment(), frozenset())
        async with admin() as asking:
            unknown, = await asking.describe_topics([missing])
            same("an administrator is told", (unknown["error_code"], unknown["partitions"]), (UnknownTopicOrPartitionError.errno, []))
            check("nothing was made", missing not in await asking.list_topics())

        # It is made on purpose, and both go on.
        await topic("missing")
        async with producer() as sender:
            await send_all(sender, missing, [{"value": b"here now"}])
        same("found later", [record.value for record in await until("the record", lambda: poll(client, 500))], [b"here now"])


run(scenario)
