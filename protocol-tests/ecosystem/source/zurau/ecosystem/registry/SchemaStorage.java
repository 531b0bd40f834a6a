package zurau.ecosystem.registry;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.errors.TopicExistsException;
import zurau.ecosystem.Broker;
import zurau.ecosystem.Expect;
import zurau.ecosystem.Run;

/** How schema registries store: one compacted partition is their only memory. */
public final class SchemaStorage {
    private static final int SUBJECTS = 20;
    private static final int VERSIONS = 5;

    private final Broker broker;
    private final String topic;
    private final Map<String, String> expected = new LinkedHashMap<>();

    private SchemaStorage(Run run) {
        broker = run.broker();
        topic = run.name("_schemas");
    }

    /** What one registry wrote, the next one knows after it has read the topic from the beginning, and goes on. */
    public static void writeReadRestart(Run run) throws Exception {
        new SchemaStorage(run).throughThreeRegistries();
    }

    private void throughThreeRegistries() throws Exception {
        Expect.that(createTopic(), "the topic is new");
        checkTopic();
        try (Registry registry = new Registry(broker, topic)) {
            Expect.equal(Map.of(), registry.entries(), "entries of an empty topic");
            for (int version = 1; version <= VERSIONS; version++) {
                for (int subject = 0; subject < SUBJECTS; subject++) {
                    put(registry, key(subject, version), schema(subject, version, false));
                }
            }
            // A soft deletion rewrites the value, a hard one after it writes a tombstone.
            for (int subject = 0; subject < SUBJECTS; subject += 2) {
                put(registry, key(subject, 1), schema(subject, 1, true));
                put(registry, key(subject, 1), null);
                put(registry, key(subject, 2), schema(subject, 2, true));
            }
            Expect.equal(expected, registry.entries(), "entries of the first registry");
        }

        Expect.that(!createTopic(), "the topic is there already");
        checkTopic();
        try (Registry registry = new Registry(broker, topic)) {
            Expect.equal(expected, registry.entries(), "entries of the second registry");
            put(registry, key(0, 1), schema(0, 1, false));
            put(registry, "{\"keytype\":\"CONFIG\",\"subject\":null,\"magic\":0}", "{\"compatibilityLevel\":\"FULL\"}");
        }
        try (Registry registry = new Registry(broker, topic)) {
            Expect.equal(expected, registry.entries(), "entries of the third registry");
        }
    }

    /** Whether this call has made the topic. */
    private boolean createTopic() throws Exception {
        NewTopic wanted = new NewTopic(topic, 1, (short) 1).configs(Map.of("cleanup.policy", "compact"));
        try (Admin admin = broker.admin()) {
            admin.createTopics(List.of(wanted)).all().get();
            return true;
        } catch (ExecutionException refused) {
            if (refused.getCause() instanceof TopicExistsException) {
                return false;
            }
            throw refused;
        }
    }

    /** Registries refuse to run on a topic that is not like this. */
    private void checkTopic() throws Exception {
        Expect.equal(1, broker.partitionCount(topic), "partitions of " + topic);
        Expect.equal("compact", broker.setting(topic, "cleanup.policy"), "cleanup.policy of " + topic);
    }

    /** Writes an entry and demands that the registry has read it back. */
    private void put(Registry registry, String key, String value) throws Exception {
        registry.put(key, value);
        if (value == null) {
            expected.remove(key);
        } else {
            expected.put(key, value);
        }
        Expect.equal(value, registry.entries().get(key), "what was just written under " + key);
    }

    private static String key(int subject, int version) {
        return "{\"keytype\":\"SCHEMA\",\"subject\":\"subject-" + subject + "\",\"version\":" + version
            + ",\"magic\":1}";
    }

    private static String schema(int subject, int version, boolean deleted) {
        return "{\"subject\":\"subject-" + subject + "\",\"version\":" + version
            + ",\"id\":" + (subject * VERSIONS + version) + ",\"deleted\":" + deleted
            + ",\"schema\":\"{\\\"type\\\":\\\"string\\\",\\\"doc\\\":\\\"größer als zuvor\\\"}\"}";
    }
}
