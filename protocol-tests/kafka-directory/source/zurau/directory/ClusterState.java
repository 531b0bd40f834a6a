package zurau.directory;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.FeatureMetadata;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaFilter;

/** What only Kafka tells, one fact per line: all of it must be as it was when Kafka comes back to its directory. */
final class ClusterState {
    private ClusterState() {
    }

    static void write(String bootstrap, Path file) throws Exception {
        List<String> lines = new ArrayList<>();
        try (Admin admin = Clients.admin(bootstrap)) {
            lines.add("cluster " + admin.describeCluster().clusterId().get());
            FeatureMetadata features = admin.describeFeatures().featureMetadata().get();
            features.finalizedFeatures().forEach((name, level) -> lines.add("feature " + name + " " + level));
            usersAndQuotas(admin, lines);
            admin.describeAcls(AclBindingFilter.ANY).values().get().forEach(acl -> lines.add("acl " + acl));
            // Groups of consumers and topics change while others have the directory; Contents has them.
            admin.listGroups().all().get().stream().filter(group -> !Contents.OF_CONSUMERS.contains(group.type()))
                .forEach(group -> lines.add("group " + group));
            lines.add("group " + admin.describeConsumerGroups(List.of("modern")).all().get());
            lines.add("group " + admin.describeShareGroups(List.of("shared")).all().get());
            admin.listShareGroupOffsets(java.util.Map.of("shared", new org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec()))
                .partitionsToOffsetInfo("shared").get()
                .forEach((partition, offset) -> lines.add(
                    "share offset " + partition + " " + (offset == null ? "none" : offset.startOffset())));
            List<ConfigResource> resources = new ArrayList<>(admin.listConfigResources().all().get());
            resources.removeIf(resource -> resource.type() == ConfigResource.Type.TOPIC);
            resources.add(new ConfigResource(ConfigResource.Type.BROKER, ""));
            configs(admin, resources, lines);
        }
        lines.sort(null);
        Files.write(file, lines);
    }

    /** What another broker tells of it, as the same lines, up to this stay. */
    static void writeKept(String bootstrap, Path file, int stay) throws Exception {
        List<String> lines = new ArrayList<>();
        try (Admin admin = Clients.admin(bootstrap)) {
            usersAndQuotas(admin, lines);
            List<ConfigResource> resources = new ArrayList<>();
            for (String group : List.of("modern", "shared")) {
                resources.add(new ConfigResource(ConfigResource.Type.GROUP, group));
            }
            for (int number = 1; number <= stay; number++) {
                resources.add(new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "metrics-" + number));
            }
            configs(admin, resources, lines);
        }
        lines.sort(null);
        Files.write(file, lines);
    }

    private static void usersAndQuotas(Admin admin, List<String> lines) throws Exception {
        admin.describeUserScramCredentials().all().get().forEach(
            (user, description) -> lines.add("user " + user + " " + description));
        admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get().forEach(
            (entity, values) -> lines.add("quota " + new TreeMap<>(entity.entries()) + " " + new TreeMap<>(values)));
    }

    private static void configs(Admin admin, List<ConfigResource> resources, List<String> lines) throws Exception {
        admin.describeConfigs(resources).all().get().forEach((resource, config) -> config.entries().stream()
            .filter(ClusterState::isDynamic)
            .forEach(entry -> lines.add("config " + resource + " " + entry.name() + " " + entry.value())));
    }

    private static boolean isDynamic(ConfigEntry entry) {
        return switch (entry.source()) {
            case DYNAMIC_BROKER_CONFIG, DYNAMIC_DEFAULT_BROKER_CONFIG, DYNAMIC_GROUP_CONFIG,
                DYNAMIC_CLIENT_METRICS_CONFIG -> true;
            default -> false;
        };
    }
}
