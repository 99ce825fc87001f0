/* host AGENT CLIENT: what a host program does around the library: threads, signals, forks, too few
 * file descriptors or handles.
 */
#include "check.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static lcast_node *agent, *client;
static const char *client_file;

/* A watch of something that does not change, with its beginning read. */
static lcast_stream *quiet_watch(void) {
    lcast_question_options options = patient();
    const char *patterns[] = {"app.length"};
    lcast_stream *watch;
    lcast_event *event;
    int kind = 0;

    OK(lcast_watch(client, patterns, 1, &options, &watch));
    while (kind != LCAST_EVENT_REPORT) {
        OK(lcast_next_event(watch, 30000, &event));
        kind = lcast_event_kind_of(event);
        OK(lcast_event_free(event));
    }
    return watch;
}

static void *read_until_the_end(void *stream) {
    lcast_event *event;
    lcast_status status;

    while ((status = lcast_next_event((lcast_stream *)stream, -1, &event)) == LCAST_OK)
        OK(lcast_event_free(event));
    return (void *)(intptr_t)status;
}

static void *ask_often(void *count) {
    int i;

    for (i = 0; i < *(int *)count; i++) CHECK(answered(client, "app.length") == 1);
    return NULL;
}

static void threads_share_everything(void) {
    lcast_definition definition = define("app.shared", LCAST_INT);
    lcast_stream *watch = quiet_watch(), *changes;
    lcast_setting *setting;
    pthread_t readers[3], askers[3];
    int count = 20, i;
    void *end;

    OK(lcast_expose_setting(agent, &definition, NULL, &setting));
    OK(lcast_setting_changes(setting, &changes));
    /* Two wait in one stream, one in another; they are freed under them. One that had not come to it
       yet finds a handle that was freed. */
    for (i = 0; i < 3; i++) {
        lcast_stream *stream = i < 2 ? watch : changes;
        CHECK(pthread_create(&readers[i], NULL, read_until_the_end, stream) == 0);
    }
    for (i = 0; i < 3; i++) CHECK(pthread_create(&askers[i], NULL, ask_often, &count) == 0);
    for (i = 0; i < 3; i++) CHECK(pthread_join(askers[i], NULL) == 0);
    OK(lcast_stream_free(watch));
    OK(lcast_stream_free(changes));
    OK(lcast_setting_free(setting));
    for (i = 0; i < 3; i++) {
        CHECK(pthread_join(readers[i], &end) == 0);
        intptr_t status = (intptr_t)end;
        CHECK(status == LCAST_ENDED || status == LCAST_INVALID);
    }
}

/* The words of an error are those of the thread that made it. */
static void *make_an_error(void *unused) {
    (void)unused;
    CHECK(lcast_last_error()[0] == '\0' && lcast_last_status() == LCAST_OK);
    STATUS(LCAST_INVALID, lcast_stream_cancel(NULL));
    return NULL;
}

