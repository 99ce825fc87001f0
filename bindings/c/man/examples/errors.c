/* Says why a node does not open, by its word and in words. */
#include <lcast.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    lcast_open_options options;
    lcast_node *node;
    lcast_status status;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.realm = "nowhere";
    status = lcast_open(&options, &node);
    if (status == LCAST_NO_REALM) printf("there is no such realm here\n");
    if (status != LCAST_OK) {
        printf("%s: %s\n", lcast_status_name(status), lcast_last_error());
        return 1;
    }
    lcast_close(node);
    return 0;
}
