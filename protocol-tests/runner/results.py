"""What came of each scenario, as a file that another program reads."""

import json


class Results:
    """Rows of client, version, scenario, result, seconds and broker, in the order in which they came."""

    def __init__(self, broker):
        self.broker = broker
        self.rows = []
        self._versions = {}

    def note_version(self, client_name, version):
        self._versions[client_name] = version

    def add(self, full_name, result, seconds, note):
        """`result` is pass, fail or skip; the note says why, or holds the scenario's figures."""
        client, _, scenario = full_name.partition("/")
        self.rows.append({
            "client": client,
            "scenario": scenario,
            "result": result,
            "seconds": round(seconds, 1),
            "broker": self.broker,
            "note": note,
        })

    def write(self, path):
        # A client may say its version only after its first rows: a scenario that is skipped needs no setup.
        rows = [{**row, "version": self._versions.get(row["client"])} for row in self.rows]
        with open(path, "w") as file:
            json.dump(rows, file, indent=1)
            file.write("\n")


def read(path):
    with open(path) as file:
        return json.load(file)
