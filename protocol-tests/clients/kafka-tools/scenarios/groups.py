"""Groups of both protocols, with members and without: what there is to see of them and to change in them."""

import os
import re
import subprocess
import sys

from tools import BOOTSTRAP, PREFIX, WORK, Tools, in_file

TOPIC = PREFIX + "t"
OTHER = PREFIX + "other"
CLASSIC = PREFIX + "classic"
CONSUMER = PREFIX + "consumer"
MIXED = PREFIX + "mixed"
BY_HAND = PREFIX + "by-hand"
RECORDS = 41


class Members:
    """Consumers in a Java machine of their own."""

    def __init__(self, classpath):
        words = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                 "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", classpath, "zurau.tools.Members", BOOTSTRAP]
        self.java = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self, group, topic, partitions, **settings):
        words = [group, topic, str(partitions)] + [f"{key.replace('_', '.')}={value}" for key, value in settings.items()]
        self.java.stdin.write(" ".join(words) + "\n")
        self.java.stdin.flush()
        self.hears("settled")

    def hears(self, wanted):
        line = self.java.stdout.readline().strip()
        if line != wanted:
            sys.exit(f"FAILED: a member says {line or 'nothing'} and not {wanted}")

    def end(self):
        self.java.stdin.write("end\n")
        self.java.stdin.flush()
        self.hears("ended")
        self.java.wait(30)


def listing(tools):
    """By state, by type, and by both."""
    tools.call("consumer-groups", "--list").has(*(f"^{group}$" for group in (CLASSIC, CONSUMER, MIXED, BY_HAND)))
    told = tools.call("consumer-groups", "--list", "--state")
    told.has(rf"^{CLASSIC} +Stable *$", rf"^{CONSUMER} +Stable *$", rf"^{MIXED} +Stable *$", rf"^{BY_HAND} +Empty *$")
    told = tools.call("consumer-groups", "--list", "--type")
    told.has(rf"^{CLASSIC} +Classic *$", rf"^{CONSUMER} +Consumer *$", rf"^{MIXED} +Consumer *$", rf"^{BY_HAND} +Classic *$")
    tools.call("consumer-groups", "--list", "--type", "--state").has(rf"^{CONSUMER} +Consumer +Stable *$")
    found = tools.call("consumer-groups", "--list", "--type", "consumer").lines[1:]
    same("groups of the consumer protocol", sorted(line.split()[0] for line in found), [CONSUMER, MIXED])
    found = tools.call("consumer-groups", "--list", "--type", "classic", "--state", "stable").lines[1:]
    same("classic groups with members", sorted(line.split()[0] for line in found), [CLASSIC])
    found = tools.call("consumer-groups", "--list", "--state", "Empty,Dead").lines[1:]
    same("groups without members", sorted(line.split()[0] for line in found), [BY_HAND])
    tools.call("consumer-groups", "--list", "--type", "nonsense", status=1).warns("Invalid types list|nonsense")
    tools.call("consumer-groups", "--list", "--state", "nonsense", status=1).warns("Invalid state list|nonsense")
    told = tools.call("groups", "--list")
    told.has(rf"^{CLASSIC} +Classic +consumer", rf"^{CONSUMER} +Consumer +consumer", rf"^{BY_HAND} +Classic")
    told = tools.call("groups", "--list", "--group-type", "consumer")
    same("groups of the tool for all kinds", sorted(line.split()[0] for line in told.lines[1:]), [CONSUMER, MIXED])
    tools.call("groups", "--list", "--consumer").has(f"^{CLASSIC} ", f"^{CONSUMER} ")


def same(what, got, wanted):
    if got != wanted:
        sys.exit(f"FAILED: {what}: {got}, wanted {wanted}")


def rows(said, group):
    return [line.split() for line in said.lines if line.split()[0] == group]


