/* careless: gives the library what it has not set, so that a checker of memory has something to say.
 */
#include "check.h"

int main(void) {
    lcast_open_options *options = malloc(sizeof *options);
    lcast_node *node;

    CHECK(options != NULL);
    if (lcast_open(options, &node) == LCAST_OK) OK(lcast_close(node));
    free(options);
    puts("careless: ok");
    return 0;
}
