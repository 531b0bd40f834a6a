"""Reads every `client.json` and picks the scenarios that were asked for."""

import fnmatch
import json
import os

# What a scenario may ask of its broker.
#   control  a broker of its own, which it may stop, kill and start through BROKER_CONTROL
#   own      a broker of its own, which nobody else has touched
#   zurau    Zurau, since it asks for what Kafka is right not to do
NEEDS = {"control", "own", "zurau"}
SCENARIO_KEYS = {"name", "command", "quick", "long", "timeout_seconds", "needs", "overrides", "zurau_lacks", "about"}
CLIENT_KEYS = {"name", "version", "setup", "scenarios", "without", "older", "about"}
OLDER_KEYS = {"version", "ordinary", "without", "about"}

# How much of the suite a run takes; each extent contains the one before it.
QUICK, ORDINARY, LONG = range(3)


class BadDescription(Exception):
    """A client.json that the runner cannot obey; never passed over in silence."""


def refuse_unknown_fields(where, entry, known):
    unknown = set(entry) - known
    if unknown:
        raise BadDescription(f"{where} has unknown fields {sorted(unknown)}")


class Scenario:
    """One command of one client that passes by exiting with status 0."""

    def __init__(self, client, entry):
        where = f"{client.path}: scenario {entry.get('name')!r}"
        refuse_unknown_fields(where, entry, SCENARIO_KEYS)
        try:
            self.name = entry["name"]
            self.command = entry["command"]
        except KeyError as missing:
            raise BadDescription(f"{where} lacks {missing}") from None
        if not isinstance(self.command, list) or not self.command:
            raise BadDescription(f"{where}: command must be a list of words")
        if entry.get("quick") and entry.get("long"):
            raise BadDescription(f"{where} is both quick and long")
        self.client = client
        self.extent = QUICK if entry.get("quick") else LONG if entry.get("long") else ORDINARY
        # Why the client's release cannot run it, when it cannot.
        self.cannot = None
        # What of Kafka's it needs that Zurau does not have yet.
        self.zurau_lacks = entry.get("zurau_lacks")
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
    """The newest release that a client.json describes."""

    def __init__(self, path, entry):
        refuse_unknown_fields(path, entry, CLIENT_KEYS)
        self.path = path
        self.folder = os.path.dirname(path)
        self.name = entry.get("name") or os.path.basename(self.folder)
        # Text, or a command whose last line says it, for what the system installs.
        self.version = entry.get("version")
        setup = entry.get("setup")
        # A string is a shell command, a list is taken word by word.
        self.setup = ["bash", "-c", setup] if isinstance(setup, str) else setup
        self.scenarios = [Scenario(self, scenario) for scenario in entry.get("scenarios", [])]
        if not self.scenarios:
            raise BadDescription(f"{path} has no scenarios")
        self.leave_out(entry.get("without", {}))

    def leave_out(self, without):
        """Scenarios that the release cannot run, with the reasons."""
        unknown = set(without) - {scenario.name for scenario in self.scenarios}
        if unknown:
            raise BadDescription(f"{self.path}: release {self.version} names unknown scenarios {sorted(unknown)}")
        for scenario in self.scenarios:
            scenario.cannot = without.get(scenario.name)

    @property
    def environment(self):
        """What its setup and its scenarios learn about the release that they are to use."""
        return {"CLIENT_VERSION": self.version} if isinstance(self.version, str) else {}


class OlderRelease(Client):
    """An older release that people still run, with the scenarios of the newest one.

    Its scenarios are for the long run, but for those that are named as ordinary.
    """

    def __init__(self, path, entry, older):
        super().__init__(path, {**entry, "without": {}})
        refuse_unknown_fields(f"{path}: older release", older, OLDER_KEYS)
        if not isinstance(older.get("version"), str):
            raise BadDescription(f"{path}: an older release lacks its version")
        self.version = older["version"]
        self.name = f"{self.name}-{self.version}"
        self.leave_out(older.get("without", {}))
        ordinary = set(older.get("ordinary", []))
        unknown = ordinary - {scenario.name for scenario in self.scenarios}
        if unknown:
            raise BadDescription(f"{path}: release {self.version} names unknown scenarios {sorted(unknown)}")
        for scenario in self.scenarios:
            if scenario.name not in ordinary:
                scenario.extent = LONG


def releases(path):
    """The clients that one client.json describes: its newest release and the older ones."""
    try:
        with open(path) as file:
            entry = json.load(file)
    except (OSError, ValueError) as error:
        raise BadDescription(f"{path}: {error}") from None
    return [Client(path, entry)] + [OlderRelease(path, entry, older) for older in entry.get("older", [])]


def find_clients(root):
    """Every client, in the order of their names: those in clients/ and those in folders beside it."""
    clients = []
    for folder in (os.path.join(root, "clients"), root):
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name, "client.json")
            if os.path.isfile(path):
                clients += releases(path)
    names = [scenario.full_name for client in clients for scenario in client.scenarios]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadDescription(f"scenarios described twice: {twice}")
    return clients


def choose(clients, wanted, extent):
    """The scenarios to run. `wanted` are client names, scenario names, client/scenario, or patterns of those."""
    chosen = []
    unused = set(wanted)
    for client in clients:
        for scenario in client.scenarios:
            names = (client.name, scenario.name, scenario.full_name)
            hits = {word for word in wanted if any(fnmatch.fnmatch(name, word) for name in names)}
            unused -= hits
            # A scenario that was named runs whatever the extent.
            named = any(word not in (client.name,) for word in hits)
            if wanted and not hits:
                continue
            if scenario.extent > extent and not named:
                continue
            chosen.append(scenario)
    if unused:
        raise BadDescription(f"no client or scenario is called {', '.join(sorted(unused))}")
    return chosen
