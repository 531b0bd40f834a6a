package zurau.directory;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.FinalizedVersionRange;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AccessControlEntryFilter;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourcePatternFilter;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** What Kafka alone takes: groups of new kinds, users, quotas, ACLs, dynamic configurations. */
final class KafkaLoad {
    private final String bootstrap;
    private final int stay;

    private KafkaLoad(String bootstrap, int stay) {
        this.bootstrap = bootstrap;
        this.stay = stay;
    }

    static void run(String bootstrap, int stay) throws Exception {
        KafkaLoad load = new KafkaLoad(bootstrap, stay);
        try (Admin admin = Clients.admin(bootstrap)) {
            load.features(admin);
            load.users(admin);
            load.quotas(admin);
            load.acls(admin);
            load.configs(admin);
            load.cleaned(admin);
            load.modernGroup();
            load.shareGroup(admin);
        }
    }

    /** A cluster that began under Zurau has no features but those that Zurau serves; Kafka raises them when asked to. */
    private static void features(Admin admin) throws Exception {
        Map<String, FinalizedVersionRange> finalized = admin.describeFeatures().featureMetadata().get().finalizedFeatures();
        Map<String, FeatureUpdate> updates = new java.util.HashMap<>();
        Map.of("group.version", 1, "share.version", 1, "transaction.version", 2).forEach((name, level) -> {
            if (!finalized.containsKey(name)) {
                updates.put(name, new FeatureUpdate(level.shortValue(), FeatureUpdate.UpgradeType.UPGRADE));
            }
        });
        if (!updates.isEmpty()) {
            admin.updateFeatures(updates, new UpdateFeaturesOptions()).all().get();
        }
    }

