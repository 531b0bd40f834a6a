"""Which address clients are told: the one they came to, unless advertised.listeners says otherwise."""

import os
import socket
import subprocess

from client import Client
from one_shot import overrides, run
from stage import BrokerFailure, Stage, check, fail, passed, same


def told(address):
    """Every (host, port) that a client at this address is given, over all requests that give one."""
    with Client(address) as client:
        found = {"Metadata v8": client.brokers()}
        newest = client.call("Metadata", 12, {"topics": []})
        found["Metadata v12"] = [(entry["host"], entry["port"]) for entry in newest["brokers"]]
        cluster = client.call("DescribeCluster", 1)
        same("error of DescribeCluster", cluster["error_code"], 0)
        found["DescribeCluster"] = [(entry["host"], entry["port"]) for entry in cluster["brokers"]]
        old = client.find_coordinator("some-group")
        same("error of FindCoordinator", old["error_code"], 0)
        found["FindCoordinator v2"] = [(old["host"], old["port"])]
        new = client.call("FindCoordinator", 4, {"coordinator_keys": ["some-group"]})["coordinators"]
        found["FindCoordinator v4"] = [(entry["host"], entry["port"]) for entry in new]
    return found


def told_is(address, host, port):
    for request, answer in told(address).items():
        same(f"address in {request} at {address}", answer, [(host, port)])


def usable_through_kcat(address):
    """A client that follows what it is told gets its record back."""
    sent = subprocess.run(["kcat", "-P", "-b", address, "-t", "kcat"], input="value\n", capture_output=True, text=True, timeout=40)
    same(f"kcat's errors when producing through {address}", (sent.returncode, sent.stderr), (0, ""))
    got = subprocess.run(["kcat", "-C", "-b", address, "-t", "kcat", "-o", "-1", "-e", "-q"], capture_output=True, text=True, timeout=40)
    same(f"kcat's record through {address}", got.stdout, "value\n")


def several(stage):
    broker = stage.broker({
        "listeners": "INSIDE://127.0.0.1:0,OUTSIDE://127.0.0.1:0,PLAINTEXT://127.0.0.1:0",
        "listener.security.protocol.map": "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "inter.broker.listener.name": "INSIDE",
    })
    broker.start()
    same("listeners in the ready line", sorted(broker.listeners), ["INSIDE", "OUTSIDE", "PLAINTEXT"])
    ports = [port for _, port in broker.listeners.values()]
    same("different ports, all of them real", len(set(ports) - {0}), 3)
    for host, port in broker.listeners.values():
        told_is(f"{host}:{port}", host, port)
        usable_through_kcat(f"{host}:{port}")
    same("exit status", broker.stop(), 0)
    passed("several listeners")


def advertised(stage):
    broker = stage.broker({
        "listeners": "INSIDE://127.0.0.1:0,OUTSIDE://127.0.0.1:0,PLAIN://127.0.0.1:0",
        "listener.security.protocol.map": "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,PLAIN:PLAINTEXT",
        "inter.broker.listener.name": "INSIDE",
        "advertised.listeners": "OUTSIDE://broker.example:19092,INSIDE://10.1.2.3:9093",
    })
    broker.start()
    port = {name: port for name, (_, port) in broker.listeners.items()}
    told_is(f"127.0.0.1:{port['OUTSIDE']}", "broker.example", 19092)
    told_is(f"127.0.0.1:{port['INSIDE']}", "10.1.2.3", 9093)
    # A listener that advertised.listeners does not name goes on as if there were none.
    told_is(f"127.0.0.1:{port['PLAIN']}", "127.0.0.1", port["PLAIN"])
    same("exit status", broker.stop(), 0)
    changed = stage.broker({**broker.overrides, "advertised.listeners": "OUTSIDE://elsewhere.example:29092"}, name="broker-2")
    changed.start()
    told_is(f"127.0.0.1:{changed.listeners['OUTSIDE'][1]}", "elsewhere.example", 29092)
    same("exit status", changed.stop(), 0)
    wrong = run(*overrides({"log.dirs": stage.path("none"), "listeners": "PLAINTEXT://127.0.0.1:0",
                            "advertised.listeners": "NOWHERE://broker.example:1"}))
    same(f"status when a name is advertised that is no listener ({wrong})", (wrong.status, len(wrong.error_lines())), (1, 1))
    check("NOWHERE" in wrong.errors, f"the listener is not named: {wrong.errors}")
    passed("advertised.listeners")


