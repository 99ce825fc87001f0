/* variables
 *
 * Prints which variables the nodes have: node, name, type, unit, and whether it can be set.
 */
#include <lcast.h>
#include <stdio.h>

static void print_item(const lcast_event *reply, size_t i) {
    const lcast_value *what = lcast_event_value(reply, i);
    int settable = 0;

    lcast_value_bool(lcast_value_find(what, "settable"), &settable);
    printf("%s: %s %s [%s]%s\n", lcast_event_node(reply), lcast_event_name(reply, i),
           lcast_value_text(lcast_value_find(what, "type"), NULL), lcast_event_unit(reply, i),
           settable ? " settable" : "");
}

int main(void) {
    lcast_node *me;
    lcast_stream *replies;
    lcast_event *event;
    lcast_status status;
    size_t i;

    if (lcast_open(NULL, &me) != LCAST_OK || lcast_variables(me, NULL, &replies) != LCAST_OK) {
        fprintf(stderr, "%s\n", lcast_last_error());
        return 1;
    }
    while ((status = lcast_next_event(replies, -1, &event)) == LCAST_OK) {
        for (i = 0; i < lcast_event_count(event); i++) print_item(event, i);
        lcast_event_free(event);
    }
    lcast_stream_free(replies);
    lcast_close(me);
    return status == LCAST_END ? 0 : 1;
}
