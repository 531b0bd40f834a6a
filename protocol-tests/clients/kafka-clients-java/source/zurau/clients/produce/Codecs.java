package zurau.clients.produce;

import java.util.List;
import zurau.clients.Broker;

/** Compression by the producer, and by the broker where the topic asks for another codec. */
public final class Codecs {
    private static final int COUNT = 6_000;

    private Codecs() {
    }

    public static void everyCodec(Broker broker) throws Exception {
        for (String codec : List.of("gzip", "snappy", "lz4", "zstd")) {
            String topic = broker.name(codec);
            broker.createTopic(topic, 6);
            RoundTrip.send(broker, topic, COUNT, "compression.type", codec, "linger.ms", 20);
            RoundTrip.check(broker, topic, COUNT);
        }
    }

    /** What the producer compressed with one codec is stored with another, offsets and timestamps kept. */
    public static void topicCodec(Broker broker) throws Exception {
        for (String codec : List.of("uncompressed", "gzip", "snappy", "lz4", "zstd")) {
            String topic = broker.name("to-" + codec);
            broker.createTopic(topic, 6, "compression.type", codec);
            RoundTrip.send(broker, topic, COUNT / 2, "compression.type", codec.equals("zstd") ? "gzip" : "zstd",
                "linger.ms", 20);
            RoundTrip.check(broker, topic, COUNT / 2);
        }
    }
}
