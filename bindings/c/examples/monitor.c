/* monitor VARIABLE LIMIT SETTING TEXT
 *
 * Asks all nodes for a number. Where it is above the limit, sets a setting of that node.
 * For example: monitor app.queue.length 10 app.queue.workers 3
 */
#include <lcast.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, lcast_last_error());
    return 1;
}

/* Sets the setting at one node and says what became of it. */
static int act(lcast_node *me, const char *node, const char *setting, const char *text) {
    lcast_question_options options;
    lcast_stream *replies;
    lcast_event *reply;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.on = node;
    if (lcast_set(me, setting, text, &options, &replies) != LCAST_OK) return failed("set");
    while (lcast_next_event(replies, -1, &reply) == LCAST_OK) {
        if (lcast_event_count(reply) > 0)
            printf("%s: %s is %s\n", node, setting, lcast_event_result(reply, 0));
        else if (lcast_event_kind_of(reply) == LCAST_EVENT_REPLY)
            printf("%s: %s\n", node, lcast_event_reason(reply));
        lcast_event_free(reply);
    }
    lcast_stream_free(replies);
    return 0;
}

int main(int argc, char **argv) {
    lcast_node *me;
    lcast_stream *replies;
    lcast_event *event;
    lcast_status status;
    size_t i;

    if (argc != 5) {
        fprintf(stderr, "usage: monitor VARIABLE LIMIT SETTING TEXT\n");
        return 2;
    }
    const char *patterns[] = {argv[1]};
    double limit = atof(argv[2]);

    if (lcast_open(NULL, &me) != LCAST_OK) return failed("open");
    if (lcast_get(me, patterns, 1, NULL, &replies) != LCAST_OK) return failed("get");
    while ((status = lcast_next_event(replies, -1, &event)) == LCAST_OK) {
        for (i = 0; i < lcast_event_count(event); i++) {
            const char *node = lcast_event_node(event);
            double value;
            if (lcast_value_float(lcast_event_value(event, i), &value) != LCAST_OK) continue;
            printf("%s: %s = %g\n", node, lcast_event_name(event, i), value);
            if (value > limit) act(me, node, argv[3], argv[4]);
        }
        if (lcast_event_kind_of(event) == LCAST_EVENT_REPORT) {
            printf("%zu of %u answered\n", lcast_report_count(event, LCAST_CLASS_ANSWERED),
                   (unsigned)lcast_report_expected(event));
            for (i = 0; i < lcast_report_count(event, LCAST_CLASS_MISSING); i++)
                printf("%s is silent\n", lcast_report_node(event, LCAST_CLASS_MISSING, i));
        }
        lcast_event_free(event);
    }
    if (status != LCAST_END) return failed("get");
    lcast_stream_free(replies);
    lcast_close(me);
    return 0;
}
