"""What most attackers do, whatever their bytes are.

Each takes a function that makes the bytes, since those are made in the attackers' process and before the flood begins.
"""

from .crowd import until_the_end

# An attacker who does not read does not let the system do it for him either.
SMALL_BUFFER = 4096


async def send_and_hold(crowd, make, connections, **options):
    """The bytes are sent, and the connection is held; nothing is read."""
    data = make()

    async def visitor(line):
        await line.send(data)
        await until_the_end()

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


async def never_read(crowd, make, connections, **options):
    """The same with a small buffer for the answer."""
    await send_and_hold(crowd, make, connections, receive_buffer=SMALL_BUFFER, **options)


async def ask_without_end(crowd, make, connections, **options):
    """The same request again and again, each answer read as fast as it comes."""
    request = make()

    async def visitor(line):
        while True:
            await line.ask(request)

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


async def pipeline_without_end(crowd, make, times, connections, **options):
    """All of the requests so many times at once, and when they are answered again."""
    requests = times * make()
    data = b"".join(requests)

    async def visitor(line):
        while True:
            await line.send(data)
            for _ in requests:
                await line.answer()

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


async def send_and_reset(crowd, make, connections, rounds=1_000_000, **options):
    """The bytes are sent and the connection is reset, again and again."""
    data = make()

    async def visitor(line):
        await line.send(data)
        crowd.counts["resets"] += 1

    await crowd.begin()
    for _ in range(rounds):
        await crowd.visit(connections, visitor, reset=True, **options)
