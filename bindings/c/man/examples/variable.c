/* Exposes a number, by the credential of an agent, until a line comes in. */
#include <lcast.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    lcast_open_options options;
    lcast_definition definition;
    lcast_node *node;
    lcast_variable *length;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.credential_file = argc > 1 ? argv[1] : NULL;
    options.agent = argc < 2;
    memset(&definition, 0, sizeof definition);
    definition.size = sizeof definition;
    definition.name = "app.queue.length";
    definition.value_type = LCAST_INT;
    definition.unit = "{job}";
    definition.description = "Jobs that wait";
    if (lcast_open(&options, &node) != LCAST_OK ||
        lcast_expose(node, &definition, &length) != LCAST_OK ||
        lcast_publish_int(length, 17) != LCAST_OK) {
        fprintf(stderr, "%s\n", lcast_last_error());
        return 1;
    }
    printf("%s: 17\n", lcast_node_name(node));
    fflush(stdout);
    getchar();
    lcast_variable_free(length);
    lcast_close(node);
    return 0;
}
