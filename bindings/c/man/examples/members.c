/* Lists who is in the realm, after a question to all, which shows who is there. */
#include <lcast.h>
#include <stdio.h>

int main(void) {
    const char *patterns[] = {"host.name"};
    lcast_node *node;
    lcast_stream *replies;
    lcast_event *report;
    lcast_members *members;

    if (lcast_open(NULL, &node) != LCAST_OK ||
        lcast_get(node, patterns, 1, NULL, &replies) != LCAST_OK ||
        lcast_finish(replies, -1, &report) != LCAST_OK ||
        lcast_members_of(node, &members) != LCAST_OK) {
        fprintf(stderr, "%s\n", lcast_last_error());
        return 1;
    }
    for (size_t i = 0; i < lcast_members_count(members); i++) {
        printf("%s (%s) is %s", lcast_members_name(members, i), lcast_members_kind(members, i),
               lcast_members_state(members, i));
        for (size_t label = 0; label < lcast_members_label_count(members, i); label++)
            printf(" %s=%s", lcast_members_label_key(members, i, label),
                   lcast_members_label_value(members, i, label));
        printf("\n");
    }
    lcast_members_free(members);
    lcast_event_free(report);
    lcast_stream_free(replies);
    lcast_close(node);
    return 0;
}
