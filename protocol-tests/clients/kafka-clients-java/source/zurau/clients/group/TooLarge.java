package zurau.clients.group;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** What a group wants to have written is larger than a batch of its log may be. */
public final class TooLarge {
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final String LOG = "__consumer_offsets";
    private static final int PARTITIONS = 400;

    private TooLarge() {
    }

    /** Its members are told, neither hang nor lose what they had, and go on as soon as there is room. */
    public static void membersGoOn(Broker broker) throws Exception {
        String wide = broker.name("wide");
        String narrow = broker.name("narrow");
        broker.createTopic(wide, PARTITIONS);
        broker.createTopic(narrow, 2);
        broker.produceNumbers(wide, 7, 0, 10, 10);
        try (Admin admin = broker.admin();
             KafkaConsumer<byte[], byte[]> member = broker.consumer("group.id", broker.name("members"));
             KafkaConsumer<byte[], byte[]> outside = broker.consumer("group.id", broker.name("outside"))) {
            TopicPartition first = new TopicPartition(narrow, 0);
            TopicPartition second = new TopicPartition(narrow, 1);
            // This also makes the log.
            outside.commitSync(Map.of(first, new OffsetAndMetadata(3, "small")));
            batchesOf(admin, 1000);

            member.subscribe(List.of(wide));
            refusedPoll(member);
            Expect.equal(Set.of(), member.assignment(), "what a member has whose assignment was not written");
            refusedPoll(member);

            OffsetAndMetadata large = new OffsetAndMetadata(4, "x".repeat(600));
            Expect.failure(KafkaException.class, "a commit that is too large", () -> {
                outside.commitSync(Map.of(first, large, second, large));
                return "the commit";
            });
            Expect.equal(3L, outside.committed(Set.of(first)).get(first).offset(), "the commit before");
            outside.commitSync(Map.of(first, large));
            Expect.equal(large, outside.committed(Set.of(first)).get(first), "a smaller commit after it");

            batchesOf(admin, 1_048_588);
            Broker.poll(member, 10, LIMIT);
            Expect.equal(PARTITIONS, member.assignment().size(), "partitions of the only member");
            member.commitSync();
            // What was too large a moment ago is so no more.
            outside.commitSync(Map.of(first, large, second, large));
        }
    }

    private static void refusedPoll(KafkaConsumer<byte[], byte[]> member) throws Exception {
        Expect.within(LIMIT, "the member is told", () -> {
            try {
                member.poll(Duration.ofMillis(200));
                return false;
            } catch (KafkaException refusal) {
                System.out.println("refused with " + refusal.getMessage());
                return true;
            }
        });
    }

    private static void batchesOf(Admin admin, int bytes) throws Exception {
        AlterConfigOp set = new AlterConfigOp(new ConfigEntry("max.message.bytes", "" + bytes), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, LOG), List.of(set))).all().get();
    }
}
