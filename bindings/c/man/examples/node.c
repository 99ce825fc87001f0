/* Opens a node in the realm that the commands would choose, and pings another. */
#include <lcast.h>
#include <stdio.h>

int main(int argc, char **argv) {
    const char *patterns[] = {"host.name"};
    lcast_node *node;
    lcast_stream *replies;
    lcast_event *report;
    int64_t micros;

    if (argc != 2 || lcast_open(NULL, &node) != LCAST_OK) {
        fprintf(stderr, "node NAME: %s\n", lcast_last_error());
        return 1;
    }
    printf("%s of the realm %s\n", lcast_node_name(node), lcast_node_realm(node));
    /* Who has answered a question is known; who was never heard is not pinged. */
    if (lcast_get(node, patterns, 1, NULL, &replies) == LCAST_OK) {
        if (lcast_finish(replies, -1, &report) == LCAST_OK) lcast_event_free(report);
        lcast_stream_free(replies);
    }
    if (lcast_ping(node, argv[1], 2000, &micros) == LCAST_OK)
        printf("%s answered after %.3f ms\n", argv[1], (double)micros / 1000);
    else
        printf("%s\n", lcast_last_error());
    lcast_close(node);
    return 0;
}
