package zurau.clients.group;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Groups of several members that come and go while records flow. */
public final class Rebalances {
    private static final int PARTITIONS = 6;
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private Rebalances() {
    }

    public static void range(Broker broker) throws Exception {
        List<Member> all = threeMembersOneLeavesOneJoins(broker, "org.apache.kafka.clients.consumer.RangeAssignor");
        // Eager: with each rebalance a member gives up all it has, and the first had two such before its end.
        long revocations = all.get(0).events().stream().filter(event -> event.kind().equals("revoked")).count();
        Expect.that(revocations >= 2, "an eager member is revoked at each rebalance, events " + all.get(0).events());
    }

    public static void cooperative(Broker broker) throws Exception {
        incremental(broker, "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
    }

    static void incremental(Broker broker, String assignor) throws Exception {
        List<Member> all = threeMembersOneLeavesOneJoins(broker, assignor);
        // The last event of each member is its end; until then it gave away only what others were to get.
        for (Member member : all) {
            List<Member.Event> events = member.events();
            for (Member.Event event : events.subList(0, events.size() - 1)) {
                Expect.that(!event.kind().equals("revoked") || event.partitions().size() <= 3,
                    member.name + " gave away more than it had to: " + events);
                Expect.that(!event.kind().equals("lost"), member.name + " lost partitions: " + events);
            }
        }
    }

    private static List<Member> threeMembersOneLeavesOneJoins(Broker broker, String assignor) throws Exception {
        String topic = broker.name("topic");
        String group = broker.name("group");
        broker.createTopic(topic, PARTITIONS);
        Traffic traffic = new Traffic(broker, topic);
        List<Member> all = new ArrayList<>();
        List<Member> present = new ArrayList<>();
        for (String name : List.of("first", "second", "third")) {
            Member member = join(broker, group, topic, name, traffic, assignor);
            all.add(member);
            present.add(member);
            awaitBalance(present);
        }
        if (assignor.endsWith("RangeAssignor")) {
            expectRanges(present);
        }
        Member second = present.remove(1);
        second.close();
        awaitBalance(present);
        Member fourth = join(broker, group, topic, "fourth", traffic, assignor);
        all.add(fourth);
        present.add(fourth);
        awaitBalance(present);
        expectSameGeneration(present);
        traffic.finish();
        for (Member member : present) {
            member.close();
        }
        traffic.expectExactlyOnce();
        return all;
    }

    private static Member join(Broker broker, String group, String topic, String name, Traffic traffic,
                               String assignor) {
        return new Member(name, broker.consumer("group.id", group, "client.id", name,
            "partition.assignment.strategy", assignor, "heartbeat.interval.ms", 300, "max.poll.records", 200,
            "session.timeout.ms", 10_000), topic, traffic::read);
    }

    /** Every partition has one owner and all members have equally many. */
    static void awaitBalance(List<Member> members) throws Exception {
        awaitBalance(members, PARTITIONS);
    }

    private static void awaitBalance(List<Member> members, int partitions) throws Exception {
        int share = partitions / members.size();
        Expect.within(LIMIT, share + " partitions for each of " + members.size() + " members", () -> {
            Set<Integer> owned = new TreeSet<>();
            for (Member member : members) {
                if (member.assignment().size() != share) {
                    return false;
                }
                owned.addAll(member.assignment());
            }
            return owned.size() == partitions;
        });
    }

    private static void expectRanges(List<Member> members) {
        for (Member member : members) {
            List<Integer> partitions = List.copyOf(member.assignment());
            Expect.equal(partitions.get(0) + 1, partitions.get(1), "range of " + member.name);
        }
    }

    /** Right after the partitions are spread, a cooperative group may still be in its last round. */
    private static void expectSameGeneration(List<Member> members) throws Exception {
        Expect.within(LIMIT, "one generation for all members",
            () -> members.stream().map(Member::generation).distinct().count() == 1);
    }

    /** A member that falls silent is removed after its session timeout, and nothing it had committed is read again. */
    public static void lostMember(Broker broker) throws Exception {
        String topic = broker.name("topic");
        String group = broker.name("group");
        broker.createTopic(topic, PARTITIONS);
        Traffic traffic = new Traffic(broker, topic);
        List<Member> members = new ArrayList<>();
        for (String name : List.of("stays", "vanishes")) {
            members.add(new Member(name, broker.consumer("group.id", group, "session.timeout.ms", 6000,
                "heartbeat.interval.ms", 500), topic, traffic::read));
        }
        awaitBalance(members);
        long started = System.nanoTime();
        members.remove(1).vanish();
        awaitBalance(members);
        double seconds = (System.nanoTime() - started) / 1e9;
        // The last heartbeat was up to one interval before the member went.
        Expect.that(seconds > 4 && seconds < 15, "removed after " + seconds + " s with a session timeout of 6 s");
        traffic.finish();
        members.get(0).close();
        traffic.expectExactlyOnce();
    }

    /** The leader sees new partitions in the metadata, rejoins, and the group shares them. */
    public static void morePartitions(Broker broker) throws Exception {
        String topic = broker.name("topic");
        String group = broker.name("group");
        broker.createTopic(topic, PARTITIONS);
        Traffic traffic = new Traffic(broker, topic);
        List<Member> members = new ArrayList<>();
        for (String name : List.of("first", "second")) {
            members.add(new Member(name, broker.consumer("group.id", group, "metadata.max.age.ms", 500,
                "heartbeat.interval.ms", 300), topic, traffic::read));
        }
        awaitBalance(members);
        try (Admin admin = broker.admin()) {
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(PARTITIONS + 4))).all().get();
        }
        awaitBalance(members, PARTITIONS + 4);
        traffic.finish();
        for (Member member : members) {
            member.close();
        }
        traffic.expectExactlyOnce();
    }
}