def describing(tools):
    for group in (CLASSIC, CONSUMER, MIXED):
        describe = ("consumer-groups", "--describe", "--group", group)
        # Members commit five times a second.
        tools.shows_lag_of_zero(describe)
        found = rows(tools.call(*describe, "--offsets"), group)
        same(f"end of the partitions of {group}", sum(int(row[4]) for row in found), RECORDS)
        told = tools.call(*describe, "--members")
        same(f"members of {group}", sum(int(row[-1]) for row in rows(told, group)), 4)
    describe = ("consumer-groups", "--describe", "--group", CONSUMER)
    tools.call(*describe, "--offsets", "--verbose").has("LEADER-EPOCH", rf"^{CONSUMER} +{TOPIC} +0 ")
    told = tools.call(*describe, "--members", "--verbose").has("CURRENT-EPOCH +CURRENT-ASSIGNMENT +TARGET-EPOCH +TARGET-ASSIGNMENT")
    told.has(rf"^{CONSUMER} +\S+ +i1 +/127\.0\.0\.1 .* {TOPIC}:\S+ .* {TOPIC}:\S+")
    told = tools.call(*describe, "--state")
    told.has(r"ASSIGNMENT-STRATEGY +STATE +#MEMBERS", rf"^{CONSUMER} .* uniform +Stable +2 *$")
    tools.call(*describe, "--state", "--verbose").has("GROUP-EPOCH +TARGET-ASSIGNMENT-EPOCH", rf"^{CONSUMER} .* uniform +Stable +(\d+) +\1 +2 *$")
    told = tools.call("consumer-groups", "--describe", "--group", CLASSIC, "--members", "--verbose")
    told.has(rf"^{CLASSIC} +\S+ +/127\.0\.0\.1 .* {TOPIC}:\S+")
    tools.call("consumer-groups", "--describe", "--group", CLASSIC, "--state").has(rf"^{CLASSIC} .* range +Stable +2 *$")
    told = tools.call("consumer-groups", "--describe", "--group", MIXED, "--members", "--verbose").has("UPGRADED")
    same("which members are of the new protocol", sorted(row[-1] for row in rows(told, MIXED)), ["false", "true"])
    tools.call("consumer-groups", "--describe", "--all-groups", "--state").has(f"^{CLASSIC} ", f"^{CONSUMER} ", f"^{MIXED} ", f"^{BY_HAND} ")
    tools.call("consumer-groups", "--describe", "--all-groups", "--members").has(f"^{CLASSIC} ", f"^{CONSUMER} ", f"^{MIXED} ")


def changing_with_members(tools):
    """What is refused while somebody is there."""
    for group in (CLASSIC, CONSUMER):
        told = tools.call("consumer-groups", "--reset-offsets", "--group", group, "--topic", TOPIC, "--to-earliest", "--execute", status=None)
        told.warns(f"'{group}' is not (inactive|empty)|current state is Stable")
        told = tools.call("consumer-groups", "--delete-offsets", "--group", group, "--topic", TOPIC)
        told.warns("subscribed|GroupSubscribedToTopic")
        tools.call("consumer-groups", "--delete", "--group", group, status=None).warns("could not be deleted", "not empty")


