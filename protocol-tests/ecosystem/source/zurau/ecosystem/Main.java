package zurau.ecosystem;

import java.util.LinkedHashMap;
import java.util.Map;
import zurau.ecosystem.connect.Distributed;
import zurau.ecosystem.connect.Standalone;
import zurau.ecosystem.mirror.Mirroring;
import zurau.ecosystem.registry.SchemaStorage;
import zurau.ecosystem.streams.ExactlyOnce;
import zurau.ecosystem.streams.WordCounts;

/** The scenarios of the libraries that come with Kafka. */
public final class Main {
    private static final Map<String, Scenario> SCENARIOS = new LinkedHashMap<>();

    static {
        SCENARIOS.put("streams-word-count", WordCounts::once);
        SCENARIOS.put("streams-restart", WordCounts::restart);
        SCENARIOS.put("streams-standby", WordCounts::standby);
        SCENARIOS.put("streams-purge", WordCounts::purge);
        SCENARIOS.put("streams-exactly-once", ExactlyOnce::killedTenTimes);
        SCENARIOS.put("connect-standalone", Standalone::fileToFile);
        SCENARIOS.put("connect-distributed", Distributed::twoWorkers);
        SCENARIOS.put("mirror-to-broker", Mirroring::toBroker);
        SCENARIOS.put("mirror-from-broker", Mirroring::fromBroker);
        SCENARIOS.put("mirror-config-change", Mirroring::configChange);
        SCENARIOS.put("schema-storage", SchemaStorage::writeReadRestart);
    }

    private Main() {
    }

    public static void main(String[] arguments) throws Exception {
        Launcher.launch(SCENARIOS, arguments);
    }
}
