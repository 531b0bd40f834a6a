"""A subscription by an expression that the broker evaluates: topics that come are read, those that go are forgotten."""

from expectations import same, until
from session import PREFIX, admin, consumer, producer, read, send_all, topic

first, second, other = topic("read-a", 2), topic("read-b"), topic("other")
client = consumer("group")
client.subscribe([f"^{PREFIX}read-[a-c]$"])


def topics():
    """Of the assignment, while the member goes on."""
    message = client.poll(0.1)
    same("a message of nothing", message and str(message.error()), None)
    return sorted({entry.topic for entry in client.assignment()})


until("both topics", lambda: topics() == [first, second])
third = topic("read-c")
send_all(producer(), third, ({"value": str(n)} for n in range(10)))
same("the new topic is read from its beginning", [int(m.value()) for m in read(client, 10)], list(range(10)))
administrator = admin()
administrator.delete_topics([second])[second].result(30)
until("those that are left", lambda: topics() == [first, third])
client.subscribe([f"^{PREFIX}o.*r$", first])
until("an expression and a name", lambda: topics() == [other, first])
client.close()