def settings(tools):
    """Sessions and heartbeats of one group."""
    group = ("--entity-type", "groups", "--entity-name", CONSUMER)
    tools.call("configs", "--alter", *group, "--add-config", "consumer.session.timeout.ms=7000,consumer.heartbeat.interval.ms=500").is_exactly(
        f"Completed updating config for group {CONSUMER}.")
    shown = ("configs", "--describe", *group)
    tools.shows_change(shown, "^  consumer.session.timeout.ms=7000 sensitive=false synonyms={DYNAMIC_GROUP_CONFIG:consumer.session.timeout.ms=7000",
                       "^  consumer.heartbeat.interval.ms=500 ")
    tools.call("configs", "--describe", "--entity-type", "groups").has(f"^Dynamic configs for group {CONSUMER} are:")
    tools.call("configs", "--describe", "--all", *group).has("^  consumer.assignment.interval.ms=1000 ")
    tools.call("configs", "--alter", *group, "--add-config", "consumer.session.timeout.ms=999999", status=1).warns("consumer.session.timeout.ms")
    tools.call("configs", "--alter", *group, "--add-config", "consumer.nonsense=1", status=1).warns("consumer.nonsense")
    tools.call("configs", "--alter", *group, "--delete-config", "consumer.session.timeout.ms,consumer.heartbeat.interval.ms")
    # By another name for the same.
    tools.call("configs", "--alter", "--group", CONSUMER, "--add-config", "consumer.heartbeat.interval.ms=400")
    tools.shows_change(("configs", "--describe", "--group", CONSUMER), "^  consumer.heartbeat.interval.ms=400 ")
    tools.call("configs", "--alter", "--group", CONSUMER, "--delete-config", "consumer.heartbeat.interval.ms")


def resetting(tools, group):
    """Every method, as a dry run that changes nothing, and in earnest."""
    ends = {int(line.split(":")[1]): int(line.split(":")[2]) for line in tools.call("get-offsets", "--topic", TOPIC).lines}
    reset = ("consumer-groups", "--reset-offsets", "--group", group, "--topic", TOPIC)

    def committed():
        told = tools.call("consumer-groups", "--describe", "--group", group, "--offsets")
        return {int(row[2]): int(row[3]) for row in rows(told, group) if row[3] != "-"}

    def becomes(wanted, *method):
        before = committed()
        said = tools.call(*reset, *method, "--dry-run")
        same(f"a dry run of {method}", {int(row[2]): int(row[3]) for row in rows(said, group)}, wanted)
        same(f"what is committed after a dry run of {method}", committed(), before)
        said = tools.call(*reset, *method, "--execute")
        same(f"{method}", {int(row[2]): int(row[3]) for row in rows(said, group)}, wanted)
        same(f"what is committed after {method}", committed(), wanted)

    zero = dict.fromkeys(ends, 0)
    becomes(zero, "--to-earliest")
    becomes(ends, "--to-latest")
    becomes({partition: min(3, end) for partition, end in ends.items()}, "--to-offset", 3)
    becomes({partition: min(5, end) for partition, end in ends.items()}, "--shift-by", 2)
    becomes({partition: max(min(5, end) - 4, 0) for partition, end in ends.items()}, "--shift-by", -4)
    becomes({partition: max(min(5, end) - 4, 0) for partition, end in ends.items()}, "--to-current")
    becomes(zero, "--to-datetime", "2020-01-01T00:00:00.000")
    becomes(ends, "--to-datetime", "2090-01-01T00:00:00.000Z")
    becomes(zero, "--by-duration", "P100D")
    # What is exported can be taken back later.
    exported = tools.call(*reset, "--to-offset", 2, "--export", "--dry-run")
    plan = {partition: min(2, end) for partition, end in ends.items()}
    same("what is exported", sorted(exported.lines), sorted(f"{TOPIC},{partition},{offset}" for partition, offset in plan.items()))
    becomes(plan, "--from-file", in_file("plan.csv", "".join(f"{TOPIC},{p},{o}\n" for p, o in plan.items())))
    # Some partitions, all topics, all groups.
    said = tools.call("consumer-groups", "--reset-offsets", "--group", group, "--topic", f"{TOPIC}:0,1", "--to-latest", "--execute")
    same("some partitions", {int(row[2]): int(row[3]) for row in rows(said, group)}, {0: ends[0], 1: ends[1]})
    tools.call("consumer-groups", "--reset-offsets", "--group", group, "--all-topics", "--to-earliest", "--execute").has(rf"^{group} +{TOPIC} +3 +0 *$")
    tools.call("consumer-groups", "--reset-offsets", "--all-groups", "--all-topics", "--to-earliest", "--dry-run").has(f"^{group} ", f"^{BY_HAND} ")
    tools.call(*reset, "--to-offset", 10**9, "--execute")
    same("an offset behind the end is the end", committed(), ends)
    tools.call("consumer-groups", "--reset-offsets", "--group", group, "--topic", PREFIX + "missing", "--to-earliest", "--execute", status=None).warns("does not host this topic-partition")


