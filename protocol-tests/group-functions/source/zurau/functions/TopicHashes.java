package zurau.functions;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.metadata.PartitionRecord;
import org.apache.kafka.common.metadata.RegisterBrokerRecord;
import org.apache.kafka.common.metadata.TopicRecord;
import org.apache.kafka.coordinator.common.runtime.KRaftCoordinatorMetadataImage;
import org.apache.kafka.coordinator.group.Utils;
import org.apache.kafka.image.MetadataDelta;
import org.apache.kafka.image.MetadataImage;
import org.apache.kafka.image.MetadataProvenance;

/**
 * Random clusters, and Kafka's hashes of their topics.
 *
 * <pre>
 * broker ID RACK|-                        a new cluster begins with broker 0
 * topic NAME ID REPLICAS;...              the replicas of each partition, as 0,1
 * hash NAME,...|- HASH                    of a group that reads these topics; some may not exist
 * </pre>
 */
final class TopicHashes {
    private static final String[] RACKS = {"a", "b", "eu-west-1a", "eu-west-1b", "réck", "\uffee", "\ud83d\ude80", ",", ",,"};

    private final Random random;
    private final PrintStream out;

    TopicHashes(long seed, PrintStream out) {
        this.random = new Random(seed);
        this.out = out;
    }

    void print(int count) {
        for (int cluster = 0; cluster < count; cluster++) {
            print();
        }
    }

    private void print() {
        MetadataDelta delta = new MetadataDelta.Builder().setImage(MetadataImage.EMPTY).build();
        int brokers = 1 + random.nextInt(6);
        for (int broker = 0; broker < brokers; broker++) {
            String rack = random.nextInt(4) == 0 ? null : RACKS[random.nextInt(RACKS.length)];
            delta.replay(new RegisterBrokerRecord().setBrokerId(broker).setRack(rack).setFenced(false)
                .setIncarnationId(Uuid.randomUuid()).setBrokerEpoch(1));
            out.println("broker " + broker + " " + (rack == null ? "-" : rack));
        }
        List<String> names = new ArrayList<>();
        int topics = 1 + random.nextInt(6);
        for (int topic = 0; topic < topics; topic++) {
            String name = "topic." + "_-x".charAt(random.nextInt(3)) + random.nextInt(1000);
            if (names.contains(name)) {
                continue;
            }
            names.add(name);
            Uuid id = new Uuid(random.nextLong(), random.nextLong());
            delta.replay(new TopicRecord().setName(name).setTopicId(id));
            List<String> partitions = new ArrayList<>();
            int count = 1 + random.nextInt(random.nextInt(5) == 0 ? 60 : 5);
            for (int partition = 0; partition < count; partition++) {
                List<Integer> replicas = new ArrayList<>();
                List<String> printed = new ArrayList<>();
                int copies = 1 + random.nextInt(3);
                for (int copy = 0; copy < copies; copy++) {
                    // Some replicas are on a broker that is not there.
                    int replica = random.nextInt(brokers + 1);
                    if (!replicas.contains(replica)) {
                        replicas.add(replica);
                        printed.add(Integer.toString(replica));
                    }
                }
                delta.replay(new PartitionRecord().setTopicId(id).setPartitionId(partition).setReplicas(replicas)
                    .setIsr(replicas).setLeader(replicas.get(0)).setLeaderEpoch(1).setPartitionEpoch(1)
                    .setDirectories(replicas.stream().map(replica -> Uuid.ZERO_UUID).toList()));
                partitions.add(String.join(",", printed));
            }
            out.println("topic " + name + " " + id + " " + String.join(";", partitions));
        }
        var image = new KRaftCoordinatorMetadataImage(delta.apply(MetadataProvenance.EMPTY));
        for (String name : names) {
            hash(List.of(name), image);
        }
        names.add("missing");
        hash(names, image);
        hash(List.of(), image);
    }

    private void hash(List<String> names, KRaftCoordinatorMetadataImage image) {
        Map<String, Long> hashes = new HashMap<>();
        names.stream().filter(name -> image.topicMetadata(name).isPresent())
            .forEach(name -> hashes.put(name, Utils.computeTopicHash(name, image)));
        out.println("hash " + (names.isEmpty() ? "-" : String.join(",", names)) + " " + Utils.computeGroupHash(hashes));
    }
}
