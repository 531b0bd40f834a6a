"""The attackers: many connections in one process.

    async def flood(crowd):
        request = ...                       # made in advance
        await crowd.begin()                 # the arena says when
        await crowd.visit(100, visitor)     # a hundred connections at once

    async def visitor(line):
        await line.send(request)
        await line.answer()

What came of it is counted in `crowd.counts`, for the last column of the table.
"""

import asyncio
import collections
import contextlib
import multiprocessing
import resource
import socket
import struct
import time

from . import priority

# An address that the honest client does not have, so that a share per address can be told from one per connection.
STRANGER = "127.0.0.66"
# The honest client's own.
NEIGHBOUR = "127.0.0.1"
CONNECTING_AT_ONCE = 40


class Line:
    """One connection of an attacker."""

    def __init__(self, crowd, number, connection):
        self.crowd = crowd
        self.number = number
        self.socket = connection

    async def send(self, data):
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def receive(self, count):
        """Exactly so many bytes."""
        loop, parts = asyncio.get_running_loop(), bytearray()
        while len(parts) < count:
            part = await loop.sock_recv(self.socket, count - len(parts))
            if not part:
                raise ConnectionResetError("end of stream")
            parts += part
        return bytes(parts)

    async def receive_frame(self):
        return await self.receive(struct.unpack(">i", await self.receive(4))[0])

    async def answer(self):
        """Reads one answer and forgets it; returns its size."""
        loop, scratch = asyncio.get_running_loop(), self.crowd.scratch
        size = left = struct.unpack(">i", await self.receive(4))[0]
        while left:
            count = await loop.sock_recv_into(self.socket, scratch[:min(left, len(scratch))])
            if not count:
                raise ConnectionResetError("end of stream")
            left -= count
        self.crowd.counts["answers"] += 1
        self.crowd.counts["MiB answered"] += size / 2**20
        return size

    async def ask(self, data):
        await self.send(data)
        return await self.answer()

    def close(self, reset=False):
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Crowd:
    """The connections of one process of attackers, and what came of them."""

    def __init__(self, bootstrap, seconds, orders):
        host, _, port = bootstrap.rpartition(":")
        self.bootstrap = bootstrap
        self.seconds = seconds
        self.address = (host, int(port))
        self.orders = orders
        self.counts = collections.Counter()
        self.scratch = memoryview(bytearray(1 << 20))
        self._connecting = asyncio.Semaphore(CONNECTING_AT_ONCE)
        self._numbers = 0
        # What was done last, and what took longest, for floods of several parts.
        self.part = ""
        self.slowest = (0, "")

    async def begin(self):
        """Everything is prepared; goes on when the arena says so, and from then on the flood's time runs."""
        self.orders.send("ready")
        self.orders.recv()
        asyncio.get_running_loop().call_later(self.seconds, asyncio.current_task().cancel)

    async def connect(self, source=STRANGER, receive_buffer=None):
        number = self._numbers
        self._numbers += 1
        line = socket.socket()
        line.setblocking(False)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        line.bind((source(number) if callable(source) else source, 0))
        async with self._connecting:
            await asyncio.get_running_loop().sock_connect(line, self.address)
        return Line(self, number, line)

    async def visit(self, count, visitor, reset=False, **options):
        """So many connections, each given to the visitor.

        A broker that hangs up is one of the things that may happen; one that does not listen any more ends the flood.
        """

        async def one():
            try:
                line = await self.connect(**options)
            except ConnectionRefusedError:
                raise
            except OSError as problem:
                self.counts[f"not connected: {problem.strerror}"] += 1
                return
            try:
                await visitor(line)
            except ConnectionError:
                self.counts["hung up on"] += 1
            finally:
                line.close(reset)

        await asyncio.gather(*[one() for _ in range(count)])

    @contextlib.contextmanager
    def part_of_flood(self, name):
        """What is within belongs to this part."""
        self.part = name
        began = time.monotonic()
        yield
        self.slowest = max(self.slowest, (time.monotonic() - began, name))


def many_addresses(number):
    """An attacker who has two hundred addresses."""
    return f"127.0.7.{1 + number % 200}"


async def until_the_end():
    """For an attacker who only holds what it has; the flood's time ends it."""
    await asyncio.Event().wait()


def attack(flood, bootstrap, seconds, orders):
    """The process of attackers."""
    priority.take(priority.ATTACKERS)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    crowd = Crowd(bootstrap, seconds, orders)

    async def work():
        try:
            await flood(crowd)
        except asyncio.CancelledError:
            crowd.counts["time was up"] += 1
        except ConnectionRefusedError:
            crowd.counts["nobody there"] += 1

    try:
        asyncio.run(work())
        seconds_of_slowest, slowest = crowd.slowest
        slow = f"; the slowest: {slowest}, {seconds_of_slowest:.1f} s" if slowest else ""
        orders.send((dict(crowd.counts), crowd.part + slow))
    except (EOFError, BrokenPipeError):
        # The arena has gone.
        pass


class Attackers:
    """The arena's end of one process of attackers."""

    def __init__(self, flood, bootstrap, seconds):
        context = multiprocessing.get_context("spawn")
        self.orders, theirs = context.Pipe()
        self.process = context.Process(target=attack, args=(flood, bootstrap, seconds, theirs), daemon=True)
        self.process.start()
        theirs.close()
        answer = self.orders.recv()
        if answer != "ready":
            raise RuntimeError(f"the attackers have done {answer} before the flood began")

    def begin(self):
        self.orders.send("begin")

    def done(self):
        return self.orders.poll() or not self.process.is_alive()

    def end(self, patience=5):
        """What came of the flood: counts by name, and its last part. None when the attackers did not end by themselves."""
        try:
            return self.orders.recv() if self.orders.poll(patience) else None
        except EOFError:
            return None
        finally:
            self.process.kill()
            self.process.join()