def own_addresses():
    """Addresses of this machine that it can reach itself at."""
    found = ["127.0.0.1", "127.0.0.2"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing; asks which address would be used.
            probe.connect(("192.0.2.1", 9))
            found.append(probe.getsockname()[0])
        except OSError:
            pass
    return found


def wildcards(stage):
    """Bound to every interface: each client is told the address that it found the broker at."""
    for listeners in ("PLAINTEXT://0.0.0.0:0", "PLAINTEXT://:0"):
        broker = stage.broker({"listeners": listeners})
        broker.start()
        for host in own_addresses():
            told_is(f"{host}:{broker.port}", host, broker.port)
        usable_through_kcat(f"127.0.0.1:{broker.port}")
        same("exit status", broker.stop(), 0)
    # Somebody who asks for it gets a refusal (Kafka's answer) or a usable address, but never a wildcard.
    settings = {"listeners": "PLAINTEXT://0.0.0.0:0", "advertised.listeners": "PLAINTEXT://0.0.0.0:9092"}
    broker = stage.broker(settings)
    try:
        broker.start()
    except BrokerFailure:
        ended = run(*overrides({**settings, "log.dirs": broker.data_directory}))
        same(f"status when a wildcard is advertised ({ended})", (ended.status, len(ended.error_lines())), (1, 1))
        check("advertised.listeners" in ended.errors, f"the key is not named: {ended.errors}")
        passed("wildcards; advertising one is refused")
        return
    for request, answer in told(f"127.0.0.1:{broker.port}").items():
        for host, _ in answer:
            check(host not in ("0.0.0.0", "::", ""), f"{request} tells clients to connect to {host!r}")
    same("exit status", broker.stop(), 0)
    passed("wildcards; advertising one gives the address connected to")


def ipv6(stage):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        return f"no IPv6 here ({error})"
    broker = stage.broker({"listeners": "PLAINTEXT://[::1]:0"})
    broker.start()
    check("[::1]:" in broker.ready_line, f"the address is not in brackets: {broker.ready_line!r}")
    # The protocol carries the bare address; brackets are for texts with a port.
    told_is(f"::1:{broker.port}", "::1", broker.port)
    usable_through_kcat(f"[::1]:{broker.port}")
    same("exit status", broker.stop(), 0)
    broker = stage.broker({"listeners": "PLAINTEXT://[::]:0"})
    broker.start()
    told_is(f"::1:{broker.port}", "::1", broker.port)
    try:
        told_is(f"127.0.0.1:{broker.port}", "127.0.0.1", broker.port)
        both = "[::] takes IPv4 too"
    except ConnectionRefusedError:
        both = "[::] takes IPv6 only"
    same("exit status", broker.stop(), 0)
    return both


def one_port_for_two(stage):
    """Two listeners on one port cannot be."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ended = run(*overrides({
        "log.dirs": stage.path("none"), "listeners": f"ONE://127.0.0.1:{port},TWO://127.0.0.1:{port}",
        "listener.security.protocol.map": "ONE:PLAINTEXT,TWO:PLAINTEXT", "inter.broker.listener.name": "ONE"}))
    same(f"status of two listeners on one port ({ended})", ended.status, 1)
    check(str(port) in ended.errors, f"the port is not named: {ended.errors}")
    check(not os.path.exists(stage.path("none")), "a refused configuration has made a data directory")
    passed("two listeners on one port")


with Stage(seconds=110) as stage:
    if subprocess.run(["kcat", "-V"], capture_output=True).returncode:
        fail("kcat does not run")
    stage.step(several)
    stage.step(advertised)
    stage.step(wildcards)
    note = stage.step(ipv6)
    stage.step(one_port_for_two)
    print(f"figures: {note}")
