"""A raw connection to a broker: framed requests out, framed responses in."""

import itertools
import socket
import struct

from .codec import Decoder, Encoder, Malformed
from .messages import APIS, REQUEST_HEADER_TAGS


class Closed(Exception):
    """The broker closed the connection instead of answering."""


def address(bootstrap):
    host, _, port = bootstrap.split(",")[0].rpartition(":")
    return host, int(port)


def encode_request(api, version, body, correlation_id=1, client_id="protocol-tests"):
    """The bytes of a request behind the length of its frame."""
    flexible = version >= api.flexible
    head = Encoder(1, False)
    head.primitive("int16", api.key, False)
    head.primitive("int16", version, False)
    head.primitive("int32", correlation_id, False)
    head.primitive("string", client_id, True)
    encoder = Encoder(version, flexible)
    encoder.structure(api.request, body)
    return bytes(head.out) + (REQUEST_HEADER_TAGS if flexible else b"") + bytes(encoder.out)


def frame(payload):
    return struct.pack(">i", len(payload)) + payload


def decode_response(api, version, payload, correlation_id=None):
    """The body of a response; every byte must be accounted for."""
    got = struct.unpack_from(">i", payload)[0]
    if correlation_id is not None and got != correlation_id:
        raise Malformed(f"correlation id {got} where {correlation_id} was due")
    flexible = version >= api.flexible
    decoder = Decoder(payload, version, flexible)
    decoder.at = 4
    # A client that asks for its versions cannot know yet which headers the broker speaks: always v0.
    if flexible and api.name != "ApiVersions":
        for _ in range(decoder.unsigned_varint()):
            decoder.unsigned_varint()
            decoder.take(decoder.unsigned_varint())
    body = decoder.structure(api.response)
    decoder.finished()
    return body


class Connection:
    """One socket; use as a context manager."""

    def __init__(self, bootstrap, timeout=10.0):
        self.socket = socket.create_connection(address(bootstrap), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._correlation = itertools.count(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send(self, name, version, body=None):
        """Sends a request without waiting and returns its correlation id."""
        correlation = next(self._correlation)
        self.send_bytes(frame(encode_request(APIS[name], version, body or {}, correlation)))
        return correlation

    def receive_frame(self):
        return self._exactly(struct.unpack(">i", self._exactly(4))[0])

    def _exactly(self, count):
        parts = bytearray()
        while len(parts) < count:
            try:
                part = self.socket.recv(min(count - len(parts), 1 << 20))
            except ConnectionError as error:
                raise Closed(str(error)) from error
            if not part:
                raise Closed(f"end of stream after {len(parts)} of {count} bytes")
            parts += part
        return bytes(parts)

    def call(self, name, version, body=None):
        """One request and its decoded response."""
        correlation = self.send(name, version, body)
        return decode_response(APIS[name], version, self.receive_frame(), correlation)

    def versions(self):
        """What the broker serves: a dict from API key to (lowest, highest) version."""
        answer = self.call("ApiVersions", 0)
        if answer["error_code"]:
            raise Malformed(f"ApiVersions v0 answered with error {answer['error_code']}")
        return {entry["api_key"]: (entry["min_version"], entry["max_version"]) for entry in answer["api_keys"]}


def served(versions):
    """Our APIs with the range of versions that both the broker and our schemas speak."""
    for api in APIS.values():
        if api.key in versions:
            low, high = versions[api.key]
            low, high = max(low, api.lowest), min(high, api.highest)
            if low <= high:
                yield api, low, high
