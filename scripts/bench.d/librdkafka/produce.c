/* One or more producers that send as fast as they can. */
#include "load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct production {
    const struct settings *settings;
    struct payloads payloads;
    pthread_barrier_t gate;
    pthread_t *threads;
};

struct part {
    struct production *production;
    long records;
    int number;
};

static void *produce_part(void *given) {
    struct part *part = given;
    struct production *production = part->production;
    const struct payloads *payloads = &production->payloads;
    rd_kafka_t *producer = producer_client(production->settings, "5");
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, production->settings->topic, NULL);
    size_t line = (size_t)part->number * 997;
    pthread_barrier_wait(&production->gate);
    for (long sent = 0; sent < part->records;) {
        char *payload = payloads->bytes + line % payloads->count * (payloads->length + 1);
        if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, payload, payloads->length, NULL, 0, NULL) == 0) {
            sent++;
            line++;
            if (sent % 256 == 0)
                rd_kafka_poll(producer, 0);
        } else if (rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_poll(producer, 100);
        } else {
            fail("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
        }
    }
    if (rd_kafka_flush(producer, 120000))
        fail("records were not acknowledged within two minutes");
    if (undelivered(producer))
        fail("%ld records were not delivered", undelivered(producer));
    /* The clients themselves end with the process: taking them down is not part of the load. */
    rd_kafka_topic_destroy(topic);
    free(part);
    return NULL;
}

struct production *prepare_production(const struct settings *settings) {
    struct production *production = calloc(1, sizeof *production);
    production->settings = settings;
    load_payloads(&production->payloads, settings->payloads);
    pthread_barrier_init(&production->gate, NULL, (unsigned)settings->producers + 1);
    production->threads = calloc((size_t)settings->producers, sizeof *production->threads);
    for (int number = 0; number < settings->producers; number++) {
        struct part *part = malloc(sizeof *part);
        long records = settings->records / settings->producers + (number < settings->records % settings->producers);
        *part = (struct part){production, records, number};
        if (pthread_create(&production->threads[number], NULL, produce_part, part))
            fail("no thread");
    }
    return production;
}

int64_t produce_all(struct production *production) {
    pthread_barrier_wait(&production->gate);
    int64_t began = now_nanoseconds();
    for (int number = 0; number < production->settings->producers; number++)
        pthread_join(production->threads[number], NULL);
    return began;
}

void run_produce(const struct settings *settings) {
    int64_t began = produce_all(prepare_production(settings));
    printf("{\"seconds\": %.6f}\n", (double)(now_nanoseconds() - began) / 1e9);
}
