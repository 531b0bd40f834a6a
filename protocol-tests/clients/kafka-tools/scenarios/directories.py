"""kafka-reassign-partitions between the log directories of a broker, to the end: generate, execute, verify, list, cancel."""

import json
import sys
import time

from tools import PREFIX, Tools, in_file

TOPIC = PREFIX + "t"
PARTITIONS = 4


def places(tools):
    """The directory of each partition, and the two that there are. A replica that is on its way is in neither."""
    told = tools.call("log-dirs", "--describe", "--topic-list", TOPIC, "--broker-list", 1)
    found, moving, paths = {}, False, []
    for directory in json.loads(told.lines[-1])["brokers"][0]["logDirs"]:
        if directory["error"]:
            told.fail("has an error")
        paths.append(directory["logDir"])
        for replica in directory["partitions"]:
            moving |= replica["isFuture"]
            if not replica["isFuture"]:
                found[replica["partition"]] = directory["logDir"]
    return found, moving, sorted(paths)


def plan(name, where):
    rows = [{"topic": TOPIC, "partition": number, "replicas": [1], "log_dirs": [path]} for number, path in enumerate(where)]
    return in_file(name, {"version": 1, "partitions": rows})


def wait_until_there(tools, where):
    wanted = {f"{TOPIC}-{number}": path for number, path in enumerate(where)}
    deadline = time.monotonic() + 60
    while True:
        found, moving, _ = places(tools)
        if found == wanted and not moving:
            return
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: the replicas are in {found} and not in {wanted}")


def move(tools, name, where, *more):
    """Executes a plan and verifies it to its end."""
    file = plan(name, where)
    told = tools.call("reassign-partitions", "--reassignment-json-file", file, "--execute", *more)
    told.has("Successfully started partition reassignments for",
             *(f"Successfully started moving log directory to {path} for replica {TOPIC}-{number} with broker 1"
               for number, path in enumerate(where)))
    wait_until_there(tools, where)
    told = tools.call("reassign-partitions", "--reassignment-json-file", file, "--verify")
    told.has(*(f"^Reassignment of partition {TOPIC}-{number} is completed" for number in range(len(where))),
             *(f"^Reassignment of replica {TOPIC}-{number}-1 completed successfully" for number in range(len(where))),
             "^Clearing broker-level throttles on broker 1", f"^Clearing topic-level throttles on topic {TOPIC}")
    return file


def generate(tools):
    topics = in_file("topics.json", {"version": 1, "topics": [{"topic": TOPIC}]})
    told = tools.call("reassign-partitions", "--topics-to-move-json-file", topics, "--broker-list", 1, "--generate")
    current = json.loads(told.lines[told.lines.index("Current partition replica assignment") + 1])
    proposed = json.loads(told.lines[told.lines.index("Proposed partition reassignment configuration") + 1])
    for assignment in (current, proposed):
        if [row["replicas"] for row in assignment["partitions"]] != [[1]] * PARTITIONS:
            told.fail("does not place each partition on broker 1")
    # What is proposed can be executed: nothing has to move.
    file = in_file("proposed.json", proposed)
    told = tools.call("reassign-partitions", "--reassignment-json-file", file, "--execute")
    told.has("Successfully started partition reassignments for")
    tools.call("reassign-partitions", "--reassignment-json-file", file, "--verify").has(f"{TOPIC}-0 is completed")


def refusals(tools):
    def execute(name, topic, replicas):
        rows = [{"topic": topic, "partition": 0, "replicas": replicas, "log_dirs": ["any"] * len(replicas)}]
        file = in_file(name, {"version": 1, "partitions": rows})
        return tools.call("reassign-partitions", "--reassignment-json-file", file, "--execute", status=1)

    execute("missing.json", PREFIX + "missing", [1]).warns("not found")
    execute("broker.json", TOPIC, [2]).warns("Unknown broker id 2")
    execute("doubled.json", TOPIC, [1, 1]).warns("duplicate")
    execute("empty.json", TOPIC, []).warns("empty")


def main():
    with Tools() as tools:
        tools.call("topics", "--create", "--topic", TOPIC, "--partitions", PARTITIONS)
        tools.call("console-producer", "--topic", TOPIC, given="".join(f"value {number}\n" for number in range(100)))
        before, _, (one, two) = places(tools)
        if sorted(set(before.values())) != [one, two]:
            sys.exit(f"FAILED: the partitions are not spread over the directories: {before}")
        tools.call("reassign-partitions", "--list").is_exactly("No partition reassignments found.")
        generate(tools)
        move(tools, "to-one.json", [one] * PARTITIONS)
        move(tools, "to-two.json", [two] * PARTITIONS)
        mixed = [one, two, one, two]
        file = move(tools, "mixed.json", mixed, "--additional", "--replica-alter-log-dirs-throttle", "100000000")
        tools.call("reassign-partitions", "--reassignment-json-file", file, "--cancel").has(
            "^None of the specified partition reassignments are active.", "^None of the specified partition moves are active.")
        tools.call("reassign-partitions", "--list").is_exactly("No partition reassignments found.")
        refusals(tools)
        told = tools.call("console-consumer", "--topic", TOPIC, "--from-beginning", "--max-messages", 100, "--timeout-ms", 20000)
        if sorted(told.lines) != sorted(f"value {number}" for number in range(100)):
            told.fail("does not give back what was written")


if __name__ == "__main__":
    main()
