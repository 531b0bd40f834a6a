#include "load.h"

#include <stdlib.h>

void configure(rd_kafka_conf_t *configuration, const char *name, const char *value) {
    char reason[512];
    if (rd_kafka_conf_set(configuration, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
        fail("%s=%s: %s", name, value, reason);
}

rd_kafka_conf_t *client_configuration(const struct settings *settings) {
    rd_kafka_conf_t *configuration = rd_kafka_conf_new();
    configure(configuration, "bootstrap.servers", settings->bootstrap);
    /* Kafka's own clients do not delay small segments either. */
    configure(configuration, "socket.nagle.disable", "true");
    return configuration;
}

void configure_deep_queue(rd_kafka_conf_t *configuration) {
    configure(configuration, "queued.min.messages", "10000000");
    configure(configuration, "queued.max.messages.kbytes", "1048576");
}

rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *configuration) {
    char reason[512];
    rd_kafka_t *client = rd_kafka_new(type, configuration, reason, sizeof reason);
    if (!client)
        fail("no client: %s", reason);
    return client;
}

static void delivered(rd_kafka_t *producer, const rd_kafka_message_t *message, void *failures) {
    (void)producer;
    if (message->err)
        ++*(long *)failures;
}

rd_kafka_t *producer_client(const struct settings *settings, const char *linger_milliseconds) {
    rd_kafka_conf_t *configuration = client_configuration(settings);
    configure(configuration, "acks", settings->acks);
    configure(configuration, "compression.codec", settings->codec);
    configure(configuration, "linger.ms", linger_milliseconds);
    if (settings->one_by_one) {
        configure(configuration, "batch.num.messages", "1");
        configure(configuration, "max.in.flight", "1");
    }
    long *failures = calloc(1, sizeof *failures);
    rd_kafka_conf_set_opaque(configuration, failures);
    rd_kafka_conf_set_dr_msg_cb(configuration, delivered);
    rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, configuration);
    /* Connects, and learns who leads, before any clock runs. */
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, settings->topic, NULL);
    rd_kafka_resp_err_t error = rd_kafka_metadata(producer, 0, topic, &metadata, 30000);
    if (error)
        fail("metadata: %s", rd_kafka_err2str(error));
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    return producer;
}

long undelivered(rd_kafka_t *producer) {
    return *(long *)rd_kafka_opaque(producer);
}

/* A consumer without a group: librdkafka's simple consumer, which asks for nothing but records. */
rd_kafka_queue_t *simple_consumer(const struct settings *settings) {
    rd_kafka_conf_t *configuration = client_configuration(settings);
    configure_deep_queue(configuration);
    rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER, configuration);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, settings->topic, NULL);
    for (int number = 0; number < settings->partitions; number++)
        if (rd_kafka_consume_start_queue(topic, number, 0, queue))
            fail("consume: %s", rd_kafka_err2str(rd_kafka_last_error()));
    return queue;
}
