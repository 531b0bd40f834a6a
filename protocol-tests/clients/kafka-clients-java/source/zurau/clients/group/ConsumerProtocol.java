package zurau.clients.group;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.UnreleasedInstanceIdException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Groups of the consumer protocol (KIP-848), in which the broker assigns and members give back one thing after another. */
public final class ConsumerProtocol {
    private static final int PARTITIONS = 6;
    /** The broker looks for new topics every ten seconds at most. */
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final String COOPERATIVE = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";

    private ConsumerProtocol() {
    }

    public static void uniform(Broker broker) throws Exception {
        Rebalances.incremental(broker.withConsumerProtocol("uniform"), "uniform");
    }

    public static void range(Broker broker) throws Exception {
        Rebalances.incremental(broker.withConsumerProtocol("range"), "range");
    }

    /** The broker evaluates an expression, and again as topics come and go. */
    public static void pattern(Broker broker) throws Exception {
        broker.createTopic(broker.name("read-a"), 2);
        broker.createTopic(broker.name("read-b"), 1);
        broker.createTopic(broker.name("other"), 1);
        Broker consumers = broker.withConsumerProtocol();
        try (Admin admin = broker.admin();
             KafkaConsumer<byte[], byte[]> consumer = consumers.consumer("group.id", broker.name("group"))) {
            consumer.subscribe(new SubscriptionPattern(broker.name("read-") + "[a-c]"));
            awaitTopics(consumer, "both topics", 3, Set.of(broker.name("read-a"), broker.name("read-b")));
            broker.createTopic(broker.name("read-c"), 1);
            broker.produceNumbers(broker.name("read-c"), 0, 0, 10, 10);
            // The records of a topic that comes are all read.
            Expect.equal(10, Broker.poll(consumer, 10, LIMIT).size(), "records of the new topic");
            // Another subscription in the place of this one.
            consumer.subscribe(new SubscriptionPattern(broker.name("(?i)OTHER")));
            awaitTopics(consumer, "another expression", 1, Set.of(broker.name("other")));
            consumer.unsubscribe();
            consumer.subscribe(List.of(broker.name("read-a")));
            awaitTopics(consumer, "a name", 2, Set.of(broker.name("read-a")));
            consumer.unsubscribe();
            consumer.subscribe(new SubscriptionPattern(broker.name("read-") + "[ab]"));
            awaitTopics(consumer, "the first two again", 3, Set.of(broker.name("read-a"), broker.name("read-b")));
            admin.deleteTopics(List.of(broker.name("read-b"))).all().get();
            awaitTopics(consumer, "what is left", 2, Set.of(broker.name("read-a")));
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumers.consumer("group.id", broker.name("wrong"))) {
            consumer.subscribe(new SubscriptionPattern("(" + broker.name("read-")));
            Expect.failure(InvalidRegularExpression.class, "an expression that is none", () -> {
                long deadline = System.nanoTime() + LIMIT.toNanos();
                while (System.nanoTime() < deadline) {
                    consumer.poll(Duration.ofMillis(100));
                }
                return "nothing";
            });
        }
    }

    private static void awaitTopics(KafkaConsumer<byte[], byte[]> consumer, String what, int partitions,
                                    Set<String> topics) throws Exception {
        Expect.within(LIMIT, what, () -> {
            consumer.poll(Duration.ofMillis(100));
            Set<String> names = new TreeSet<>();
            consumer.assignment().stream().map(TopicPartition::topic).forEach(names::add);
            return consumer.assignment().size() == partitions && names.equals(topics);
        });
    }

