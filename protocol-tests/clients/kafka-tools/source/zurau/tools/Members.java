package zurau.tools;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Consumers that are there while tools look at their groups. Each line of input, {@code GROUP TOPIC PARTITIONS [key=value
 * ...]}, begins one, which is answered when it has so many partitions; {@code end} ends all of them.
 */
public final class Members {
    private Members() {}

    public static void main(String[] arguments) throws Exception {
        AtomicBoolean ended = new AtomicBoolean();
        List<Thread> members = new ArrayList<>();
        Scanner lines = new Scanner(System.in);
        while (lines.hasNextLine()) {
            String[] words = lines.nextLine().split(" ");
            if (words[0].equals("end")) {
                break;
            }
            Thread member = new Thread(() -> belong(arguments[0], words, ended));
            member.start();
            members.add(member);
        }
        ended.set(true);
        for (Thread member : members) {
            member.join();
        }
        System.out.println("ended");
    }

    private static void belong(String bootstrap, String[] words, AtomicBoolean ended) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", words[0]);
        settings.put("auto.offset.reset", "earliest");
        settings.put("auto.commit.interval.ms", 100);
        for (int index = 3; index < words.length; index++) {
            String[] setting = words[index].split("=", 2);
            settings.put(setting[0], setting[1]);
        }
        try (KafkaConsumer<byte[], byte[]> consumer =
                 new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(words[1]));
            boolean told = false;
            while (!ended.get()) {
                consumer.poll(Duration.ofMillis(100));
                if (!told && consumer.assignment().size() == Integer.parseInt(words[2])) {
                    told = true;
                    System.out.println("settled");
                }
            }
        } catch (RuntimeException problem) {
            System.out.println("failed " + problem);
        }
    }
}