    private void users(Admin admin) throws Exception {
        ScramCredentialInfo credential = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096 + stay);
        admin.alterUserScramCredentials(List.of(
            new UserScramCredentialUpsertion("constant", credential, "secret of " + stay),
            new UserScramCredentialUpsertion("user-of-" + stay, credential, "secret"),
            new UserScramCredentialUpsertion("gone-of-" + stay, credential, "secret"))).all().get();
        admin.alterUserScramCredentials(List.of(
            new UserScramCredentialDeletion("gone-of-" + stay, ScramMechanism.SCRAM_SHA_512))).all().get();
    }

    private void quotas(Admin admin) throws Exception {
        ClientQuotaEntity user = new ClientQuotaEntity(Map.of("user", "constant"));
        java.util.HashMap<String, String> everybody = new java.util.HashMap<>();
        everybody.put("client-id", null);
        admin.alterClientQuotas(List.of(
            new ClientQuotaAlteration(user, List.of(
                new ClientQuotaAlteration.Op("producer_byte_rate", 1e9 + stay),
                new ClientQuotaAlteration.Op(stay == 1 ? "request_percentage" : "controller_mutation_rate", 1e6))),
            new ClientQuotaAlteration(new ClientQuotaEntity(everybody), List.of(
                new ClientQuotaAlteration.Op("consumer_byte_rate", 2e9 + stay))))).all().get();
        if (stay > 1) {
            admin.alterClientQuotas(List.of(new ClientQuotaAlteration(user,
                List.of(new ClientQuotaAlteration.Op("request_percentage", null))))).all().get();
        }
    }

    private static AclBinding acl(String resource) {
        return new AclBinding(new ResourcePattern(ResourceType.TOPIC, resource, PatternType.PREFIXED),
            new AccessControlEntry("User:constant", "*", AclOperation.READ, AclPermissionType.ALLOW));
    }

    private void acls(Admin admin) throws Exception {
        admin.createAcls(List.of(acl("codec-" + stay), acl("gone"))).all().get();
        admin.deleteAcls(List.of(new AclBindingFilter(
            new ResourcePatternFilter(ResourceType.TOPIC, "gone", PatternType.PREFIXED),
            AccessControlEntryFilter.ANY))).all().get();
    }

    private void configs(Admin admin) throws Exception {
        Map<ConfigResource, java.util.Collection<AlterConfigOp>> changes = new java.util.HashMap<>();
        changes.put(new ConfigResource(ConfigResource.Type.TOPIC, "codec-lz4"), List.of(
            set("retention.bytes", String.valueOf(1_000_000_000L + stay)), set("retention.ms", "-1"),
            new AlterConfigOp(new ConfigEntry("flush.ms", ""), AlterConfigOp.OpType.DELETE)));
        changes.put(new ConfigResource(ConfigResource.Type.BROKER, ""),
            List.of(set("log.cleaner.threads", "1"), set("message.max.bytes", String.valueOf(1_048_588 + stay))));
        changes.put(new ConfigResource(ConfigResource.Type.BROKER, "1"), List.of(set("log.retention.ms", "604800000")));
        changes.put(new ConfigResource(ConfigResource.Type.GROUP, "modern"),
            List.of(set("consumer.session.timeout.ms", String.valueOf(45_000 + stay))));
        changes.put(new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "metrics-" + stay),
            List.of(set("interval.ms", "60000"), set("metrics", "org.apache.kafka.producer.")));
        admin.incrementalAlterConfigs(changes).all().get();
    }

    private static AlterConfigOp set(String name, String value) {
        return new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
    }

    /** A topic that Kafka's cleaner has gone over, and that nobody cleans any more afterwards. */
    private void cleaned(Admin admin) throws Exception {
        if (stay > 1) {
            return;
        }
        Load.create(admin, "cleaned", 1, Map.of("cleanup.policy", "compact", "segment.bytes", "1048576",
            "min.cleanable.dirty.ratio", "0.01", "delete.retention.ms", "0"));
        byte[] value = new byte[20_000];
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(bootstrap, Map.of("batch.size", 100_000))) {
            for (int number = 0; number < 200; number++) {
                byte[] key = ("key " + number % (number < 100 ? 100 : 9)).getBytes(StandardCharsets.UTF_8);
                producer.send(new ProducerRecord<>("cleaned", key, number % 13 == 0 ? null : value));
            }
        }
        long deadline = System.nanoTime() + Duration.ofSeconds(40).toNanos();
        while (size(admin) > 3_300_000) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("not cleaned: " + size(admin) + " bytes");
            }
            Thread.sleep(50);
        }
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, "cleaned"),
            List.of(set("min.compaction.lag.ms", "600000000")))).all().get();
    }

    private static long size(Admin admin) throws Exception {
        return admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).values().iterator().next()
            .replicaInfos().get(new TopicPartition("cleaned", 0)).size();
    }

    /** A KIP-848 group: it is here in the end without members, but with its epochs and offsets. */
    private void modernGroup() {
        Map<String, Object> settings = Clients.settings(bootstrap);
        settings.put("group.id", "modern");
        settings.put("group.protocol", "consumer");
        settings.put("enable.auto.commit", false);
        settings.put("auto.offset.reset", "earliest");
        settings.put("max.poll.records", 40);
        try (KafkaConsumer<byte[], byte[]> consumer =
                 new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of("codec-snappy"));
            poll("the KIP-848 group's member", () -> consumer.poll(Duration.ofMillis(200)));
            consumer.commitSync();
        }
    }

    private void shareGroup(Admin admin) throws Exception {
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, "shared"),
            List.of(set("share.auto.offset.reset", "earliest")))).all().get();
        Map<String, Object> settings = Clients.settings(bootstrap);
        settings.put("group.id", "shared");
        try (KafkaShareConsumer<byte[], byte[]> consumer =
                 new KafkaShareConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of("codec-gzip"));
            poll("the share group's member", () -> consumer.poll(Duration.ofMillis(200)));
            consumer.commitSync();
        }
    }

    private static void poll(String who, java.util.function.Supplier<ConsumerRecords<byte[], byte[]>> poll) {
        long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (poll.get().isEmpty()) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException(who + " got no record");
            }
        }
    }
}
