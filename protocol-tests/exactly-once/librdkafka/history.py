"""A worker's history: one JSON object a line, written at once so that it outlives a SIGKILL. See checker/events.py."""

import json
import os
import threading
import time


class History:
    def __init__(self, directory, worker, run):
        self._file = os.open(os.path.join(directory, f"{worker}.{run}.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._lock = threading.Lock()

    def write(self, event, **fields):
        with self._lock:
            line = json.dumps({"t": time.monotonic_ns(), "e": event, **fields}, separators=(",", ":"))
            os.write(self._file, line.encode() + b"\n")
