"""Reads every `client.json` and picks the scenarios that were asked for."""

import fnmatch
import json
import os

# What a scenario may ask of its broker.
#   control  a broker of its own, which it may stop, kill and start through BROKER_CONTROL
#   own      a broker of its own, which nobody else has touched
#   zurau    Zurau, since it asks for what Kafka is right not to do
NEEDS = {"control", "own", "zurau"}
SCENARIO_KEYS = {"name", "command", "quick", "timeout_seconds", "needs", "overrides", "about"}
CLIENT_KEYS = {"name", "setup", "scenarios", "about"}


class BadDescription(Exception):
    """A client.json that the runner cannot obey; never passed over in silence."""


class Scenario:
    """One command of one client that passes by exiting with status 0."""

    def __init__(self, client, entry):
        where = f"{client.path}: scenario {entry.get('name')!r}"
        unknown = set(entry) - SCENARIO_KEYS
        if unknown:
            raise BadDescription(f"{where} has unknown fields {sorted(unknown)}")
        try:
            self.name = entry["name"]
            self.command = entry["command"]
        except KeyError as missing:
            raise BadDescription(f"{where} lacks {missing}") from None
        if not isinstance(self.command, list) or not self.command:
            raise BadDescription(f"{where}: command must be a list of words")
        self.client = client
        self.quick = bool(entry.get("quick", False))
        self.timeout_seconds = float(entry.get("timeout_seconds", 120))
        needs = entry.get("needs") or []
        self.needs = {needs} if isinstance(needs, str) else set(needs)
        if self.needs - NEEDS:
            raise BadDescription(f"{where} needs {sorted(self.needs - NEEDS)}; known are {sorted(NEEDS)}")
        # Broker settings that differ from the shared broker's.
        self.overrides = {key: str(value) for key, value in (entry.get("overrides") or {}).items()}

    @property
    def full_name(self):
        return f"{self.client.name}/{self.name}"

    @property
    def wants_own_broker(self):
        return bool(self.overrides) or bool(self.needs & {"control", "own"})


class Client:
    """A folder with a client.json."""

    def __init__(self, path):
        self.path = path
        self.folder = os.path.dirname(path)
        try:
            with open(path) as file:
                entry = json.load(file)
        except (OSError, ValueError) as error:
            raise BadDescription(f"{path}: {error}") from None
        unknown = set(entry) - CLIENT_KEYS
        if unknown:
            raise BadDescription(f"{path} has unknown fields {sorted(unknown)}")
        self.name = entry.get("name") or os.path.basename(self.folder)
        setup = entry.get("setup")
        # A string is a shell command, a list is taken word by word.
        self.setup = ["bash", "-c", setup] if isinstance(setup, str) else setup
        self.scenarios = [Scenario(self, scenario) for scenario in entry.get("scenarios", [])]
        if not self.scenarios:
            raise BadDescription(f"{path} has no scenarios")


def find_clients(root):
    """Every client, in the order of their names: those in clients/ and those in folders beside it."""
    paths = []
    for folder in (os.path.join(root, "clients"), root):
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name, "client.json")
            if os.path.isfile(path):
                paths.append(path)
    clients = [Client(path) for path in paths]
    names = [scenario.full_name for client in clients for scenario in client.scenarios]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadDescription(f"scenarios described twice: {twice}")
    return clients


def choose(clients, wanted, quick_only):
    """The scenarios to run. `wanted` are client names, scenario names, client/scenario, or patterns of those."""
    chosen = []
    unused = set(wanted)
    for client in clients:
        for scenario in client.scenarios:
            names = (client.name, scenario.name, scenario.full_name)
            hits = {word for word in wanted if any(fnmatch.fnmatch(name, word) for name in names)}
            unused -= hits
            # A scenario that was named runs even when it is not quick.
            named = any(word not in (client.name,) for word in hits)
            if wanted and not hits:
                continue
            if quick_only and not scenario.quick and not named:
                continue
            chosen.append(scenario)
    if unused:
        raise BadDescription(f"no client or scenario is called {', '.join(sorted(unused))}")
    return chosen
