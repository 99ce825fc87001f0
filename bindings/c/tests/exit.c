/* exit AGENT CLIENT: a program ends in the middle of everything: threads wait, events are in flight,
 * nothing is freed. Its exit code is its own.
 */
#include "check.h"

#include <pthread.h>

static void *wait_in(void *stream) {
    lcast_event *event;

    while (lcast_next_event((lcast_stream *)stream, -1, &event) == LCAST_OK) continue;
    return NULL;
}

int main(int argc, char **argv) {
    lcast_definition definition = define("app.length", LCAST_INT);
    lcast_question_options options = patient();
    const char *patterns[] = {"app.length"};
    lcast_node *agent, *client;
    lcast_variable *variable;
    lcast_stream *watch;
    pthread_t thread;
    int64_t i;

    if (argc != 3) return 2;
    agent = open_file(argv[1]);
    client = open_file(argv[2]);
    OK(lcast_expose(agent, &definition, &variable));
    options.every_ms = 1000;
    OK(lcast_watch(client, patterns, 1, &options, &watch));
    CHECK(pthread_create(&thread, NULL, wait_in, watch) == 0);
    for (i = 0; i < 100; i++) OK(lcast_publish_int(variable, i));
    ask(client, "app.length");
    puts("exit: ok");
    return 0;
}
