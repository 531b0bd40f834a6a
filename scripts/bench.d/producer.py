"""The smallest producer: one connection, one topic with one partition, one record at a time."""

import socket
import struct

RETRIABLE = {3, 5, 6}  # unknown topic or partition, leader not available, not leader: not there yet


def string(text):
    return struct.pack(">h", len(text)) + text.encode()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 & -(crc & 1))
    return crc ^ 0xFFFFFFFF


def varint(number):
    number, encoded = (number << 1) ^ (number >> 63), b""
    while number > 0x7F:
        number, encoded = number >> 7, encoded + bytes([number & 0x7F | 0x80])
    return encoded + bytes([number])


def batch(value):
    """A record batch with one record."""
    record = b"\0" + varint(0) + varint(0) + varint(-1) + varint(len(value)) + value + varint(0)
    record = varint(len(record)) + record
    # Attributes, last offset delta, two timestamps, producer id, epoch and sequence, record count.
    checked = struct.pack(">hiqqqhii", 0, 0, 0, 0, -1, -1, -1, 1) + record
    rest = struct.pack(">ibI", -1, 2, crc32c(checked)) + checked
    return struct.pack(">qi", 0, len(rest)) + rest


class Producer:
    """Its requests are made beforehand, so that only sockets are waited for."""

    def __init__(self, topic, value=b"first"):
        self.metadata = self.request(3, 4, struct.pack(">i", 1) + string(topic) + b"\1")
        self.produce = self.request(
            0, 7,
            struct.pack(">hhii", -1, -1, 30_000, 1) + string(topic)  # acks=all
            + struct.pack(">ii", 1, 0) + struct.pack(">i", len(batch(value))) + batch(value))
        self.error_at = 4 + 4 + len(string(topic)) + 4 + 4  # in a produce response of one partition
        self.socket = None

    @staticmethod
    def request(key, version, body):
        frame = struct.pack(">hhi", key, version, 7) + string("bench") + body
        return struct.pack(">i", len(frame)) + frame

    def connect(self, address):
        self.socket = socket.create_connection(address, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, request):
        self.socket.sendall(request)
        return self.exactly(struct.unpack(">i", self.exactly(4))[0])

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise ConnectionError("the broker closed the connection")
            data += piece
        return data

    def first_record(self):
        """Produces one record; returns when it is acknowledged. Asking for the topic's metadata creates it."""
        attempts = 0
        while True:
            attempts += 1
            self.call(self.metadata)
            error, offset = struct.unpack_from(">hq", self.call(self.produce), self.error_at)
            if error == 0:
                return offset
            if error not in RETRIABLE or attempts == 1000:
                raise ConnectionError(f"the broker answered the produce request with error {error}")

    def close(self):
        if self.socket:
            self.socket.close()
