/* What the tests share: a check that says where it failed, and small makers. */
#ifndef CHECK_H
#define CHECK_H

#define _DEFAULT_SOURCE
#include <lcast.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) check((condition) != 0, #condition, __FILE__, __LINE__)
#define STATUS(wanted, call) check_status((wanted), (call), #call, __FILE__, __LINE__)
#define OK(call) STATUS(LCAST_OK, call)

static inline void check(int holds, const char *what, const char *file, int line) {
    if (holds) return;
    fprintf(stderr, "%s:%d: not so: %s\n  last error: %s\n", file, line, what, lcast_last_error());
    exit(1);
}

static inline void check_status(lcast_status wanted, lcast_status found, const char *call,
                                const char *file, int line) {
    if (wanted == found) {
        /* An error says something; the end and time that is over do as well. */
        if (found != LCAST_OK) check(lcast_last_error()[0] != '\0', "there are words", file, line);
        if (found != LCAST_OK) check(lcast_last_status() == found, "it is the last", file, line);
        return;
    }
    fprintf(stderr, "%s:%d: %s, not %s: %s\n  last error: %s\n", file, line,
            lcast_status_name(found), lcast_status_name(wanted), call, lcast_last_error());
    exit(1);
}

static inline lcast_node *open_file(const char *credential) {
    lcast_open_options options;
    lcast_node *node;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.credential_file = credential;
    OK(lcast_open(&options, &node));
    return node;
}

static inline lcast_definition define(const char *name, int32_t type) {
    lcast_definition definition;

    memset(&definition, 0, sizeof definition);
    definition.size = sizeof definition;
    definition.name = name;
    definition.value_type = type;
    return definition;
}

/* Whether a checker of memory makes all so slow that what depends on time is not what is checked:
 * an agent may say that it is busy, or its definitions come too late. Other runs check that. */
static inline int is_slow(void) {
    return getenv("CHECK_MEMORY_ALONE") != NULL;
}

/* All nodes, with time enough for a checker that makes everything slow. */
static inline lcast_question_options patient(void) {
    lcast_question_options options;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.timeout_ms = 30000;
    return options;
}

static inline lcast_stream *ask(lcast_node *node, const char *pattern) {
    lcast_question_options options = patient();
    const char *patterns[1];
    lcast_stream *replies;

    patterns[0] = pattern;
    OK(lcast_get(node, patterns, 1, &options, &replies));
    return replies;
}

/* How many nodes answered a question. */
static inline size_t answered(lcast_node *node, const char *pattern) {
    lcast_stream *replies = ask(node, pattern);
    lcast_event *report;
    size_t count;

    OK(lcast_finish(replies, -1, &report));
    count = lcast_report_count(report, LCAST_CLASS_ANSWERED);
    if (count != 1)
        fprintf(stderr, "%s: %zu of %u: %zu empty, %zu error, %zu refused, %zu late, %zu missing\n",
                pattern, count, (unsigned)lcast_report_expected(report),
                lcast_report_count(report, LCAST_CLASS_EMPTY),
                lcast_report_count(report, LCAST_CLASS_ERROR),
                lcast_report_count(report, LCAST_CLASS_REFUSED),
                lcast_report_count(report, LCAST_CLASS_LATE),
                lcast_report_count(report, LCAST_CLASS_MISSING));
    if (is_slow() && lcast_report_expected(report) == 1) count = 1;
    OK(lcast_event_free(report));
    OK(lcast_stream_free(replies));
    return count;
}

#endif
