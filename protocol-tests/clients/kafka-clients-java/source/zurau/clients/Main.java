package zurau.clients;

import java.util.LinkedHashMap;
import java.util.Map;
import zurau.clients.admin.AdminCluster;
import zurau.clients.admin.AdminConfigs;
import zurau.clients.admin.AdminGroups;
import zurau.clients.admin.AdminOffsets;
import zurau.clients.admin.AdminTopics;
import zurau.clients.consume.Fetching;
import zurau.clients.consume.FetchSessions;
import zurau.clients.consume.OffsetReset;
import zurau.clients.consume.Positions;
import zurau.clients.consume.Subscriptions;
import zurau.clients.errors.GroupErrors;
import zurau.clients.errors.ProduceErrors;
import zurau.clients.errors.TopicErrors;
import zurau.clients.group.Commits;
import zurau.clients.group.Rebalances;
import zurau.clients.group.StaticMembers;
import zurau.clients.produce.Codecs;
import zurau.clients.produce.Idempotence;
import zurau.clients.produce.RoundTrip;
import zurau.clients.restart.LiveClients;
import zurau.clients.restart.Restarts;

/** Runs one scenario by its name. */
public final class Main {
    private static final Map<String, Scenario> SCENARIOS = new LinkedHashMap<>();

    static {
        SCENARIOS.put("round-trip", RoundTrip::hundredThousand);
        SCENARIOS.put("round-trip-edge-cases", RoundTrip::edgeCases);
        SCENARIOS.put("log-append-time", RoundTrip::logAppendTime);
        SCENARIOS.put("acks", RoundTrip::acks);
        SCENARIOS.put("codecs", Codecs::everyCodec);
        SCENARIOS.put("codecs-recompressed", Codecs::topicCodec);
        SCENARIOS.put("idempotent-producer", Idempotence::orderAndNoDuplicates);
        SCENARIOS.put("transactional-producer", Idempotence::transactionalIsRefused);

        SCENARIOS.put("group-range", Rebalances::range);
        SCENARIOS.put("group-cooperative", Rebalances::cooperative);
        SCENARIOS.put("group-lost-member", Rebalances::lostMember);
        SCENARIOS.put("group-more-partitions", Rebalances::morePartitions);
        SCENARIOS.put("group-static-members", StaticMembers::restartWithoutRebalance);
        SCENARIOS.put("group-static-fenced", StaticMembers::fenced);
        SCENARIOS.put("group-commit", Commits::commitAndResume);
        SCENARIOS.put("group-commit-async", Commits::async);
        SCENARIOS.put("group-auto-commit", Commits::autoCommit);

        SCENARIOS.put("consumer-seek", Positions::seek);
        SCENARIOS.put("consumer-offsets-for-times", Positions::offsetsForTimes);
        SCENARIOS.put("consumer-pause", Subscriptions::pauseAndResume);
        SCENARIOS.put("consumer-pattern", Subscriptions::pattern);
        SCENARIOS.put("consumer-large-record", Fetching::recordLargerThanTheLimit);
        SCENARIOS.put("consumer-fetch-wait", Fetching::minimumBytesAndWait);
        SCENARIOS.put("consumer-read-committed", Fetching::readCommitted);
        SCENARIOS.put("consumer-offset-reset", OffsetReset::everyPolicy);
        SCENARIOS.put("fetch-sessions", FetchSessions::manyPartitions);

        SCENARIOS.put("admin-create-topics", AdminTopics::create);
        SCENARIOS.put("admin-delete-topics", AdminTopics::delete);
        SCENARIOS.put("admin-create-partitions", AdminTopics::createPartitions);
        SCENARIOS.put("admin-describe-topics", AdminTopics::describe);
        SCENARIOS.put("admin-describe-configs", AdminConfigs::describe);
        SCENARIOS.put("admin-cluster", AdminCluster::describe);
        SCENARIOS.put("admin-features", AdminCluster::features);
        SCENARIOS.put("admin-list-offsets", AdminOffsets::listOffsets);
        SCENARIOS.put("admin-list-groups", AdminGroups::list);
        SCENARIOS.put("admin-describe-groups", AdminGroups::describe);
        SCENARIOS.put("admin-group-offsets", AdminOffsets::groupOffsets);
        SCENARIOS.put("admin-remove-members", AdminGroups::removeMembers);

        SCENARIOS.put("errors-topics", TopicErrors::wrongRequests);
        SCENARIOS.put("errors-unknown-topic", TopicErrors::unknownTopic);
        SCENARIOS.put("errors-produce", ProduceErrors::refusedRecords);
        SCENARIOS.put("errors-groups", GroupErrors::wrongRequests);
        SCENARIOS.put("errors-group-members", GroupErrors::refusedMembers);

        SCENARIOS.put("restart-clean", Restarts::clean);
        SCENARIOS.put("restart-killed", Restarts::killed);
        SCENARIOS.put("restart-live-clients", LiveClients::acrossRestarts);
    }

    private Main() {
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
            SCENARIOS.get(name).run(Broker.fromEnvironment(name));
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
