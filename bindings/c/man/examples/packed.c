/* Takes the events of a question in batches, and prints the kind and the length of each. */
#include <lcast.h>
#include <stdio.h>

int main(void) {
    const char *patterns[] = {"host.name"};
    lcast_node *node;
    lcast_stream *replies;
    lcast_value *events;

    if (lcast_open(NULL, &node) != LCAST_OK ||
        lcast_get(node, patterns, 1, NULL, &replies) != LCAST_OK) {
        fprintf(stderr, "%s\n", lcast_last_error());
        return 1;
    }
    while (lcast_next_packed(replies, -1, 256, &events) == LCAST_OK) {
        size_t length;
        const uint8_t *at = lcast_value_bytes(events, &length), *end = at + length;
        while (at < end) {
            uint32_t part = at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
            printf("kind %d, %u bytes\n", at[4], (unsigned)part);
            at += 4 + part;
        }
        lcast_value_free(events);
    }
    lcast_stream_free(replies);
    lcast_close(node);
    return 0;
}
