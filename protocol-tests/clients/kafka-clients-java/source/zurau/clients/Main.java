package zurau.clients;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Runs one scenario by its name. */
public final class Main {
    /** Methods by name only, since not every class can be compiled against the oldest releases. */
    private static final Map<String, String> SCENARIOS = new LinkedHashMap<>();

    static {
        SCENARIOS.put("round-trip", "produce.RoundTrip.hundredThousand");
        SCENARIOS.put("round-trip-edge-cases", "produce.RoundTrip.edgeCases");
        SCENARIOS.put("log-append-time", "produce.RoundTrip.logAppendTime");
        SCENARIOS.put("acks", "produce.RoundTrip.acks");
        SCENARIOS.put("codecs", "produce.Codecs.everyCodec");
        SCENARIOS.put("codecs-recompressed", "produce.Codecs.topicCodec");
        SCENARIOS.put("idempotent-producer", "produce.Idempotence.orderAndNoDuplicates");

        SCENARIOS.put("group-range", "group.Rebalances.range");
        SCENARIOS.put("group-cooperative", "group.Rebalances.cooperative");
        SCENARIOS.put("group-lost-member", "group.Rebalances.lostMember");
        SCENARIOS.put("group-more-partitions", "group.Rebalances.morePartitions");
        SCENARIOS.put("group-static-members", "group.StaticMembers.restartWithoutRebalance");
        SCENARIOS.put("group-static-fenced", "group.StaticMembers.fenced");
        SCENARIOS.put("group-commit", "group.Commits.commitAndResume");
        SCENARIOS.put("group-commit-async", "group.Commits.async");
        SCENARIOS.put("group-auto-commit", "group.Commits.autoCommit");
        SCENARIOS.put("group-too-large", "group.TooLarge.membersGoOn");

        SCENARIOS.put("consumer-protocol-uniform", "group.ConsumerProtocol.uniform");
        SCENARIOS.put("consumer-protocol-range", "group.ConsumerProtocol.range");
        SCENARIOS.put("consumer-protocol-pattern", "group.ConsumerProtocol.pattern");
        SCENARIOS.put("consumer-protocol-unreleased", "group.ConsumerProtocol.unreleased");
        SCENARIOS.put("consumer-protocol-max-poll", "group.ConsumerProtocol.maxPoll");
        SCENARIOS.put("consumer-protocol-restarts", "group.ConsumerProtocol.restarts");
        SCENARIOS.put("consumer-protocol-migration-eager", "group.ConsumerProtocol.migrationOfEager");
        SCENARIOS.put("consumer-protocol-migration-cooperative", "group.ConsumerProtocol.migrationOfCooperative");
        for (String scenario : List.of("group-more-partitions", "group-static-members",
            "group-commit", "group-commit-async", "group-auto-commit", "consumer-seek", "consumer-pause",
            "consumer-pattern", "consumer-offset-reset", "consumer-lag", "transactions-offsets", "restart-clean", "restart-killed",
            "restart-live-clients")) {
            // Those of the classic protocol over again.
            SCENARIOS.put("consumer-protocol-" + scenario, scenario);
        }

        SCENARIOS.put("transactions", "transactions.Outcomes.commitAndAbort");
        SCENARIOS.put("transactions-open", "transactions.Outcomes.openTransaction");
        SCENARIOS.put("transactions-concurrent", "transactions.Outcomes.concurrent");
        SCENARIOS.put("transactions-fenced", "transactions.Fencing.secondProducer");
        SCENARIOS.put("transactions-zombie", "transactions.Fencing.zombieSends");
        SCENARIOS.put("transactions-time-up", "transactions.Fencing.timeUp");
        SCENARIOS.put("transactions-too-much-time", "transactions.Fencing.tooMuchTime");
        SCENARIOS.put("transactions-offsets", "transactions.Offsets.readProcessWrite");
        SCENARIOS.put("transactions-offsets-pending", "transactions.Offsets.pending");
        SCENARIOS.put("transactions-offsets-stale-member", "transactions.Offsets.staleMember");
        SCENARIOS.put("transactions-version-1", "transactions.FirstVersion.everything");
        SCENARIOS.put("transactions-restart", "transactions.Survival.clean");
        SCENARIOS.put("transactions-killed", "transactions.Survival.killed");
        SCENARIOS.put("admin-transactions", "transactions.Administration.listAndDescribe");
        SCENARIOS.put("admin-fence-producers", "transactions.Administration.fenceProducers");
        SCENARIOS.put("admin-abort-transaction", "transactions.Administration.abort");

        SCENARIOS.put("consumer-seek", "consume.Positions.seek");
        SCENARIOS.put("consumer-offsets-for-times", "consume.Positions.offsetsForTimes");
        SCENARIOS.put("consumer-pause", "consume.Subscriptions.pauseAndResume");
        SCENARIOS.put("consumer-pattern", "consume.Subscriptions.pattern");
        SCENARIOS.put("consumer-large-record", "consume.Fetching.recordLargerThanTheLimit");
        SCENARIOS.put("consumer-fetch-wait", "consume.Fetching.minimumBytesAndWait");
        SCENARIOS.put("consumer-read-committed", "consume.Fetching.readCommitted");
        SCENARIOS.put("consumer-offset-reset", "consume.OffsetReset.everyPolicy");
        SCENARIOS.put("consumer-offset-reset-duration", "consume.OffsetReset.byDuration");
        SCENARIOS.put("consumer-lag", "consume.Lag.atTheEnd");
        SCENARIOS.put("fetch-sessions", "consume.FetchSessions.manyPartitions");

        SCENARIOS.put("admin-basics", "admin.AdminBasics.topicsAndGroups");
        SCENARIOS.put("admin-create-topics", "admin.AdminTopics.create");
        SCENARIOS.put("admin-delete-topics", "admin.AdminTopics.delete");
        SCENARIOS.put("admin-create-partitions", "admin.AdminTopics.createPartitions");
        SCENARIOS.put("admin-describe-topics", "admin.AdminTopics.describe");
        SCENARIOS.put("admin-describe-configs", "admin.AdminConfigs.describe");
        SCENARIOS.put("admin-cluster", "admin.AdminCluster.describe");
        SCENARIOS.put("admin-features", "admin.AdminCluster.features");
        SCENARIOS.put("admin-list-offsets", "admin.AdminOffsets.listOffsets");
        SCENARIOS.put("admin-list-groups", "admin.AdminGroups.list");
        SCENARIOS.put("admin-describe-groups", "admin.AdminGroups.describe");
        SCENARIOS.put("admin-group-offsets", "admin.AdminOffsets.groupOffsets");
        SCENARIOS.put("admin-remove-members", "admin.AdminGroups.removeMembers");

        SCENARIOS.put("errors-topics", "errors.TopicErrors.wrongRequests");
        SCENARIOS.put("errors-unknown-topic", "errors.TopicErrors.unknownTopic");
        SCENARIOS.put("errors-produce", "errors.ProduceErrors.refusedRecords");
        SCENARIOS.put("errors-produce-split", "errors.ProduceErrors.splitBatch");
        SCENARIOS.put("errors-groups", "errors.GroupErrors.wrongRequests");
        SCENARIOS.put("errors-group-members", "errors.GroupErrors.refusedMembers");

        SCENARIOS.put("log-directories", "restart.LogDirectories.moves");
        SCENARIOS.put("restart-clean", "restart.Restarts.clean");
        SCENARIOS.put("restart-killed", "restart.Restarts.killed");
        SCENARIOS.put("restart-live-clients", "restart.LiveClients.acrossRestarts");
    }

