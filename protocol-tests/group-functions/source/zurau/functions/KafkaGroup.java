package zurau.functions;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.common.utils.internals.LogContext;
import org.apache.kafka.coordinator.common.runtime.CoordinatorRecord;
import org.apache.kafka.coordinator.group.api.assignor.ConsumerGroupPartitionAssignor;
import org.apache.kafka.coordinator.group.assignor.RangeAssignor;
import org.apache.kafka.coordinator.group.assignor.UniformAssignor;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupTargetAssignmentMemberKey;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupTargetAssignmentMemberValue;
import org.apache.kafka.coordinator.group.modern.Assignment;
import org.apache.kafka.coordinator.group.modern.TargetAssignmentBuilder.ConsumerTargetAssignmentBuilder;
import org.apache.kafka.coordinator.group.modern.consumer.ConsumerGroup;
import org.apache.kafka.coordinator.group.modern.consumer.ConsumerGroupMember;
import org.apache.kafka.coordinator.group.modern.consumer.ResolvedRegularExpression;
import org.apache.kafka.coordinator.group.util.UpdatedMembersAndTargetAssignmentView;
import org.apache.kafka.timeline.SnapshotRegistry;

/** Kafka's own group, and its own way from a heartbeat to the records of the new target assignment. */
final class KafkaGroup {
    /** A member; the pattern may be null. */
    record Member(String id, String instance, Set<String> names, String pattern) {
        ConsumerGroupMember kafka() {
            return new ConsumerGroupMember.Builder(id)
                .setInstanceId(instance)
                .setSubscribedTopicNames(new ArrayList<>(new TreeSet<>(names)))
                .setSubscribedTopicRegex(pattern == null ? "" : pattern)
                .setClientId("client")
                .setClientHost("host")
                .build();
        }
    }

    private static final Map<String, ConsumerGroupPartitionAssignor> ASSIGNORS =
        Map.of("uniform", new UniformAssignor(), "range", new RangeAssignor());

    private final SnapshotRegistry snapshots = new SnapshotRegistry(new LogContext());
    private final ConsumerGroup group = new ConsumerGroup(new LogContext(), snapshots, "group");

    void resolve(String pattern, Set<String> topics) {
        // As the record has them: sorted.
        Set<String> replayed = new HashSet<>(new ArrayList<>(new TreeSet<>(topics)));
        group.updateResolvedRegularExpression(pattern, new ResolvedRegularExpression(replayed, 1, 1));
    }

    void forget(String pattern) {
        group.removeResolvedRegularExpression(pattern);
    }

    /** A member's two records. */
    void write(Member member) {
        group.updateMember(member.kafka());
        group.updateMember(group.members().get(member.id()));
    }

    void remove(String member) {
        group.removeTargetAssignment(member);
        group.removeMember(member);
    }

    /** A member's record as we write it: sorted. */
    void writeTarget(String member, Map<Uuid, TreeSet<Integer>> target) {
        List<ConsumerGroupTargetAssignmentMemberValue.TopicPartition> topics = new ArrayList<>();
        target.keySet().stream().sorted(Main::compareBytes).forEach(id -> topics.add(
            new ConsumerGroupTargetAssignmentMemberValue.TopicPartition()
                .setTopicId(id)
                .setPartitions(new ArrayList<>(target.get(id)))));
        ConsumerGroupTargetAssignmentMemberValue value =
            new ConsumerGroupTargetAssignmentMemberValue().setTopicPartitions(topics);
        group.updateTargetAssignment(member, Assignment.fromRecord(value));
    }

    /** The new target assignment when this member's heartbeat asks for it. */
    List<CoordinatorRecord> assign(String assignor, Member heartbeat, Cluster cluster) {
        ConsumerGroupMember updated = heartbeat.kafka();
        ConsumerGroupMember before = group.members().get(heartbeat.id());
        if (before == null && heartbeat.instance() != null) {
            before = group.staticMember(heartbeat.instance());
        }
        int members = group.numMembers() + (before == null ? 1 : 0);
        UpdatedMembersAndTargetAssignmentView<ConsumerGroupMember, Assignment> view =
            new UpdatedMembersAndTargetAssignmentView<>(
                group.members(), group.staticMembers(), group.targetAssignment(), ConsumerGroupMember::instanceId);
        view.addOrUpdateMember(updated.memberId(), updated);
        return new ConsumerTargetAssignmentBuilder("group", 1, ASSIGNORS.get(assignor))
            .withTime(Time.SYSTEM)
            .withMembers(view.members())
            .withSubscriptionType(ConsumerGroup.subscriptionType(
                group.computeSubscribedRegularExpressions(before, updated),
                group.computeSubscribedTopicNames(before, updated),
                members))
            .withTargetAssignment(view.targetAssignment())
            .withInvertedTargetAssignment(group.invertedTargetAssignment())
            .withMetadataImage(cluster)
            .withResolvedRegularExpressions(group.resolvedRegularExpressions())
            .build()
            .records();
    }

    /** Replays the records as Kafka does, and answers what has changed. */
    Map<String, Map<Uuid, TreeSet<Integer>>> replay(Collection<CoordinatorRecord> records) {
        Map<String, Map<Uuid, TreeSet<Integer>>> changed = new TreeMap<>();
        for (CoordinatorRecord record : records) {
            if (record.key() instanceof ConsumerGroupTargetAssignmentMemberKey key) {
                ConsumerGroupTargetAssignmentMemberValue value =
                    (ConsumerGroupTargetAssignmentMemberValue) record.value().message();
                group.updateTargetAssignment(key.memberId(), Assignment.fromRecord(value));
                Map<Uuid, TreeSet<Integer>> target = new HashMap<>();
                value.topicPartitions().forEach(topic ->
                    target.put(topic.topicId(), new TreeSet<>(topic.partitions())));
                changed.put(key.memberId(), target);
            }
        }
        return changed;
    }
}
