/* End-to-end latency at a fixed rate. Each record has a moment at which it is due, whether or not the one before it
   could be sent in time, and its latency counts from then: a stall shows in every record that it delays. */
#include "load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WARM_UP_RECORDS = 500, PATIENCE_MILLISECONDS = 30000 };

struct receiver {
    rd_kafka_queue_t *queue;
    long records, received;
    int64_t *latencies;
    pthread_barrier_t warm;
};

static void *receive(void *given) {
    struct receiver *receiver = given;
    long warm_up = 0;
    while (receiver->received < receiver->records) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(receiver->queue, PATIENCE_MILLISECONDS);
        int64_t now = now_nanoseconds(), due;
        if (!message)
            fail("no record for %d ms, after %ld of %ld", PATIENCE_MILLISECONDS, receiver->received, receiver->records);
        if (message->err)
            fail("consume: %s", rd_kafka_message_errstr(message));
        memcpy(&due, message->payload, sizeof due);
        rd_kafka_message_destroy(message);
        if (due)
            receiver->latencies[receiver->received++] = now - due;
        else if (++warm_up == WARM_UP_RECORDS)
            pthread_barrier_wait(&receiver->warm);
    }
    return NULL;
}

static void send_record(rd_kafka_t *producer, rd_kafka_topic_t *topic, char *payload, size_t length, int64_t due) {
    memcpy(payload, &due, sizeof due);
    while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, payload, length, NULL, 0, NULL)) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            fail("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_poll(producer, 10);
    }
    rd_kafka_poll(producer, 0);
}

static int by_size(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static double milliseconds_at(const struct receiver *receiver, double share) {
    long at = (long)(share * (double)receiver->records);
    return (double)receiver->latencies[at < receiver->records ? at : receiver->records - 1] / 1e6;
}

void run_latency(const struct settings *settings) {
    struct payloads payloads;
    load_payloads(&payloads, settings->payloads);
    if (payloads.length < sizeof(int64_t) || settings->rate <= 0 || settings->seconds * settings->rate < 1)
        fail("latency needs --rate, --seconds and records of 8 bytes or more");
    struct receiver receiver = {.records = (long)(settings->rate * settings->seconds), .queue = simple_consumer(settings)};
    receiver.latencies = malloc((size_t)receiver.records * sizeof *receiver.latencies);
    pthread_barrier_init(&receiver.warm, NULL, 2);
    rd_kafka_t *producer = producer_client(settings, "0");
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, settings->topic, NULL);
    pthread_t thread;
    if (pthread_create(&thread, NULL, receive, &receiver))
        fail("no thread");
    for (int sent = 0; sent < WARM_UP_RECORDS; sent++)
        send_record(producer, topic, payloads.bytes, payloads.length, 0);
    pthread_barrier_wait(&receiver.warm);

    int64_t began = now_nanoseconds(), latest = 0;
    for (long sent = 0; sent < receiver.records; sent++) {
        int64_t due = began + (int64_t)((double)sent / settings->rate * 1e9);
        struct timespec moment = {due / 1000000000, due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL);
        int64_t behind = now_nanoseconds() - due;
        if (behind > latest)
            latest = behind;
        send_record(producer, topic, payloads.bytes + (size_t)sent % payloads.count * (payloads.length + 1), payloads.length, due);
    }
    if (rd_kafka_flush(producer, PATIENCE_MILLISECONDS) || undelivered(producer))
        fail("%ld records were not delivered", undelivered(producer));
    pthread_join(thread, NULL);
    qsort(receiver.latencies, (size_t)receiver.records, sizeof *receiver.latencies, by_size);
    printf("{\"p50\": %.4f, \"p99\": %.4f, \"p99_9\": %.4f, \"max\": %.4f, \"sender_behind\": %.4f}\n",
           milliseconds_at(&receiver, 0.5), milliseconds_at(&receiver, 0.99), milliseconds_at(&receiver, 0.999),
           milliseconds_at(&receiver, 1), (double)latest / 1e6);
}
