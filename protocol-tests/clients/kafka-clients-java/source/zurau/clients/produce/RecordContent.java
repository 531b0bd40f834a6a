package zurau.clients.produce;

import java.util.Arrays;
import java.util.Random;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import zurau.clients.Expect;

/** Makes the record of a number, always the same, and compares what came back with it byte by byte. */
final class RecordContent {
    private static final long FIRST_TIMESTAMP = 1_700_000_000_000L;

    private final int partitions;

    RecordContent(int partitions) {
        this.partitions = partitions;
    }

    ProducerRecord<byte[], byte[]> record(String topic, int number) {
        Random random = new Random(number);
        byte[] key = number % 5 == 0 ? null : bytes(random, number % 40);
        // Every seventh is a tombstone, and number 0 of each pattern gives empty values.
        byte[] value = number % 7 == 3 ? null : bytes(random, random.nextInt(300));
        Headers headers = new RecordHeaders();
        for (int index = 0; index < number % 4; index++) {
            headers.add("same", bytes(random, index));
        }
        if (number % 11 == 0) {
            headers.add("null", null).add("", bytes(random, 3)).add("größe", bytes(random, 20));
        }
        return new ProducerRecord<>(topic, number % partitions, FIRST_TIMESTAMP + number * 3L, key, value, headers);
    }

    private static byte[] bytes(Random random, int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    /** Checks a record that was read; its number follows from partition and offset, since numbers were sent in order. */
    void check(ConsumerRecord<byte[], byte[]> read) {
        int number = (int) read.offset() * partitions + read.partition();
        ProducerRecord<byte[], byte[]> sent = record(read.topic(), number);
        String what = "record " + number + " at " + read.topic() + "-" + read.partition() + "@" + read.offset();
        Expect.that(Arrays.equals(sent.key(), read.key()), "other key of " + what);
        Expect.that(Arrays.equals(sent.value(), read.value()), "other value of " + what);
        Expect.equal(sent.timestamp(), read.timestamp(), "timestamp of " + what);
        Header[] expected = sent.headers().toArray();
        Header[] actual = read.headers().toArray();
        Expect.equal(expected.length, actual.length, "number of headers of " + what);
        for (int index = 0; index < expected.length; index++) {
            Expect.equal(expected[index].key(), actual[index].key(), "header key of " + what);
            Expect.that(Arrays.equals(expected[index].value(), actual[index].value()), "other header of " + what);
        }
    }
}
