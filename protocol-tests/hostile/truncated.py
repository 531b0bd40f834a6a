"""Every served request at every version, cut off at every place, in a whole frame and in one that never ends."""

from bodies import Bodies
from target import Target, answer_or_hang_up

from wire.connection import encode_request, frame, served

target = Target()
bodies = Bodies(target)
count = hung_up = answered = 0
for api, low, high in served(target.versions):
    for version in range(low, high + 1):
        good = encode_request(api, version, bodies.of(api))
        # Where the request says no more than what a request must begin with is for frames.py to look at. A
        # body may end early and still be good when only trailing bytes of an unread kind are cut: an answer
        # is as welcome as a closed connection; silence, too, where waiting was asked for.
        cuts = range(8, len(good))
        connection = None
        for cut in cuts if len(cuts) < 12 else list(cuts)[:: len(cuts) // 12]:
            connection = connection or target.connect()
            connection.send_bytes(frame(good[:cut]))
            kind, _ = answer_or_hang_up(connection, 1)
            count += 1
            if kind == "answer":
                answered += 1
            else:
                hung_up += 1
                connection.socket.close()
                connection = None
        if connection:
            connection.socket.close()
        # The same without the frame's end: the client vanishes in the middle.
        with target.connect() as connection:
            connection.send_bytes(frame(good)[: len(good) // 2])
    target.still_well(f"truncated {api.name}")
print(f"figures: {count} requests, {answered} answered, {hung_up} hung up on")