    private Main() {
    }

    private static Scenario scenario(String place) throws ReflectiveOperationException {
        if (SCENARIOS.containsKey(place)) {
            Scenario classic = scenario(SCENARIOS.get(place));
            return broker -> classic.run(broker.withConsumerProtocol());
        }
        int dot = place.lastIndexOf('.');
        Method method = Class.forName("zurau.clients." + place.substring(0, dot))
            .getMethod(place.substring(dot + 1), Broker.class);
        return broker -> {
            try {
                method.invoke(null, broker);
            } catch (InvocationTargetException thrown) {
                throw thrown.getCause();
            }
        };
    }

    public static void main(String[] arguments) {
        if (arguments.length == 1 && arguments[0].equals("--list")) {
            SCENARIOS.keySet().forEach(System.out::println);
            return;
        }
        if (arguments.length != 1 || !SCENARIOS.containsKey(arguments[0])) {
            System.err.println("usage: scenario NAME, with a NAME of " + SCENARIOS.keySet());
            System.exit(2);
        }
        String name = arguments[0];
        long started = System.nanoTime();
        int status = 0;
        try {
            scenario(SCENARIOS.get(name)).run(Broker.fromEnvironment(name));
            System.out.printf("passed %s in %.1f s%n", name, (System.nanoTime() - started) / 1e9);
        } catch (Skipped skipped) {
            System.out.println("skipped " + name + ": " + skipped.getMessage());
        } catch (Throwable failure) {
            System.out.println("FAILED " + name + ": " + failure);
            failure.printStackTrace(System.out);
            status = 1;
        }
        System.out.flush();
        // Clients of a failed scenario may have threads left; they must not keep the process.
        Runtime.getRuntime().halt(status);
    }
}
