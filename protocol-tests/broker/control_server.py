"""Lets a scenario drive its broker: a Unix socket that takes one word and answers one line of JSON."""

import json
import os
import socket
import threading
import time

from .process import BrokerFailure


class ControlServer:
    """Serves the words of `broker/control` for one broker until closed."""

    def __init__(self, broker, socket_path):
        self.broker = broker
        self.path = socket_path
        self.failure = None
        # True while the scenario itself has taken the broker down.
        self.down_on_purpose = False
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(socket_path)
        self._listener.listen(8)
        self._lock = threading.Lock()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._listener.close()
        if os.path.exists(self.path):
            os.unlink(self.path)

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection:
            word = connection.makefile("r").readline().strip()
            began = time.monotonic()
            try:
                # One order at a time: a kill during a start is not a test, it is a muddle.
                with self._lock:
                    answer = self._obey(word)
                answer.setdefault("seconds", round(time.monotonic() - began, 4))
            except BrokerFailure as failure:
                self.failure = str(failure)
                answer = {"error": str(failure), "log": self.broker.log_tail(20)}
            try:
                connection.sendall((json.dumps(answer) + "\n").encode())
            except OSError:
                pass

    def _obey(self, word):
        broker = self.broker
        if word == "start":
            self._must_not_have_died()
            seconds = broker.start()
            self.down_on_purpose = False
            return {"pid": broker.pid, "bootstrap": broker.bootstrap, "seconds": round(seconds, 4)}
        if word == "stop":
            self._must_not_have_died()
            self.down_on_purpose = True
            return {"status": broker.stop()}
        if word == "kill9":
            self._must_not_have_died()
            self.down_on_purpose = True
            broker.kill9()
            return {}
        if word == "restart":
            self._must_not_have_died()
            status = broker.stop()
            return {"status": status, "pid": None, **self._obey_start()}
        if word == "status":
            return {
                "alive": broker.alive(),
                "pid": broker.pid,
                "bootstrap": broker.bootstrap,
                "kind": broker.name,
                "directory": broker.directory,
                "data_directory": broker.data_directory,
                "log": broker.log_path,
            }
        return {"error": f"unknown order {word!r}: start, stop, restart, kill9 or status"}

    def _obey_start(self):
        seconds = self.broker.start()
        return {"pid": self.broker.pid, "bootstrap": self.broker.bootstrap, "seconds": round(seconds, 4)}

    def _must_not_have_died(self):
        """An order to a broker that fell over by itself must not hide that it did."""
        if self.broker.process is not None and not self.broker.alive():
            status = self.broker.process.returncode
            raise BrokerFailure(f"{self.broker.name} died by itself with status {status}")