def deleting(tools, group):
    told = tools.call("consumer-groups", "--delete-offsets", "--group", group, "--topic", f"{TOPIC}:0")
    told.has(rf"^{TOPIC} +0 +Successful")
    found = rows(tools.call("consumer-groups", "--describe", "--group", group, "--offsets"), group)
    same("partitions with offsets", sorted(int(row[2]) for row in found if row[3] != "-"), [1, 2, 3])
    tools.call("consumer-groups", "--delete-offsets", "--group", group, "--topic", OTHER)
    tools.call("consumer-groups", "--delete", "--group", group).is_exactly(f"Deletion of requested consumer groups ('{group}') was successful.")
    tools.call("consumer-groups", "--describe", "--group", group).has("GroupIdNotFoundException|does not exist")
    tools.call("consumer-groups", "--delete", "--group", group, status=None).has("could not be deleted")


class GroupTools(Tools):
    def shows_lag_of_zero(self, describe):
        found = self.until(describe, lambda said: all(row[5] == "0" for row in rows(said, describe[-1])))
        same(f"partitions of {describe[-1]}", len(rows(found, describe[-1])), 4)

    def until(self, call, holds):
        for _ in range(60):
            said = self.call(*call)
            if holds(said):
                return said
        return said.fail("does not become what it should")


def main():
    with GroupTools() as tools:
        classpath = subprocess.run([os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "setup"), "--print"],
                                   check=True, capture_output=True, text=True).stdout.strip()
        for topic in (TOPIC, OTHER):
            tools.call("topics", "--create", "--topic", topic, "--partitions", 4)
        keyed = ("--reader-property", "parse.key=true", "--reader-property", "key.separator=:")
        tools.call("console-producer", "--topic", TOPIC, *keyed, given="".join(f"k{number}:v{number}\n" for number in range(RECORDS)))
        members = Members(classpath)
        quick = {"heartbeat_interval_ms": 300, "partition_assignment_strategy": "org.apache.kafka.clients.consumer.RangeAssignor"}
        members.begin(CLASSIC, TOPIC, 4, **quick)
        members.begin(CLASSIC, TOPIC, 2, **quick)
        members.begin(CONSUMER, TOPIC, 4, group_protocol="consumer", group_instance_id="i1")
        members.begin(CONSUMER, TOPIC, 2, group_protocol="consumer")
        members.begin(MIXED, TOPIC, 4, **quick)
        members.begin(MIXED, TOPIC, 2, group_protocol="consumer")
        tools.call("console-consumer", "--topic", TOPIC, "--group", BY_HAND, "--from-beginning", "--max-messages", RECORDS, "--timeout-ms", 20000)
        listing(tools)
        describing(tools)
        changing_with_members(tools)
        settings(tools)
        members.end()
        for group in (CLASSIC, CONSUMER):
            state = ("consumer-groups", "--describe", "--group", group, "--state")
            # A static member is away and not gone.
            if group == CONSUMER:
                tools.until(state, lambda said: re.search(" (Empty +0|Reconciling +1|Stable +1|Assigning +1) *$", said.output, re.MULTILINE))
                tools.until(state, lambda said: re.search(" Empty +0 *$", said.output, re.MULTILINE))
            else:
                tools.until(state, lambda said: re.search(" Empty +0 *$", said.output, re.MULTILINE))
            resetting(tools, group)
            deleting(tools, group)
    print(f"the work directory is {WORK}")


if __name__ == "__main__":
    sys.exit(main())
