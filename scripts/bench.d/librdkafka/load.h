/* A load made with librdkafka. Each command is one run against one broker and prints its figures as one line of JSON. */
#ifndef LOAD_H
#define LOAD_H

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

struct settings {
    const char *bootstrap, *topic, *acks, *codec, *group, *payloads;
    long records;    /* of all producers together; each group reads all of them */
    int partitions, producers;
    int one_by_one; /* whether a producer sends one record in a request, and waits for the answer */
    int groups; /* 0: one consumer without a group */
    double rate, seconds;
};

/* The records to send, one per line of a file, so that every client sends the same ones. */
struct payloads {
    char *bytes;
    size_t count, length;
};

void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
int64_t now_nanoseconds(void);
void load_payloads(struct payloads *payloads, const char *path);

rd_kafka_conf_t *client_configuration(const struct settings *settings);
void configure(rd_kafka_conf_t *configuration, const char *name, const char *value);
rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *configuration);
rd_kafka_t *producer_client(const struct settings *settings, const char *linger_milliseconds);
/* With a full queue a consumer rests for up to a second, which says nothing about the broker: make that rare. */
void configure_deep_queue(rd_kafka_conf_t *configuration);
/* The records of every partition from offset 0. */
rd_kafka_queue_t *simple_consumer(const struct settings *settings);
/* How many records this client could not deliver. */
long undelivered(rd_kafka_t *producer);

/* Producers that are connected and wait to be let go. */
struct production;
struct production *prepare_production(const struct settings *settings);
/* Lets them go, waits until every record is acknowledged; returns the moment of the beginning. */
int64_t produce_all(struct production *production);

void run_produce(const struct settings *settings);
void run_consume(const struct settings *settings);
void run_tail(const struct settings *settings);
void run_latency(const struct settings *settings);

#endif