static void errors_belong_to_threads(void) {
    lcast_open_options options;
    lcast_node *node;
    pthread_t thread;
    char words[256];

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.realm = "no-such-realm";
    STATUS(LCAST_NO_REALM, lcast_open(&options, &node));
    snprintf(words, sizeof words, "%s", lcast_last_error());
    CHECK(pthread_create(&thread, NULL, make_an_error, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(lcast_last_status() == LCAST_NO_REALM && strcmp(words, lcast_last_error()) == 0);
}

static volatile sig_atomic_t alarms = 0;

static void count_alarm(int signal) {
    (void)signal;
    alarms++;
}

static void a_signal_ends_the_waiting(void) {
    lcast_stream *watch = quiet_watch();
    lcast_event *event;

    signal(SIGALRM, count_alarm);
    alarm(1);
    STATUS(LCAST_INTERRUPTED, lcast_next_event(watch, -1, &event));
    CHECK(alarms == 1 && event == NULL);
    /* It can wait on, and it still works. */
    STATUS(LCAST_TIMEOUT, lcast_next_event(watch, 1, &event));
    OK(lcast_stream_free(watch));
    signal(SIGALRM, SIG_DFL);
}

/* No thread of the library takes a signal that the program blocks to wait for it. */
static void signals_stay_with_the_program(void) {
    sigset_t set;
    struct timespec second = {10, 0};

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(sigtimedwait(&set, NULL, &second) == SIGUSR1);
}

static int open_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    CHECK(folder != NULL);
    while (readdir(folder) != NULL) count++;
    closedir(folder);
    return count - 3; /* "." and "..", and the folder itself */
}

/* What was freed before is closed when the node's thread has answered once more. */
static void settle(lcast_node *node) {
    lcast_members *members;

    OK(lcast_members_of(node, &members));
    OK(lcast_members_free(members));
}

static void too_few_descriptors(void) {
    struct rlimit before, few;
    const char *patterns[] = {"app.length"};
    lcast_definition definition = define("app.limited", LCAST_INT);
    lcast_open_options options;
    lcast_setting *setting;
    lcast_stream *stream;
    lcast_node *node;
    int spare[64], spares = 0;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.credential_file = client_file;
    OK(lcast_expose_setting(agent, &definition, NULL, &setting));
    settle(client);
    settle(agent);
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    few = before;
    few.rlim_cur = (rlim_t)open_descriptors() + 8;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    while (spares < 64 && (spare[spares] = dup(0)) >= 0) spares++;
    CHECK(spares < 64);
    STATUS(LCAST_LIMIT, lcast_get(client, patterns, 1, NULL, &stream));
    STATUS(LCAST_LIMIT, lcast_watch(client, patterns, 1, NULL, &stream));
    STATUS(LCAST_LIMIT, lcast_presence(client, &stream));
    STATUS(LCAST_LIMIT, lcast_setting_changes(setting, &stream));
    STATUS(LCAST_LIMIT, lcast_open(&options, &node));
    /* With some, but too few: an event loop, but no sockets. */
    while (spares > 0) {
        lcast_status status;
        close(spare[--spares]);
        status = lcast_open(&options, &node);
        CHECK(status == LCAST_LIMIT || status == LCAST_OK);
        if (status == LCAST_OK) OK(lcast_close(node));
    }
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    OK(lcast_setting_free(setting));
    CHECK(answered(client, "app.length") == 1);
}

/* What there is no handle for is not done, and no event is taken: it waits until there is one. */
static void too_few_handles(void) {
    enum { HANDLES_MAX = 1 << 20 };
    const char *patterns[] = {"app.length"};
    lcast_stream *replies = ask(client, "app.length"), *stream;
    lcast_value **all = malloc(HANDLES_MAX * sizeof *all), *packed;
    int count = 0, kinds[2] = {0, 0};
    lcast_event *event;
    lcast_status status;

    CHECK(all != NULL);
    while ((status = lcast_value_new_null(&all[count])) == LCAST_OK) count++;
    CHECK(status == LCAST_LIMIT && lcast_handle_count() == HANDLES_MAX);
    STATUS(LCAST_LIMIT, lcast_next_event(replies, -1, &event));
    CHECK(event == NULL);
    STATUS(LCAST_LIMIT, lcast_finish(replies, -1, &event));
    STATUS(LCAST_LIMIT, lcast_next_packed(replies, -1, 9, &packed));
    STATUS(LCAST_LIMIT, lcast_get(client, patterns, 1, NULL, &stream));
    OK(lcast_value_free(all[--count]));
    while ((status = lcast_next_event(replies, -1, &event)) == LCAST_OK) {
        kinds[lcast_event_kind_of(event) == LCAST_EVENT_REPORT]++;
        OK(lcast_event_free(event));
    }
    CHECK(status == LCAST_END && kinds[0] > 0 && kinds[1] == 1);
    while (count > 0) OK(lcast_value_free(all[--count]));
    free(all);
    OK(lcast_stream_free(replies));
}

#ifndef __SANITIZE_ADDRESS__
/* The child of a fork can use nothing of its parent's, and can open a node of its own. */
static int child_of(lcast_stream *stream, lcast_event *event, const lcast_value *value) {
    lcast_event *next = NULL;
    lcast_members *members;
    lcast_node *own;
    int64_t i;

    alarm(60); /* Waiting for a lock that nobody holds any more would be for ever. */
    STATUS(LCAST_FORKED, lcast_next_event(stream, -1, &next));
    CHECK(lcast_stream_fd(stream) == -1 && lcast_last_status() == LCAST_FORKED);
    STATUS(LCAST_FORKED, lcast_members_of(client, &members));
    STATUS(LCAST_FORKED, lcast_value_int(value, &i));
    CHECK(lcast_event_node(event) == NULL && lcast_last_status() == LCAST_FORKED);
    STATUS(LCAST_FORKED, lcast_event_free(event));
    STATUS(LCAST_FORKED, lcast_stream_free(stream));
    STATUS(LCAST_FORKED, lcast_close(client));
    CHECK(lcast_handle_count() == 0);
    own = open_file(client_file);
    CHECK(answered(own, "app.length") == 1);
    STATUS(LCAST_FORKED, lcast_close(client));
    OK(lcast_close(own));
    /* In place of an end: memory of the threads that are not here is lost by nature. */
    execl("/bin/true", "true", (char *)NULL);
    return 1;
}

static void forks_are_refused(void) {
    lcast_stream *watch = quiet_watch(), *replies = ask(client, "app.length");
    const lcast_value *value;
    pthread_t busy[2];
    lcast_event *event;
    int count = 40, round, i, status;

    OK(lcast_next_event(replies, -1, &event));
    value = lcast_event_value(event, 0);
    CHECK(value != NULL);
    /* Others hold locks meanwhile. */
    for (i = 0; i < 2; i++) CHECK(pthread_create(&busy[i], NULL, ask_often, &count) == 0);
    for (round = 0; round < 5; round++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) _exit(child_of(watch, event, value));
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    for (i = 0; i < 2; i++) CHECK(pthread_join(busy[i], NULL) == 0);
    /* The parent has lost nothing. */
    CHECK(strcmp(lcast_event_node(event), "") != 0);
    OK(lcast_event_free(event));
    OK(lcast_stream_free(replies));
    STATUS(LCAST_TIMEOUT, lcast_next_event(watch, 1, &event));
    OK(lcast_stream_free(watch));
    CHECK(answered(client, "app.length") == 1);
}

#endif

/* The descriptor can be read exactly while an event waits, or at the end. */
static void the_descriptor_says_when(void) {
    lcast_stream *replies = ask(client, "app.length");
    struct pollfd ready;
    lcast_event *event;
    int events = 0;
    lcast_status status;

    memset(&ready, 0, sizeof ready);
    ready.fd = lcast_stream_fd(replies);
    ready.events = POLLIN;
    do {
        CHECK(poll(&ready, 1, 30000) == 1);
        status = lcast_next_event(replies, 0, &event);
        if (status == LCAST_OK) OK(lcast_event_free(event));
        if (status == LCAST_OK) events++;
    } while (status == LCAST_OK);
    CHECK(status == LCAST_END && events >= 2 && poll(&ready, 1, 0) == 1);
    OK(lcast_stream_free(replies));

    replies = quiet_watch();
    ready.fd = lcast_stream_fd(replies);
    CHECK(poll(&ready, 1, 0) == 0);
    OK(lcast_stream_cancel(replies));
    CHECK(poll(&ready, 1, 30000) == 1);
    STATUS(LCAST_END, lcast_next_event(replies, 0, &event));
    OK(lcast_stream_free(replies));
}

/* Whoever waits when the node is closed is told. */
static void closed_while_others_wait(void) {
    lcast_stream *watch = quiet_watch();
    pthread_t reader;
    void *end;

    CHECK(pthread_create(&reader, NULL, read_until_the_end, watch) == 0);
    OK(lcast_close(client));
    CHECK(pthread_join(reader, &end) == 0 && (intptr_t)end == LCAST_ENDED);
    OK(lcast_stream_free(watch));
}

int main(int argc, char **argv) {
    lcast_definition definition = define("app.length", LCAST_INT);
    lcast_variable *variable;

    if (argc != 3) return 2;
    client_file = argv[2];
    agent = open_file(argv[1]);
    client = open_file(client_file);
    OK(lcast_expose(agent, &definition, &variable));
    OK(lcast_publish_int(variable, 17));

    the_descriptor_says_when();
    threads_share_everything();
    errors_belong_to_threads();
    a_signal_ends_the_waiting();
    signals_stay_with_the_program();
    too_few_descriptors();
    if (!is_slow()) too_few_handles();
#ifndef __SANITIZE_ADDRESS__
    /* The allocator of that checker, before GCC 14, may be locked by another thread at the fork,
     * and the child then waits for ever. valgrind looks at forks. */
    forks_are_refused();
#endif
    closed_while_others_wait();

    STATUS(LCAST_INVALID, lcast_close(client));
    OK(lcast_close(agent));
    STATUS(LCAST_ENDED, lcast_publish_int(variable, 1));
    OK(lcast_variable_free(variable));
    CHECK(lcast_handle_count() == 0);
    puts("host: ok");
    return 0;
}
