"""Many requests at once on one connection: answers in the order of the requests; none for acks=0."""

import socket

from raw import APIS, Partition, check, connect, create_topic, fail, same, simple_batch

from wire.connection import decode_response, encode_request, frame
from wire.records import record_count

name, topic_id = create_topic("order", 2)


def produce_body(value, acks, partition=0):
    return {"acks": acks, "topic_data": [{"name": name, "partition_data": [{"index": partition, "records": simple_batch([value])}]}]}


# Quick and slow requests mixed: a fetch that waits holds back what comes after it, and nothing overtakes.
connection = connect()
waiting = {"max_wait_ms": 400, "min_bytes": 1_000_000, "topics": [{"topic": name, "partitions": [{"partition": 1, "fetch_offset": 0}]}]}
requests = []
for number in range(40):
    requests += [("Metadata", 4, {"topics": [{"name": name}]}), ("Produce", 7, produce_body(b"%d" % number, -1)), ("ApiVersions", 0, {})]
    if number % 10 == 0:
        requests.append(("Fetch", 4, waiting))
payload = b"".join(frame(encode_request(APIS[api], version, body, 1000 + index)) for index, (api, version, body) in enumerate(requests))
connection.send_bytes(payload)
offsets = []
for index, (api, version, _) in enumerate(requests):
    answer = decode_response(APIS[api], version, connection.receive_frame(), 1000 + index)
    if api == "Produce":
        part = answer["responses"][0]["partition_responses"][0]
        same("error", part["error_code"], 0)
        offsets.append(part["base_offset"])
same("produced in the order sent", offsets, list(range(40)))

# acks=0: no answer, not even an empty one, and the next request is answered as if nothing had been.
for number in range(10):
    connection.send("Produce", 7, produce_body(b"quiet", 0))
answer = connection.call("ApiVersions", 0)
same("the answer after unanswered requests", answer["error_code"], 0)
partition = Partition(connection, name, topic_id)
for _ in range(100):
    if partition.offset(-1)["offset"] == 50:
        break
same("what was not acknowledged is stored", partition.offset(-1)["offset"], 50)
same("and can be read", record_count(partition.fetch(0)["records"]), 50)

# acks=0 that goes wrong: the only thing to say is to hang up, and nothing else may be said.
connection.send("Produce", 7, {"acks": 0, "topic_data": [{"name": name, "partition_data": [{"index": 99, "records": simple_batch([b"x"])}]}]})
connection.socket.settimeout(10)
try:
    rest = connection.socket.recv(100)
except (ConnectionError, socket.timeout) as problem:
    rest = b"" if isinstance(problem, ConnectionError) else fail("neither an end nor an answer after a failed produce with acks=0")
same("after a failed produce with acks=0", rest, b"")

# acks that do not exist.
connection = connect()
part = connection.call("Produce", 7, produce_body(b"x", 2))["responses"][0]["partition_responses"][0]
same("acks=2 (INVALID_REQUIRED_ACKS)", part["error_code"], 21)

# A request in pieces, two requests in one piece with a half behind: framing does not depend on packets.
one = frame(encode_request(APIS["Metadata"], 4, {"topics": [{"name": name}]}, 1))
two = frame(encode_request(APIS["Metadata"], 4, {"topics": [{"name": name}]}, 2))
three = frame(encode_request(APIS["Metadata"], 4, {"topics": [{"name": name}]}, 3))
connection.send_bytes(one[:3])
connection.send_bytes(one[3:20])
connection.send_bytes(one[20:] + two + three[:15])
for correlation in (1, 2):
    decode_response(APIS["Metadata"], 4, connection.receive_frame(), correlation)
connection.send_bytes(three[15:])
check("the third", decode_response(APIS["Metadata"], 4, connection.receive_frame(), 3)["topics"])
connection.socket.close()
