#include "load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    /* Clients with threads of their own may be in any state. */
    _Exit(1);
}

int64_t now_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void load_payloads(struct payloads *payloads, const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        fail("cannot read %s", path);
    size_t size = (size_t)ftell(file);
    rewind(file);
    payloads->bytes = malloc(size + 1);
    if (!payloads->bytes || fread(payloads->bytes, 1, size, file) != size)
        fail("cannot read %s", path);
    fclose(file);
    char *end = memchr(payloads->bytes, '\n', size);
    if (!end)
        fail("%s has no line", path);
    payloads->length = (size_t)(end - payloads->bytes);
    payloads->count = size / (payloads->length + 1);
}

static void option(struct settings *settings, const char *name, const char *value) {
    if (!strcmp(name, "--bootstrap")) settings->bootstrap = value;
    else if (!strcmp(name, "--topic")) settings->topic = value;
    else if (!strcmp(name, "--acks")) settings->acks = value;
    else if (!strcmp(name, "--codec")) settings->codec = value;
    else if (!strcmp(name, "--group")) settings->group = value;
    else if (!strcmp(name, "--payloads")) settings->payloads = value;
    else if (!strcmp(name, "--records")) settings->records = atol(value);
    else if (!strcmp(name, "--partitions")) settings->partitions = atoi(value);
    else if (!strcmp(name, "--producers")) settings->producers = atoi(value);
    else if (!strcmp(name, "--one-by-one")) settings->one_by_one = atoi(value);
    else if (!strcmp(name, "--groups")) settings->groups = atoi(value);
    else if (!strcmp(name, "--rate")) settings->rate = atof(value);
    else if (!strcmp(name, "--seconds")) settings->seconds = atof(value);
    else fail("unknown option %s", name);
}

int main(int count, char **words) {
    struct settings settings = {.acks = "1", .codec = "none", .group = "load", .partitions = 1, .producers = 1, .groups = 1};
    if (count % 2)
        fail("usage: librdkafka-load produce|consume|tail|latency --option value ...");
    for (int at = 2; at < count; at += 2)
        option(&settings, words[at], words[at + 1]);
    if (!settings.bootstrap || !settings.topic)
        fail("--bootstrap and --topic are needed");
    if (!strcmp(words[1], "produce")) run_produce(&settings);
    else if (!strcmp(words[1], "consume")) run_consume(&settings);
    else if (!strcmp(words[1], "tail")) run_tail(&settings);
    else if (!strcmp(words[1], "latency")) run_latency(&settings);
    else fail("unknown command %s", words[1]);
    return 0;
}
