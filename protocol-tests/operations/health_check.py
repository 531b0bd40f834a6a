"""The image's health check asks where the broker is configured to listen, whatever says so."""

import os
import signal
import socket
import subprocess

from stage import Stage, binary, check, passed, same

SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "scripts", "docker-healthcheck")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def asked(*arguments):
    """(status, what it said)."""
    path = os.path.dirname(binary()) + os.pathsep + os.environ["PATH"]
    done = subprocess.run(["bash", SCRIPT, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=30, env={**os.environ, "PATH": path})
    return done.returncode, done.stdout.strip()


def answers(broker, port, host="127.0.0.1"):
    same(f"health at port {port}", asked(broker.process.pid), (0, f"{host} port {port} answers"))


def configured_anywhere(stage):
    port = free_port()
    listeners = f"CONTROLLER://:{free_port()},PLAINTEXT://0.0.0.0:{port}"
    controller = {"controller.listener.names": "controller",
                  "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"}
    variables = {"KAFKA_LISTENERS": listeners}
    path = stage.path("some.properties")
    with open(path, "w") as file:
        file.write(f"listeners=PLAINTEXT://:{port}\n")
    ways = [
        stage.broker({"listeners": listeners, **controller}),
        stage.broker({"listeners": None, **controller}, environment=variables),
        stage.broker({"listeners": None}, arguments=[path]),
        stage.broker({"listeners": None}, arguments=["--config", path]),
        stage.broker({"listeners": f"PLAINTEXT://localhost:{port}"}),
    ]
    for broker in ways:
        broker.start()
        answers(broker, port, "localhost" if broker is ways[-1] else "127.0.0.1")
        same("exit status", broker.stop(), 0)
    passed("the port that is configured")


def not_healthy(stage):
    port = free_port()
    broker = stage.broker({"listeners": f"PLAINTEXT://127.0.0.1:{port}"})
    broker.start()
    answers(broker, port)
    pid = broker.process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        same("health of a broker that stands still", asked(pid), (1, f"nothing answers at 127.0.0.1 port {port}"))
    finally:
        os.kill(pid, signal.SIGCONT)
    answers(broker, port)
    same("exit status", broker.stop(), 0)
    status, said = asked(pid)
    check(status != 0, f"a broker that has ended is healthy: {said}")
    passed("a broker that does not answer")


with Stage(seconds=60) as stage:
    stage.step(configured_anywhere)
    stage.step(not_healthy)
