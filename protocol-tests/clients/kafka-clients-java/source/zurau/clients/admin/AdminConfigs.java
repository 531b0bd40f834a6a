package zurau.clients.admin;

import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigType;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Configurations of topics and brokers, with their sources, synonyms and texts. */
public final class AdminConfigs {
    /** Settings of a topic that tools ask for; each must be in a description. */
    private static final Map<String, ConfigType> TOPIC_SETTINGS = Map.ofEntries(
        Map.entry("cleanup.policy", ConfigType.LIST), Map.entry("compression.type", ConfigType.STRING),
        Map.entry("delete.retention.ms", ConfigType.LONG), Map.entry("file.delete.delay.ms", ConfigType.LONG),
        Map.entry("flush.messages", ConfigType.LONG), Map.entry("flush.ms", ConfigType.LONG),
        Map.entry("index.interval.bytes", ConfigType.INT), Map.entry("max.compaction.lag.ms", ConfigType.LONG),
        Map.entry("max.message.bytes", ConfigType.INT), Map.entry("message.timestamp.type", ConfigType.STRING),
        Map.entry("message.timestamp.before.max.ms", ConfigType.LONG),
        Map.entry("message.timestamp.after.max.ms", ConfigType.LONG),
        Map.entry("min.cleanable.dirty.ratio", ConfigType.DOUBLE), Map.entry("min.compaction.lag.ms", ConfigType.LONG),
        Map.entry("min.insync.replicas", ConfigType.INT), Map.entry("preallocate", ConfigType.BOOLEAN),
        Map.entry("retention.bytes", ConfigType.LONG), Map.entry("retention.ms", ConfigType.LONG),
        Map.entry("segment.bytes", ConfigType.INT), Map.entry("segment.index.bytes", ConfigType.INT),
        Map.entry("segment.jitter.ms", ConfigType.LONG), Map.entry("segment.ms", ConfigType.LONG),
        Map.entry("unclean.leader.election.enable", ConfigType.BOOLEAN));
    /** And of a broker. */
    private static final List<String> BROKER_SETTINGS = List.of("auto.create.topics.enable", "compression.type",
        "default.replication.factor", "group.initial.rebalance.delay.ms", "listeners", "log.cleanup.policy", "log.dirs",
        "log.retention.ms", "log.segment.bytes", "message.max.bytes", "min.insync.replicas", "node.id",
        "num.partitions", "offsets.topic.num.partitions");

    private AdminConfigs() {
    }

    static String brokerValue(Broker broker, Admin admin, String key) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, "" + broker.anyNode(admin).id());
        ConfigEntry entry = admin.describeConfigs(List.of(resource)).all().get().get(resource).get(key);
        Expect.that(entry != null, "the broker describes " + key);
        return entry.value();
    }

    public static void describe(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 1, "retention.ms", "3600000", "cleanup.policy", "compact,delete");
        try (Admin admin = broker.admin()) {
            ConfigResource topicResource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            ConfigResource brokerResource =
                new ConfigResource(ConfigResource.Type.BROKER, "" + broker.anyNode(admin).id());
            Map<ConfigResource, Config> described = admin.describeConfigs(List.of(topicResource, brokerResource),
                new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true)).all().get();
            expectTopic(described.get(topicResource));
            expectBroker(described.get(brokerResource));

            // What was not asked for is not sent.
            Config plain = admin.describeConfigs(List.of(topicResource)).all().get().get(topicResource);
            Expect.equal(null, plain.get("retention.ms").documentation(), "documentation that was not asked for");
            Expect.equal(List.of(), plain.get("retention.ms").synonyms(), "synonyms that were not asked for");
            Expect.equal("3600000", plain.get("retention.ms").value(), "value");

            // The defaults of all brokers are a resource of their own, with nothing in it but what was set there.
            ConfigResource allBrokers = new ConfigResource(ConfigResource.Type.BROKER, "");
            admin.describeConfigs(List.of(allBrokers)).all().get().get(allBrokers).entries().forEach(entry ->
                Expect.equal(ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG, entry.source(), "source of " + entry.name()));
            ConfigResource unknown = new ConfigResource(ConfigResource.Type.TOPIC, broker.name("unknown"));
            Expect.failure(UnknownTopicOrPartitionException.class, "configs of an unknown topic",
                () -> admin.describeConfigs(List.of(unknown)).all().get());
        }
    }

    private static void expectTopic(Config config) {
        TOPIC_SETTINGS.forEach((key, type) -> {
            ConfigEntry entry = config.get(key);
            Expect.that(entry != null, "the topic describes " + key);
            Expect.equal(type, entry.type(), "type of " + key);
            Expect.that(entry.documentation() != null && !entry.documentation().isEmpty(), "documentation of " + key);
            Expect.that(!entry.isReadOnly() && !entry.isSensitive(), "flags of " + key);
            Expect.that(entry.value() != null, "value of " + key);
        });
        ConfigEntry changed = config.get("retention.ms");
        Expect.equal(ConfigSource.DYNAMIC_TOPIC_CONFIG, changed.source(), "source of a topic's own setting");
        Expect.that(!changed.isDefault(), "a topic's own setting is no default");
        // Which of the three retention settings of the broker follow it differs between releases of Kafka.
        Expect.equal(List.of("retention.ms"), names(changed), "synonyms of a setting whose broker key has no value");
        ConfigEntry list = config.get("cleanup.policy");
        Expect.equal("compact,delete", list.value(), "a list setting");
        Expect.equal(List.of("cleanup.policy", "log.cleanup.policy"), names(list), "synonyms, the strongest first");
        Expect.equal("compact,delete", list.synonyms().get(0).value(), "value of the first synonym");
        Expect.equal(ConfigSource.DYNAMIC_TOPIC_CONFIG, list.synonyms().get(0).source(), "source of the first synonym");
        Expect.equal("delete", list.synonyms().get(1).value(), "value of the second synonym");
        Expect.equal(ConfigSource.DEFAULT_CONFIG, list.synonyms().get(1).source(), "source of the second synonym");

        ConfigEntry untouched = config.get("segment.bytes");
        Expect.equal(ConfigSource.DEFAULT_CONFIG, untouched.source(), "source of a default");
        Expect.that(untouched.isDefault(), "a default is one");
        Expect.equal("1073741824", untouched.value(), "value of a default");
        Expect.equal("log.segment.bytes", untouched.synonyms().get(0).name(), "synonym of a default");
    }

    private static List<String> names(ConfigEntry entry) {
        return entry.synonyms().stream().map(ConfigEntry.ConfigSynonym::name).toList();
    }

    private static void expectBroker(Config config) {
        for (String key : BROKER_SETTINGS) {
            ConfigEntry entry = config.get(key);
            Expect.that(entry != null, "the broker describes " + key);
            Expect.that(entry.documentation() != null && !entry.documentation().isEmpty(), "documentation of " + key);
        }
        Expect.that(config.get("node.id").isReadOnly(), "node.id is read-only");
        Expect.that(!config.get("log.retention.ms").isReadOnly(), "log.retention.ms is not read-only");
        Expect.equal(ConfigType.INT, config.get("num.partitions").type(), "type of num.partitions");
        Expect.equal(ConfigSource.DEFAULT_CONFIG, config.get("log.segment.bytes").source(), "source of a default");
    }
}
