package zurau.clients.admin;

import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ClassicGroupDescription;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeConsumerGroupsOptions;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.ClassicGroupState;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Groups seen from outside. */
public final class AdminGroups {
    private static final Duration LIMIT = Duration.ofSeconds(20);

    private AdminGroups() {
    }

    public static void list(Broker broker) throws Exception {
        String topic = broker.name("topic");
        String active = broker.name("active");
        String empty = broker.name("empty");
        broker.createTopic(topic, 1);
        try (Admin admin = broker.admin(); KafkaConsumer<byte[], byte[]> consumer = join(broker, active, topic)) {
            // Only offsets, never a member: an empty group without a protocol type.
            admin.alterConsumerGroupOffsets(empty, Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(1)))
                .all().get();
            consumer.poll(Duration.ofMillis(100));
            Map<String, GroupListing> all = listed(admin, new ListGroupsOptions());
            expectListing(all.get(active), "consumer", GroupState.STABLE);
            expectListing(all.get(empty), "", GroupState.EMPTY);
            Expect.that(all.get(empty).isSimpleConsumerGroup(), "a group of offsets alone is a simple one");

            expectNames(broker, admin, new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE)), active);
            expectNames(broker, admin, new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY)), empty);
            expectNames(broker, admin, new ListGroupsOptions().inGroupStates(Set.of(GroupState.DEAD)));
            expectNames(broker, admin, new ListGroupsOptions().withTypes(Set.of(GroupType.CLASSIC)), active, empty);
            expectNames(broker, admin, new ListGroupsOptions().withProtocolTypes(Set.of("consumer")), active);
            expectNames(broker, admin, new ListGroupsOptions().withProtocolTypes(Set.of("connect")));
            expectNames(broker, admin, ListGroupsOptions.forConsumerGroups(), active, empty);
        }
        try (Admin admin = broker.admin()) {
            // The protocol type outlives the members.
            expectListing(listed(admin, new ListGroupsOptions()).get(active), "consumer", GroupState.EMPTY);
        }
    }

    private static void expectListing(GroupListing listing, String protocol, GroupState state) {
        Expect.that(listing != null, "the group is listed");
        Expect.equal(protocol, listing.protocol(), "protocol type of " + listing.groupId());
        Expect.equal(Optional.of(state), listing.groupState(), "state of " + listing.groupId());
        Expect.equal(Optional.of(GroupType.CLASSIC), listing.type(), "type of " + listing.groupId());
    }

    private static Map<String, GroupListing> listed(Admin admin, ListGroupsOptions options) throws Exception {
        Collection<GroupListing> groups = admin.listGroups(options).all().get();
        return groups.stream().collect(Collectors.toMap(GroupListing::groupId, group -> group));
    }

    /** Other tests may have groups of their own, so only those of this one are compared. */
    private static void expectNames(Broker broker, Admin admin, ListGroupsOptions options, String... names)
        throws Exception {
        Set<String> own = listed(admin, options).keySet().stream()
            .filter(name -> name.startsWith(broker.name(""))).collect(Collectors.toSet());
        Expect.equal(Set.of(names), own, "groups for states " + options.groupStates() + ", types " + options.types()
            + ", protocols " + options.protocolTypes());
    }

    public static void describe(Broker broker) throws Exception {
        String topic = broker.name("topic");
        String group = broker.name("group");
        broker.createTopic(topic, 4);
        try (Admin admin = broker.admin()) {
            try (KafkaConsumer<byte[], byte[]> consumer = join(broker, group, topic)) {
                consumer.poll(Duration.ofMillis(100));
                ConsumerGroupDescription described = admin.describeConsumerGroups(List.of(group),
                    new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true)).all().get().get(group);
                Expect.equal(GroupState.STABLE, described.groupState(), "state");
                Expect.equal(GroupType.CLASSIC, described.type(), "type");
                Expect.equal("range", described.partitionAssignor(), "assignor");
                Expect.equal(false, described.isSimpleConsumerGroup(), "simple");
                Expect.equal(broker.anyNode(admin).id(), described.coordinator().id(), "coordinator");
                Expect.that(described.authorizedOperations().containsAll(
                    Set.of(AclOperation.READ, AclOperation.DESCRIBE, AclOperation.DELETE)),
                    "operations " + described.authorizedOperations());
                Expect.equal(1, described.members().size(), "members");
                MemberDescription member = described.members().iterator().next();
                Expect.equal("the-client", member.clientId(), "client id");
                Expect.equal(consumer.groupMetadata().memberId(), member.consumerId(), "member id");
                Expect.that(member.consumerId().startsWith("the-client-"), "the member id begins with the client id");
                Expect.that(member.host().matches("/.+"), "host of the member is " + member.host());
                Expect.equal(Optional.empty(), member.groupInstanceId(), "instance id");
                Expect.equal(consumer.assignment(), member.assignment().topicPartitions(), "assignment");
                Expect.equal(4, member.assignment().topicPartitions().size(), "assigned partitions");

                ClassicGroupDescription classic =
                    admin.describeClassicGroups(List.of(group)).all().get().get(group);
                Expect.equal(ClassicGroupState.STABLE, classic.state(), "state of the classic group");
                Expect.equal("consumer", classic.protocol(), "protocol type of the classic group");
                Expect.equal("range", classic.protocolData(), "protocol of the classic group");
                Expect.equal(1, classic.members().size(), "members of the classic group");
            }
            ConsumerGroupDescription afterwards =
                admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            Expect.equal(GroupState.EMPTY, afterwards.groupState(), "state without members");
            Expect.equal(0, afterwards.members().size(), "members");
            Expect.equal(null, afterwards.authorizedOperations(), "operations that nobody asked for");
        }
    }

    /** A static member by its instance id, and all members at once. */
    public static void removeMembers(Broker broker) throws Exception {
        String topic = broker.name("topic");
        String group = broker.name("group");
        broker.createTopic(topic, 2);
        try (Admin admin = broker.admin()) {
            // Static members go without leaving.
            try (KafkaConsumer<byte[], byte[]> one = join(broker, group, topic, "group.instance.id", "one")) {
                one.poll(Duration.ofMillis(100));
            }
            Expect.equal(1, members(admin, group), "a static member stays after its close");
            admin.removeMembersFromConsumerGroup(group,
                new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("one")))).all().get();
            Expect.equal(0, members(admin, group), "members after the removal by instance id");
            Expect.failure(UnknownMemberIdException.class, "removing an unknown instance",
                () -> admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions(
                    List.of(new MemberToRemove("one")))).memberResult(new MemberToRemove("one")).get());

            KafkaConsumer<byte[], byte[]> two = join(broker, group, topic, "group.instance.id", "two");
            two.poll(Duration.ofMillis(100));
            two.close();
            RemoveMembersFromConsumerGroupOptions everybody = new RemoveMembersFromConsumerGroupOptions();
            everybody.reason("the test is over");
            admin.removeMembersFromConsumerGroup(group, everybody).all().get();
            Expect.equal(0, members(admin, group), "members after the removal of all");
            admin.deleteConsumerGroups(List.of(group)).all().get();
        }
    }

    private static int members(Admin admin, String group) throws Exception {
        return admin.describeConsumerGroups(List.of(group)).all().get().get(group).members().size();
    }

    /** A consumer that has joined the group and got its partitions. */
    private static KafkaConsumer<byte[], byte[]> join(Broker broker, String group, String topic, Object... more)
        throws Exception {
        Object[] settings = new Object[more.length + 6];
        System.arraycopy(new Object[] {"group.id", group, "client.id", "the-client", "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.RangeAssignor"}, 0, settings, 0, 6);
        System.arraycopy(more, 0, settings, 6, more.length);
        KafkaConsumer<byte[], byte[]> consumer = broker.consumer(settings);
        consumer.subscribe(List.of(topic));
        Expect.within(LIMIT, "an assignment for " + group, () -> {
            consumer.poll(Duration.ofMillis(50));
            return !consumer.assignment().isEmpty();
        });
        return consumer;
    }
}
