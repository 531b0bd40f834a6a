"""Bad input gets the error that belongs to it, and the client that sent it can go on."""

from aiokafka.errors import InvalidSessionTimeoutError, MessageSizeTooLargeError, UnknownTopicOrPartitionError
from expectations import check, same
from session import admin, consumer, error_of, new_consumer, producer, read_partition, run, topic


async def scenario():
    # A record larger than the topic takes although the client allows it; then a good one from the same client.
    limited = await topic("limited", 1, {"max.message.bytes": "2000"})
    body = b"".join(str(number * 7919 % 100_003).encode() for number in range(3000))
    for settings in ({}, {"compression_type": "gzip"}, {"enable_idempotence": True}):
        async with producer(max_request_size=10_000_000, **settings) as client:
            same(f"too large a record {settings}", await error_of(client.send_and_wait(limited, body)), MessageSizeTooLargeError)
            if "enable_idempotence" not in settings:
                await client.send_and_wait(limited, b"small")
    same("only the good ones are stored", [r.value for r in await read_partition(limited, 0, 2)], [b"small"] * 2)

    # The broker's own limit for a topic without one, which is on what is stored.
    unlimited = await topic("unlimited")
    async with producer(max_request_size=10_000_000) as client:
        same("larger than the broker's default", await error_of(client.send_and_wait(unlimited, b"x" * 1_100_000)),
             MessageSizeTooLargeError)
        await client.send_and_wait(unlimited, b"x" * 1_048_000)
    async with producer(max_request_size=10_000_000, compression_type="gzip") as client:
        await client.send_and_wait(unlimited, b"x" * 1_100_000)
    # A large one comes back although the consumer asked for less.
    same("read with small limits", len((await read_partition(unlimited, 0, 1, max_partition_fetch_bytes=1000))[0].value), 1_048_000)

    # A compacted topic takes no record without a key.
    compacted = await topic("compacted", 1, {"cleanup.policy": "compact"})
    async with producer() as client:
        check("a record without a key is refused", await error_of(client.send_and_wait(compacted, b"x")) is not None)
        await client.send_and_wait(compacted, b"x", key=b"k")
        await client.send_and_wait(compacted, None, key=b"k")
    same("only keyed ones are stored", [(r.key, r.value) for r in await read_partition(compacted, 0, 2)], [(b"k", b"x"), (b"k", None)])

    # Names that cannot be.
    for bad in ("a b", "a/b"):
        async with producer(request_timeout_ms=3000) as client:
            # The client waits for it as for a topic that may yet come, and says in its log why it does not.
            same(f"producing to {bad!r}", await error_of(client.send_and_wait(bad, b"x")), UnknownTopicOrPartitionError)
        async with admin() as client:
            check("is not made", bad not in await client.list_topics())

    # A session timeout out of bounds: starting a member waits for its assignment, or says why there is none.
    client = new_consumer(limited, group="bounds", session_timeout_ms=1000, heartbeat_interval_ms=300)
    error = await error_of(client.start())
    if error is None:
        error = await error_of(client.getone())
    same("session timeout below the broker's minimum", error, InvalidSessionTimeoutError)
    await client.stop()


run(scenario)
