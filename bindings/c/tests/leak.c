/* leak AGENT CLIENT [ROUNDS]: so many rounds of everything leave nothing behind: no handle, no file
 * descriptor, no thread, no memory.
 */
#include "check.h"

#include <dirent.h>
#include <limits.h>
#include <unistd.h>

static lcast_node *agent, *client;
static lcast_variable *variable;

static int entries(const char *folder) {
    DIR *opened = opendir(folder);
    int count = 0;

    CHECK(opened != NULL);
    while (readdir(opened) != NULL) count++;
    closedir(opened);
    return count;
}

/* Kilobytes of memory that are the process's own. */
static long memory(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    long size, resident, shared;

    CHECK(file != NULL && fscanf(file, "%ld %ld %ld", &size, &resident, &shared) == 3);
    fclose(file);
    return (resident - shared) * (sysconf(_SC_PAGESIZE) / 1024);
}

/* A variable, and a setting with its changes, that are exposed and dropped. */
static void expose_and_drop(lcast_node *node, int64_t number) {
    lcast_definition length = define("app.length", LCAST_INT);
    lcast_definition workers = define("app.workers", LCAST_INT);
    lcast_variable *exposed;
    lcast_setting *setting;
    lcast_stream *changes;
    lcast_value *one;

    OK(lcast_expose(node, &length, &exposed));
    OK(lcast_publish_int(exposed, number));
    if (number % 2) OK(lcast_withdraw(exposed));
    OK(lcast_variable_free(exposed));
    OK(lcast_value_new_int(1, &one));
    OK(lcast_expose_setting(node, &workers, one, &setting));
    OK(lcast_value_free(one));
    OK(lcast_setting_changes(setting, &changes));
    OK(lcast_stream_free(changes));
    OK(lcast_setting_free(setting));
}

/* A node that is closed while a question, a watch and the changes of presence go on. */
static void node_of_everything(const char *credential, int64_t number) {
    lcast_node *node = open_file(credential);
    const char *patterns[] = {"app.length"};
    lcast_stream *replies, *watch, *presence;

    expose_and_drop(node, number);
    replies = ask(node, patterns[0]);
    OK(lcast_watch(node, patterns, 1, NULL, &watch));
    OK(lcast_presence(node, &presence));
    if (number % 2) OK(lcast_close(node));
    OK(lcast_stream_free(replies));
    OK(lcast_stream_free(watch));
    OK(lcast_stream_free(presence));
    if (number % 2 == 0) OK(lcast_close(node));
}

static void round_of_everything(int64_t number) {
    lcast_value *list, *item;
    lcast_stream *replies, *watch;
    const char *patterns[] = {"app.leak"};
    lcast_members *members;
    lcast_event *event;
    int64_t seen = -1;

    OK(lcast_publish_int(variable, number));
    replies = ask(client, "app.leak");
    while (lcast_next_event(replies, -1, &event) == LCAST_OK) {
        if (lcast_event_count(event) == 1)
            OK(lcast_value_int(lcast_event_value(event, 0), &seen));
        OK(lcast_event_free(event));
    }
    OK(lcast_stream_free(replies));
    CHECK(seen == number);

    /* Given up at once: nothing is waited for. */
    OK(lcast_stream_free(ask(client, "app.leak")));
    OK(lcast_watch(client, patterns, 1, NULL, &watch));
    OK(lcast_stream_free(watch));
    OK(lcast_presence(client, &watch));
    OK(lcast_stream_free(watch));
    expose_and_drop(agent, number);

    if (number % 10 == 0) {
        OK(lcast_variables(client, NULL, &replies));
        OK(lcast_next_event(replies, -1, &event));
        CHECK(lcast_value_find(lcast_event_value(event, 0), "type") != NULL);
        OK(lcast_event_free(event));
        OK(lcast_stream_free(replies));
    }
    OK(lcast_members_of(client, &members));
    OK(lcast_members_free(members));
    OK(lcast_value_new_list(&list));
    OK(lcast_value_new_text("text", 4, &item));
    OK(lcast_value_push(list, item));
    CHECK(lcast_value_at(list, 0) != NULL);
    OK(lcast_value_free(item));
    OK(lcast_value_free(list));
    STATUS(LCAST_INVALID, lcast_value_free(list));
}

/* The rounds of these numbers, and the fewest descriptors that were open after one of them: for a
 * moment, now and then, a node looks at the addresses of the host or writes its state.
 */
static int rounds_of_everything(long number, long end) {
    int fewest = INT_MAX;

    for (; number < end; number++) {
        int count;

        round_of_everything(number);
        count = entries("/proc/self/fd");
        if (count < fewest) fewest = count;
    }
    return fewest;
}

int main(int argc, char **argv) {
    lcast_definition definition = define("app.leak", LCAST_INT);
    long rounds, i, settled, descriptors, threads, handles, limit;

    if (argc < 3) return 2;
    rounds = argc > 3 ? atol(argv[3]) : 10000;
    agent = open_file(argv[1]);
    client = open_file(argv[2]);
    OK(lcast_expose(agent, &definition, &variable));
    (void)rounds_of_everything(0, rounds / 10);
    descriptors = rounds_of_everything(rounds / 10, rounds / 5);
    settled = memory();
    threads = entries("/proc/self/task");
    handles = (long)lcast_handle_count();
    (void)rounds_of_everything(rounds / 5, rounds * 9 / 10);
    CHECK(rounds_of_everything(rounds * 9 / 10, rounds) == descriptors);

    CHECK(answered(client, "app.leak") == 1);
    printf("memory: %ld KiB, then %ld KiB\n", settled, memory());
    CHECK((long)lcast_handle_count() == handles && entries("/proc/self/task") == threads);
    /* Less than what one small leak in each round would be. */
    limit = rounds >= 10000 ? rounds * 16 / 1024 + 1024 : 65536;
    CHECK(memory() - settled < limit);
    OK(lcast_variable_free(variable));
    OK(lcast_close(agent));
    OK(lcast_close(client));

    /* Nodes as well. */
    for (i = 0; i < rounds / 30; i++) node_of_everything(argv[1], i);
    settled = memory();
    for (i = 0; i < rounds / 3; i++) node_of_everything(argv[1], i);
    printf("memory: %ld KiB, then %ld KiB\n", settled, memory());
    CHECK(memory() - settled < limit);
    CHECK(lcast_handle_count() == 0);
    CHECK(entries("/proc/self/fd") < descriptors && entries("/proc/self/task") == threads - 2);
    puts("leak: ok");
    return 0;
}
