/* exporter CREDENTIAL
 *
 * An application that exposes its own variables and settings: the length of a queue, and how many
 * workers empty it. Ends on SIGTERM and SIGINT.
 */
#include <lcast.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t stopped = 0;

static void stop(int signal) {
    (void)signal;
    stopped = 1;
}

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, lcast_last_error());
    return 1;
}

static lcast_variable *expose_length(lcast_node *me) {
    lcast_definition length;
    lcast_variable *variable = NULL;

    memset(&length, 0, sizeof length);
    length.size = sizeof length;
    length.name = "app.queue.length";
    length.value_type = LCAST_INT;
    length.unit = "{job}";
    length.description = "jobs that wait";
    if (lcast_expose(me, &length, &variable) != LCAST_OK) failed("expose");
    return variable;
}

static lcast_setting *expose_workers(lcast_node *me) {
    lcast_definition workers;
    lcast_setting *setting = NULL;
    lcast_value *four;

    memset(&workers, 0, sizeof workers);
    workers.size = sizeof workers;
    workers.name = "app.queue.workers";
    workers.value_type = LCAST_INT;
    workers.has_min = workers.has_max = 1;
    workers.min = 1;
    workers.max = 64;
    if (lcast_value_new_int(4, &four) != LCAST_OK) return NULL;
    if (lcast_expose_setting(me, &workers, four, &setting) != LCAST_OK) failed("expose");
    lcast_value_free(four);
    return setting;
}

int main(int argc, char **argv) {
    lcast_open_options options;
    lcast_node *me;
    lcast_stream *changes;
    lcast_event *change;
    int64_t waiting = 17, workers = 4;

    if (argc != 2) {
        fprintf(stderr, "usage: exporter CREDENTIAL\n");
        return 2;
    }
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.credential_file = argv[1];
    if (lcast_open(&options, &me) != LCAST_OK) return failed("open");

    lcast_variable *length = expose_length(me);
    lcast_setting *setting = expose_workers(me);
    if (length == NULL || setting == NULL) return 1;
    if (lcast_setting_changes(setting, &changes) != LCAST_OK) return failed("changes");
    if (lcast_publish_int(length, waiting) != LCAST_OK) return failed("publish");
    printf("%s: %lld jobs, %lld workers\n", lcast_node_name(me), (long long)waiting,
           (long long)workers);
    fflush(stdout);

    while (!stopped) {
        lcast_status status = lcast_next_event(changes, 1000, &change);
        if (status == LCAST_OK) {
            lcast_value_int(lcast_event_value(change, 0), &workers);
            lcast_event_free(change);
            printf("working with %lld\n", (long long)workers);
            fflush(stdout);
        } else if (status == LCAST_TIMEOUT) {
            lcast_publish_int(length, ++waiting);
        } else if (status != LCAST_INTERRUPTED) {
            return failed("changes");
        }
    }
    lcast_stream_free(changes);
    lcast_setting_free(setting);
    lcast_variable_free(length);
    return lcast_close(me) == LCAST_OK ? 0 : failed("close");
}
