package zurau.ecosystem.mirror;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import zurau.ecosystem.Broker;
import zurau.ecosystem.Run;
import zurau.ecosystem.process.Worker;

/** MirrorMaker 2 as a process of its own, with what its users set, and in a hurry. */
final class MirrorMaker {
    private static final List<String> INTERNAL_TOPICS = List.of(
        "checkpoints.topic", "heartbeats.topic", "offset-syncs.topic", "offset.storage", "status.storage",
        "config.storage");
    private static final List<String> INTERVALS = List.of(
        "refresh.topics", "refresh.groups", "sync.topic.configs", "emit.checkpoints", "sync.group.offsets",
        "emit.heartbeats");

    private MirrorMaker() {
    }

    /** Mirrors topics and groups of these names from one broker to the other. */
    static Worker start(Run run, Broker source, Broker target, String topic, String group)
        throws Exception {
        Map<String, String> settings = new HashMap<>(Map.of(
            "clusters", "source,target",
            "source.bootstrap.servers", source.servers(),
            "target.bootstrap.servers", target.servers(),
            "source->target.enabled", "true",
            "source->target.topics", topic,
            "source->target.groups", group,
            "target->source.enabled", "false",
            "sync.topic.acls.enabled", "false",
            "sync.group.offsets.enabled", "true"));
        // Each record's offset is noted, or the offsets of groups would be translated only roughly.
        settings.put("offset.lag.max", "0");
        settings.put("offset.flush.interval.ms", "500");
        settings.put("replication.factor", "1");
        // Its connectors name themselves on the class path; three scans of it take longer than all the rest.
        settings.put("source.plugin.discovery", "service_load");
        settings.put("target.plugin.discovery", "service_load");
        INTERNAL_TOPICS.forEach(name -> settings.put(name + ".replication.factor", "1"));
        INTERVALS.forEach(name -> settings.put(name + ".interval.seconds", "1"));
        Path file = Worker.properties(run.path("mirror-maker.properties"), settings);
        return Worker.start("MirrorMaker", run.path("mirror-maker.log"),
            "org.apache.kafka.connect.mirror.MirrorMaker", List.of(file));
    }

    /** The name under which the target has a topic of the source. */
    static String mirrored(String topic) {
        return "source." + topic;
    }
}
