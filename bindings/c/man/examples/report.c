/* Asks everybody for nothing but the account, and names who did not answer. */
#include <lcast.h>
#include <stdio.h>

int main(void) {
    const char *patterns[] = {"host.name"};
    lcast_node *node;
    lcast_stream *replies;
    lcast_event *report;

    if (lcast_open(NULL, &node) != LCAST_OK ||
        lcast_get(node, patterns, 1, NULL, &replies) != LCAST_OK ||
        lcast_finish(replies, -1, &report) != LCAST_OK) {
        fprintf(stderr, "%s\n", lcast_last_error());
        return 1;
    }
    printf("%zu of %u answered\n", lcast_report_count(report, LCAST_CLASS_ANSWERED),
           (unsigned)lcast_report_expected(report));
    for (int32_t what = LCAST_CLASS_EMPTY; what <= LCAST_CLASS_MISSING; what++)
        for (size_t i = 0; i < lcast_report_count(report, what); i++)
            printf("%s: %s\n", lcast_report_node(report, what, i),
                   lcast_report_reason(report, what, i));
    lcast_event_free(report);
    lcast_stream_free(replies);
    lcast_close(node);
    return 0;
}
