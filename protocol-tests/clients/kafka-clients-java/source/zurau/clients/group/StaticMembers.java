package zurau.clients.group;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Members with a group.instance.id keep their place over a restart. */
public final class StaticMembers {
    private StaticMembers() {
    }

    public static void restartWithoutRebalance(Broker broker) throws Exception {
        String topic = broker.name("topic");
        String group = broker.name("group");
        broker.createTopic(topic, 6);
        Traffic traffic = new Traffic(broker, topic);
        List<Member> members = new ArrayList<>();
        for (String instance : List.of("a", "b", "c")) {
            members.add(join(broker, group, topic, instance, traffic));
        }
        Rebalances.awaitBalance(members);
        Expect.within(Duration.ofSeconds(20), "one generation",
            () -> members.stream().map(Member::generation).distinct().count() == 1);
        int generation = members.get(0).generation();
        expectInstances(broker, group);

        // One of the three leads the group, and it must not matter which one restarts.
        for (int index = 0; index < members.size(); index++) {
            Member before = members.get(index);
            Set<Integer> partitions = before.assignment();
            List<List<Member.Event>> others = new ArrayList<>();
            for (Member member : members) {
                others.add(member.events());
            }
            before.close();
            Member after = join(broker, group, topic, before.name, traffic);
            members.set(index, after);
            Expect.within(Duration.ofSeconds(20), before.name + " has its partitions back",
                () -> after.assignment().equals(partitions));
            // Long enough for heartbeats to bring the news of a rebalance, if there were one.
            Thread.sleep(1000);
            for (int other = 0; other < members.size(); other++) {
                Expect.equal(generation, members.get(other).generation(), "generation of " + members.get(other).name);
                if (other != index) {
                    Expect.equal(others.get(other), members.get(other).events(),
                        "events of " + members.get(other).name + " over the restart of " + before.name);
                }
            }
        }
        traffic.finish();
        for (Member member : members) {
            member.close();
        }
        traffic.expectExactlyOnce();
    }

    private static void expectInstances(Broker broker, String group) throws Exception {
        try (Admin admin = broker.admin()) {
            ConsumerGroupDescription description =
                admin.describeConsumerGroups(List.of(group)).describedGroups().get(group).get();
            List<String> instances = description.members().stream().map(MemberDescription::groupInstanceId)
                .map(instance -> instance.orElse("none")).sorted().toList();
            Expect.equal(List.of("a", "b", "c"), instances, "instance ids of the group");
        }
    }

    /** A second one with the same instance id takes over, and the first one learns that it was fenced. */
    public static void fenced(Broker broker) throws Exception {
        String topic = broker.name("topic");
        String group = broker.name("group");
        broker.createTopic(topic, 6);
        Traffic traffic = new Traffic(broker, topic);
        Member first = join(broker, group, topic, "same", traffic);
        Rebalances.awaitBalance(List.of(first));
        Member second = join(broker, group, topic, "same", traffic);
        Expect.within(Duration.ofSeconds(20), "the first is fenced", () -> first.failure() != null);
        Expect.that(first.failure() instanceof FencedInstanceIdException, "the first failed with " + first.failure());
        Rebalances.awaitBalance(List.of(second));
        traffic.finish();
        second.close();
    }

    private static Member join(Broker broker, String group, String topic, String instance, Traffic traffic) {
        return new Member(instance, broker.consumer("group.id", group, "group.instance.id", instance,
            "session.timeout.ms", 30_000, "heartbeat.interval.ms", 200), topic, traffic::read);
    }
}
