/* What the bench asks of the runner in C; the lines are told in src/bin/conformance-rust/timing.rs.
 */

#define _POSIX_C_SOURCE 200809L

#include "form.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "timing.h"

/* How long nothing comes after the last change, and before the first. */
enum { QUIET_MS = 1000, BEGIN_MS = 60000 };

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Takes the events up to the report, which must count so many answers. */
static void to_report(lcast_stream *stream, size_t answers)
{
    for (int is_last = 0; !is_last;) {
        lcast_event *event;
        check(lcast_next_event(stream, -1, &event), "an event");
        is_last = lcast_event_kind_of(event) == LCAST_EVENT_REPORT;
        if (is_last && lcast_report_count(event, LCAST_CLASS_ANSWERED) != answers)
            die("the report", "not all have answered");
        lcast_event_free(event);
    }
}

static void get(const lcast_node *node, int count, const char *pattern, size_t answers)
{
    for (int index = 0; index < count; index++) {
        lcast_stream *stream;
        int64_t begin = now_us();
        check(lcast_get(node, &pattern, 1, NULL, &stream), pattern);
        to_report(stream, answers);
        lcast_stream_free(stream);
        printf("%s%" PRId64, index > 0 ? " " : "", now_us() - begin);
    }
    putchar('\n');
    fflush(stdout);
}

static void watch(const lcast_node *node, const char *pattern, size_t answers)
{
    lcast_stream *stream;
    lcast_event *event;
    int64_t first = 0, last = 0;
    uint64_t told = 0, skipped = 0, lost = 0;
    check(lcast_watch(node, &pattern, 1, NULL, &stream), pattern);
    to_report(stream, answers);
    puts("watching");
    fflush(stdout);
    while (lcast_next_event(stream, first > 0 ? QUIET_MS : BEGIN_MS, &event) == LCAST_OK) {
        if (lcast_event_kind_of(event) == LCAST_EVENT_CHANGED) {
            size_t count = lcast_event_count(event);
            last = now_us();
            first = first > 0 ? first : last;
            told += count;
            for (size_t index = 0; index < count; index++)
                skipped += lcast_event_skipped(event, index);
        }
        lost += lcast_event_lost(event);
        lcast_event_free(event);
    }
    lcast_stream_free(stream);
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 "\n", told, skipped, lost, last - first);
    fflush(stdout);
}

int measure(const char *credential)
{
    lcast_open_options options = {.size = sizeof options, .credential_file = credential};
    lcast_node *node;
    char *line = NULL;
    size_t room = 0;
    check(lcast_open(&options, &node), credential);
    puts("ready");
    fflush(stdout);
    while (getline(&line, &room, stdin) != -1) {
        char pattern[128];
        int count;
        size_t answers;
        if (sscanf(line, "get %d %127s %zu", &count, pattern, &answers) == 3)
            get(node, count, pattern, answers);
        else if (sscanf(line, "watch %127s %zu", pattern, &answers) == 2)
            watch(node, pattern, answers);
        else
            die(line, "nothing to measure");
    }
    free(line);
    check(lcast_close(node), "closing the node");
    return 0;
}