    /** While a static member is there, another one of its instance id is refused, and the first one goes on. */
    public static void unreleased(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, PARTITIONS);
        Broker consumers = broker.withConsumerProtocol();
        Traffic traffic = new Traffic(broker, topic);
        Member first = new Member("first", consumers.consumer("group.id", broker.name("group"),
            "group.instance.id", "same"), topic, traffic::read);
        Rebalances.awaitBalance(List.of(first));
        Member second = new Member("second", consumers.consumer("group.id", broker.name("group"),
            "group.instance.id", "same"), topic, traffic::read);
        Expect.within(LIMIT, "the second one is refused", () -> second.failure() != null);
        Expect.that(second.failure() instanceof UnreleasedInstanceIdException,
            "the second failed with " + second.failure());
        Rebalances.awaitBalance(List.of(first));
        traffic.finish();
        first.close();
        traffic.expectExactlyOnce();
    }

    /** A member that does not poll for too long leaves by itself, others take over, and later it comes back. */
    public static void maxPoll(Broker broker) throws Exception {
        String topic = broker.name("topic");
        String group = broker.name("group");
        broker.createTopic(topic, PARTITIONS);
        Broker consumers = broker.withConsumerProtocol();
        Traffic traffic = new Traffic(broker, topic);
        AtomicBoolean stuck = new AtomicBoolean();
        CountDownLatch released = new CountDownLatch(1);
        Member slow = new Member("slow", consumers.consumer("group.id", group, "max.poll.interval.ms", 2000), topic,
            record -> {
                traffic.read(record);
                if (stuck.get()) {
                    try {
                        released.await();
                    } catch (InterruptedException interrupted) {
                        throw new IllegalStateException(interrupted);
                    }
                }
            });
        Member quick = new Member("quick", consumers.consumer("group.id", group), topic, traffic::read);
        Rebalances.awaitBalance(List.of(slow, quick));
        stuck.set(true);
        Rebalances.awaitBalance(List.of(quick));
        stuck.set(false);
        released.countDown();
        Rebalances.awaitBalance(List.of(slow, quick));
        Expect.that(slow.events().stream().anyMatch(event -> event.kind().equals("lost")),
            "the slow one is told that it has lost its partitions: " + slow.events());
        traffic.finish();
        slow.close();
        quick.close();
    }

    /** The broker stops and is killed while three members read: they keep what they have and go on. */
    public static void restarts(Broker broker) throws Exception {
        broker.requireControl();
        String topic = broker.name("topic");
        String group = broker.name("group");
        broker.createTopic(topic, PARTITIONS);
        Broker consumers = broker.withConsumerProtocol();
        Traffic traffic = new Traffic(broker, topic);
        List<Member> members = new ArrayList<>();
        for (String name : List.of("first", "second", "third")) {
            members.add(new Member(name, consumers.consumer("group.id", group), topic, traffic::read));
        }
        Rebalances.awaitBalance(members);
        List<Set<Integer>> before = members.stream().map(Member::assignment).toList();
        for (String end : List.of("stop", "kill9")) {
            broker.control(end);
            broker.control("start");
            traffic.awaitMore("after " + end);
            Expect.equal(before, members.stream().map(Member::assignment).toList(), "assignments after " + end);
        }
        // And the group can still change.
        members.remove(0).close();
        Rebalances.awaitBalance(members);
        traffic.finish();
        for (Member member : members) {
            member.close();
        }
        traffic.expectExactlyOnce();
    }

    public static void migrationOfEager(Broker broker) throws Exception {
        migration(broker, "org.apache.kafka.clients.consumer.RangeAssignor");
    }

    public static void migrationOfCooperative(Broker broker) throws Exception {
        migration(broker, COOPERATIVE);
    }

    /** One after the other the members of a group change from the classic protocol to the consumer protocol, and back. */
    private static void migration(Broker broker, String assignor) throws Exception {
        String topic = broker.name("topic");
        String group = broker.name("group");
        broker.createTopic(topic, PARTITIONS);
        Broker consumers = broker.withConsumerProtocol();
        Traffic traffic = new Traffic(broker, topic);
        List<Member> members = new ArrayList<>();
        for (String name : List.of("classic-1", "classic-2", "classic-3")) {
            members.add(join(broker, group, topic, name, traffic, assignor));
        }
        Rebalances.awaitBalance(members);
        expectType(broker, group, GroupType.CLASSIC);
        for (String name : List.of("consumer-1", "consumer-2", "consumer-3")) {
            members.remove(0).close();
            Rebalances.awaitBalance(members);
            members.add(join(consumers, group, topic, name, traffic, assignor));
            Rebalances.awaitBalance(members);
            expectType(broker, group, GroupType.CONSUMER);
        }
        for (String name : List.of("classic-4", "classic-5", "classic-6")) {
            members.remove(0).close();
            Rebalances.awaitBalance(members);
            members.add(join(broker, group, topic, name, traffic, assignor));
            Rebalances.awaitBalance(members);
        }
        expectType(broker, group, GroupType.CLASSIC);
        traffic.finish();
        for (Member member : members) {
            member.close();
        }
        traffic.expectExactlyOnce();
    }

    private static Member join(Broker broker, String group, String topic, String name, Traffic traffic,
                               String assignor) {
        return new Member(name, broker.consumer("group.id", group, "client.id", name, "partition.assignment.strategy",
            assignor, "heartbeat.interval.ms", 300, "session.timeout.ms", 10_000), topic, traffic::read);
    }

    private static void expectType(Broker broker, String group, GroupType type) throws Exception {
        try (Admin admin = broker.admin()) {
            Expect.equal(type, admin.describeConsumerGroups(List.of(group)).describedGroups().get(group).get().type(),
                "type of the group");
        }
    }
}
