/* Asks all nodes with a label for their load, and waits for the account. */
#include <lcast.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    const char *patterns[] = {"system.cpu.load_1m"}, *labels[] = {"role=web"};
    lcast_question_options options;
    lcast_node *node;
    lcast_stream *replies;
    lcast_event *event;
    double load;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.labels = labels;
    options.label_count = 1;
    options.timeout_ms = 5000;
    if (lcast_open(NULL, &node) != LCAST_OK ||
        lcast_get(node, patterns, 1, &options, &replies) != LCAST_OK) {
        fprintf(stderr, "%s\n", lcast_last_error());
        return 1;
    }
    while (lcast_next_event(replies, -1, &event) == LCAST_OK) {
        if (lcast_event_kind_of(event) == LCAST_EVENT_REPORT)
            printf("%zu answered\n", lcast_report_count(event, LCAST_CLASS_ANSWERED));
        else if (lcast_value_float(lcast_event_value(event, 0), &load) == LCAST_OK)
            printf("%s: %g\n", lcast_event_node(event), load);
        lcast_event_free(event);
    }
    lcast_stream_free(replies);
    lcast_close(node);
    return 0;
}
