/* Consumer groups of one member each, which read the whole topic, or one consumer without a group. */
#include "load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { AT_ONCE = 1000, PATIENCE_MILLISECONDS = 30000 };

struct reader {
    const struct settings *settings;
    pthread_barrier_t *gate; /* opens when every reader has its partitions */
    pthread_t thread;
    int number, passed;
    int64_t finished;
};

static void wait_at_gate(struct reader *reader) {
    if (!reader->passed)
        pthread_barrier_wait(reader->gate);
    reader->passed = 1;
}

static void rebalanced(rd_kafka_t *consumer, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t *partitions, void *reader) {
    int gained = error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && partitions->cnt > 0;
    if (gained) {
        wait_at_gate(reader);
        /* The group is new, so this is where it begins; left to itself this client rests 100 ms before it asks. */
        for (int at = 0; at < partitions->cnt; at++)
            partitions->elems[at].offset = 0;
    }
    rd_kafka_assign(consumer, gained ? partitions : NULL);
}

static rd_kafka_t *member(struct reader *reader) {
    char group[256];
    snprintf(group, sizeof group, "%s-%d", reader->settings->group, reader->number);
    rd_kafka_conf_t *configuration = client_configuration(reader->settings);
    configure(configuration, "group.id", group);
    configure(configuration, "auto.offset.reset", "earliest");
    configure_deep_queue(configuration);
    rd_kafka_conf_set_opaque(configuration, reader);
    rd_kafka_conf_set_rebalance_cb(configuration, rebalanced);
    rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER, configuration);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, reader->settings->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t error = rd_kafka_subscribe(consumer, topics);
    if (error)
        fail("subscribe: %s", rd_kafka_err2str(error));
    rd_kafka_topic_partition_list_destroy(topics);
    return consumer;
}

static long take(rd_kafka_message_t *message) {
    rd_kafka_resp_err_t error = message->err;
    if (error && error != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        fail("consume: %s", rd_kafka_message_errstr(message));
    rd_kafka_message_destroy(message);
    return error ? 0 : 1;
}

/* Returns how many records have come with the partitions already. */
static long join_group(rd_kafka_t *consumer, struct reader *reader) {
    long taken = 0;
    int64_t deadline = now_nanoseconds() + PATIENCE_MILLISECONDS * 1000000LL;
    while (!reader->passed) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        if (message)
            taken += take(message);
        if (!reader->passed && now_nanoseconds() > deadline)
            fail("no partitions were assigned");
    }
    return taken;
}

static void *read_all(void *given) {
    struct reader *reader = given;
    long taken = 0, wanted = reader->settings->records;
    rd_kafka_t *consumer = NULL;
    rd_kafka_queue_t *queue;
    if (reader->settings->groups) {
        consumer = member(reader);
        taken = join_group(consumer, reader);
        queue = rd_kafka_queue_get_consumer(consumer);
    } else {
        wait_at_gate(reader);
        queue = simple_consumer(reader->settings);
    }
    rd_kafka_message_t *messages[AT_ONCE];
    while (taken < wanted) {
        /* This waits until it has as many as it was asked for, so never ask for more than will come. */
        size_t asked = wanted - taken < AT_ONCE ? (size_t)(wanted - taken) : AT_ONCE;
        ssize_t got = rd_kafka_consume_batch_queue(queue, PATIENCE_MILLISECONDS, messages, asked);
        if (got <= 0)
            fail("no record for %d ms, after %ld of %ld", PATIENCE_MILLISECONDS, taken, wanted);
        for (ssize_t at = 0; at < got; at++)
            taken += take(messages[at]);
    }
    reader->finished = now_nanoseconds();
    rd_kafka_queue_destroy(queue);
    /* Leaves the group, so that the broker does not carry its members into the next run. */
    if (consumer)
        rd_kafka_consumer_close(consumer);
    return NULL;
}

static int reader_count(const struct settings *settings) {
    return settings->groups ? settings->groups : 1;
}

static struct reader *begin_reading(const struct settings *settings, pthread_barrier_t *gate) {
    int count = reader_count(settings);
    struct reader *readers = calloc((size_t)count, sizeof *readers);
    pthread_barrier_init(gate, NULL, (unsigned)count + 1);
    for (int number = 0; number < count; number++) {
        readers[number] = (struct reader){.settings = settings, .gate = gate, .number = number};
        if (pthread_create(&readers[number].thread, NULL, read_all, &readers[number]))
            fail("no thread");
    }
    return readers;
}

/* Seconds from `began` to the last record of the last reader. */
static double finish_reading(struct reader *readers, int count, int64_t began) {
    int64_t ended = began;
    for (int number = 0; number < count; number++) {
        pthread_join(readers[number].thread, NULL);
        if (readers[number].finished > ended)
            ended = readers[number].finished;
    }
    return (double)(ended - began) / 1e9;
}

void run_consume(const struct settings *settings) {
    pthread_barrier_t gate;
    struct reader *readers = begin_reading(settings, &gate);
    pthread_barrier_wait(&gate);
    printf("{\"seconds\": %.6f}\n", finish_reading(readers, reader_count(settings), now_nanoseconds()));
}

void run_tail(const struct settings *settings) {
    pthread_barrier_t gate;
    struct reader *readers = begin_reading(settings, &gate);
    struct production *production = prepare_production(settings);
    pthread_barrier_wait(&gate);
    int64_t began = produce_all(production);
    printf("{\"seconds\": %.6f}\n", finish_reading(readers, reader_count(settings), began));
}
