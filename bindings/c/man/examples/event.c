/* Prints what some variables are everywhere, and what becomes of them: ten events in all. */
#include <lcast.h>
#include <stdio.h>

int main(int argc, char **argv) {
    const char *patterns[] = {argc > 1 ? argv[1] : "app.*"};
    lcast_node *node;
    lcast_stream *watch;
    lcast_event *event;
    char text[200];
    int left = 10;

    if (lcast_open(NULL, &node) != LCAST_OK ||
        lcast_watch(node, patterns, 1, NULL, &watch) != LCAST_OK) {
        fprintf(stderr, "%s\n", lcast_last_error());
        return 1;
    }
    while (left-- > 0 && lcast_next_event(watch, 60000, &event) == LCAST_OK) {
        if (lcast_event_kind_of(event) == LCAST_EVENT_LEFT)
            printf("%s: %s\n", lcast_event_node(event), lcast_event_reason(event));
        for (size_t i = 0; i < lcast_event_count(event); i++) {
            /* What does not fit is cut. */
            lcast_value_print(lcast_event_value(event, i), text, sizeof text, NULL);
            printf("%s: %s = %s %s\n", lcast_event_node(event), lcast_event_name(event, i), text,
                   lcast_event_unit(event, i));
        }
        fflush(stdout);
        lcast_event_free(event);
    }
    lcast_stream_free(watch);
    lcast_close(node);
    return 0;
}
