"""Frames that are none: lengths that lie, no bytes, one byte, half a frame, somebody else's protocol."""

import os
import random
import struct
import time

from target import Target, answer_or_hang_up, must_hang_up, same

from wire.connection import decode_response, encode_request, frame
from wire.messages import APIS

target = Target()

# Lengths that no request has. The rest is never sent, and must not be waited for or reserved.
for length in (2**31 - 1, 2**30, 200 * 1024 * 1024, -1, -(2**31)):
    with target.connect() as connection:
        connection.send_bytes(struct.pack(">i", length) + b"\0" * 64)
        must_hang_up(connection, f"a frame of length {length}")
target.still_well("impossible lengths")

# A whole frame, but far too short for a request. One hundred times, since each costs a connection.
for payload in (b"", b"\0", b"\0\x12", b"\0\x12\0", b"\0\x12\0\0\0", b"\0\x12\0\0\0\0\0"):
    for _ in range(20):
        with target.connect() as connection:
            connection.send_bytes(frame(payload))
            must_hang_up(connection, f"a frame of {len(payload)} bytes")
target.still_well("frames shorter than a header")

# API keys and versions that nobody serves.
served = set(target.versions)
unknown = [key for key in (-1, 4, 5, 6, 7, 58, 999, 32767, -32768) if key not in served]
for key in unknown:
    with target.connect() as connection:
        connection.send_bytes(frame(struct.pack(">hhi", key, 0, 1) + b"\xff\xff" + b"\0" * 8))
        must_hang_up(connection, f"API key {key}")
target.still_well("unknown API keys")
for key, (low, high) in sorted(target.versions.items()):
    if key == 18:
        continue
    for version in {high + 1, 32767, -1, -32768}:
        with target.connect() as connection:
            connection.send_bytes(frame(struct.pack(">hhi", key, version, 1) + b"\xff\xff" + b"\0" * 8))
            must_hang_up(connection, f"API {key} version {version}")
target.still_well("unknown versions")

# ApiVersions is the exception: an unknown version is answered in version 0, with the versions to choose from,
# whatever its body looks like, and the connection stays usable.
for version in (6, 99, 32767):
    for body in (b"", b"\0", b"\xff" * 40, os.urandom(100)):
        with target.connect() as connection:
            # A header that says who asks (nobody) and has no tagged fields; then whatever the future may bring.
            connection.send_bytes(frame(struct.pack(">hhi", 18, version, 77) + b"\xff\xff\0" + body))
            kind, payload = answer_or_hang_up(connection, 10)
            same(f"ApiVersions v{version}", kind, "answer")
            answer = decode_response(APIS["ApiVersions"], 0, payload, 77)
            same("its error (UNSUPPORTED_VERSION)", answer["error_code"], 35)
            ranges = {entry["api_key"]: (entry["min_version"], entry["max_version"]) for entry in answer["api_keys"]}
            same("the range of ApiVersions is told", ranges.get(18), target.versions[18])
            same("and a good request follows", connection.versions(), target.versions)
target.still_well("ApiVersions from the future")

# A client name that is none: an error, in an answer of the version that was asked in.
for name in ("", "-bad", "a b", "x\n", "ü"):
    with target.connect() as connection:
        answer = connection.call("ApiVersions", 3, {"client_software_name": name})
        same(f"client name {name!r} (INVALID_REQUEST)", answer["error_code"], 42)
target.still_well("bad client names")

# Other protocols on the same port.
for greeting in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500),
                 b"SSH-2.0-OpenSSH_9.2\r\n", b"PING\r\n" * 10):
    with target.connect() as connection:
        connection.send_bytes(greeting)
        connection.socket.shutdown(1)
        must_hang_up(connection, f"{greeting[:10]!r}")
target.still_well("other protocols")

# Noise, framed and not.
chance = random.Random(7)
for size in (1, 10, 100, 1000, 10_000, 100_000):
    for framed in (False, True):
        for _ in range(10):
            noise = chance.randbytes(size)
            with target.connect() as connection:
                try:
                    connection.send_bytes(frame(noise) if framed else noise)
                    connection.socket.shutdown(1)
                except OSError:
                    # It has hung up while we were talking, as it may.
                    continue
                answer_or_hang_up(connection, 5)
target.still_well("noise")

# Slow and silent clients: hundreds of connections that begin a frame and say no more, or a byte now and then.
good = frame(encode_request(APIS["ApiVersions"], 0, {}))
waiting = []
for number in range(300):
    connection = target.connect()
    connection.send_bytes(struct.pack(">i", 1_000_000) if number % 2 else good[: number % len(good)])
    waiting.append(connection)
target.still_well("300 connections in the middle of a frame")
slow = target.connect()
for byte in good:
    slow.send_bytes(bytes([byte]))
    time.sleep(0.02)
kind, payload = answer_or_hang_up(slow, 10)
same("a good request byte by byte is answered", kind, "answer")
same("without error", decode_response(APIS["ApiVersions"], 0, payload, 1)["error_code"], 0)
slow.socket.close()
for connection in waiting:
    connection.socket.close()

# Connections that come and go, politely and not.
for number in range(500):
    connection = target.connect()
    if number % 2:
        connection.send_bytes(good)
    if number % 3 == 0:
        # A reset instead of an end.
        connection.socket.setsockopt(1, 13, struct.pack("ii", 1, 0))
    connection.socket.close()
target.still_well("500 connections that came and went")

# A client that asks and asks and never reads: it may not make the broker keep all the answers.
deaf = target.connect(timeout=3)
request = frame(encode_request(APIS["Metadata"], 1, {"topics": None})) * 1000
try:
    for _ in range(200):
        deaf.send_bytes(request)
except OSError:
    pass
target.still_well("a client that never reads")
deaf.socket.close()
target.finish()
