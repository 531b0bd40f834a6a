package zurau.clients.transactions;

import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** The newest client on a cluster whose transaction.version is 1, and back. */
public final class FirstVersion {
    private static final String FEATURE = "transaction.version";

    private FirstVersion() {
    }

    public static void everything(Broker broker) throws Exception {
        set(broker, 1, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE);
        Outcomes.commitAndAbort(broker.part("outcomes"));
        Outcomes.openTransaction(broker.part("open"));
        Outcomes.concurrent(broker.part("concurrent"));
        Fencing.secondProducer(broker.part("second"));
        Fencing.zombieSends(broker.part("zombie"));
        Fencing.timeUp(broker.part("time"));
        Offsets.readProcessWrite(broker.part("offsets"));
        Offsets.pending(broker.part("pending"));
        set(broker, 2, FeatureUpdate.UpgradeType.UPGRADE);
        Outcomes.commitAndAbort(broker.part("after"));
    }

    private static void set(Broker broker, int version, FeatureUpdate.UpgradeType type) throws Exception {
        try (Admin admin = broker.admin()) {
            admin.updateFeatures(Map.of(FEATURE, new FeatureUpdate((short) version, type)), new UpdateFeaturesOptions())
                .all().get();
            Expect.within(Readers.LIMIT, FEATURE + " is " + version, () ->
                admin.describeFeatures().featureMetadata().get().finalizedFeatures().get(FEATURE).maxVersionLevel() == version);
        }
    }
}
