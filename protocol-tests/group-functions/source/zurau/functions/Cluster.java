package zurau.functions;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.common.runtime.CoordinatorMetadataDelta;
import org.apache.kafka.coordinator.common.runtime.CoordinatorMetadataImage;

/** Topics as the coordinator sees them, without racks. */
final class Cluster implements CoordinatorMetadataImage {
    record Topic(String name, Uuid id, int partitionCount) implements TopicMetadata {
        @Override
        public List<String> partitionRacks(int partition) {
            return List.of();
        }
    }

    final Map<String, Topic> topics = new TreeMap<>();

    @Override
    public Set<Uuid> topicIds() {
        return topics.values().stream().map(Topic::id).collect(Collectors.toSet());
    }

    @Override
    public Set<String> topicNames() {
        return Collections.unmodifiableSet(topics.keySet());
    }

    @Override
    public Optional<TopicMetadata> topicMetadata(String name) {
        return Optional.ofNullable(topics.get(name));
    }

    @Override
    public Optional<TopicMetadata> topicMetadata(Uuid id) {
        return topics.values().stream().filter(topic -> topic.id().equals(id)).map(TopicMetadata.class::cast).findFirst();
    }

    @Override
    public CoordinatorMetadataDelta emptyDelta() {
        throw new UnsupportedOperationException();
    }

    @Override
    public long version() {
        return 1;
    }

    @Override
    public boolean isEmpty() {
        return topics.isEmpty();
    }
}
