package zurau.clients.admin;

import java.util.Collection;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.FeatureMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.acl.AclOperation;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** The cluster as a whole. */
public final class AdminCluster {
    private static final Set<AclOperation> ALL_OPERATIONS = Set.of(AclOperation.CREATE, AclOperation.CLUSTER_ACTION,
        AclOperation.DESCRIBE_CONFIGS, AclOperation.IDEMPOTENT_WRITE, AclOperation.ALTER_CONFIGS, AclOperation.DESCRIBE,
        AclOperation.ALTER);

    private AdminCluster() {
    }

    public static void describe(Broker broker) throws Exception {
        try (Admin admin = broker.admin()) {
            DescribeClusterResult result =
                admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
            Expect.that(result.clusterId().get() != null && !result.clusterId().get().isEmpty(), "a cluster id");
            Collection<Node> nodes = result.nodes().get();
            Expect.equal(1, nodes.size(), "number of nodes");
            Node node = nodes.iterator().next();
            Expect.equal(node.id(), result.controller().get().id(), "the controller");
            Expect.that(!node.host().isEmpty() && node.port() > 0, "an address of " + node);
            Expect.equal(false, node.isFenced(), "fenced");
            Expect.equal(ALL_OPERATIONS, result.authorizedOperations().get(), "operations on the cluster");

            DescribeClusterResult plain = admin.describeCluster();
            Expect.equal(null, plain.authorizedOperations().get(), "operations that nobody asked for");
            Expect.equal(result.clusterId().get(), plain.clusterId().get(), "the cluster id, asked again");
            Expect.equal(1, admin.describeCluster(new DescribeClusterOptions().includeFencedBrokers(true)).nodes().get()
                .size(), "nodes with the fenced ones");
        }
    }

    public static void features(Broker broker) throws Exception {
        try (Admin admin = broker.admin()) {
            FeatureMetadata features = admin.describeFeatures().featureMetadata().get();
            Expect.that(features.finalizedFeaturesEpoch().orElse(-1L) >= 0, "an epoch of the finalized features");
            Expect.that(features.finalizedFeatures().containsKey("metadata.version"), "metadata.version is finalized");
            features.finalizedFeatures().forEach((name, range) -> {
                Expect.that(features.supportedFeatures().containsKey(name), name + " is supported too");
                Expect.that(range.maxVersionLevel() <= features.supportedFeatures().get(name).maxVersion()
                    && range.maxVersionLevel() >= features.supportedFeatures().get(name).minVersion(),
                    name + " is finalized at a level that is supported");
            });
            System.out.println("finalized " + features.finalizedFeatures());
        }
    }
}
