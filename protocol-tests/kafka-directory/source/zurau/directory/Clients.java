package zurau.directory;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** How clients are made here. */
final class Clients {
    private Clients() {
    }

    static Map<String, Object> settings(String bootstrap) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        // What a client sends home is no matter of these tests.
        settings.put("enable.metrics.push", false);
        return settings;
    }

    static Admin admin(String bootstrap) {
        Map<String, Object> settings = settings(bootstrap);
        settings.put("default.api.timeout.ms", 30_000);
        return Admin.create(settings);
    }

    static KafkaProducer<byte[], byte[]> producer(String bootstrap, Map<String, Object> more) {
        Map<String, Object> settings = settings(bootstrap);
        settings.put("linger.ms", 5);
        settings.put("acks", "all");
        settings.putAll(more);
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static String digest(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
