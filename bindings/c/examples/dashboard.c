/* dashboard PATTERN...
 *
 * A line for whatever changes: values by a watch, nodes by their presence, both in one epoll loop
 * with signals. Ends on SIGTERM and SIGINT.
 */
#define _DEFAULT_SOURCE /* sigset_t in C11 */
#include <lcast.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, lcast_last_error());
    return 1;
}

static void print_event(const lcast_event *event) {
    const char *node = lcast_event_node(event);
    char text[256];
    size_t i;

    switch (lcast_event_kind_of(event)) {
    case LCAST_EVENT_REPORT:
        printf("%zu nodes are watched\n", lcast_report_count(event, LCAST_CLASS_ANSWERED));
        break;
    case LCAST_EVENT_LEFT:
    case LCAST_EVENT_PRESENCE:
        printf("%s: %s\n", node, lcast_event_reason(event));
        break;
    case LCAST_EVENT_OVERFLOW:
        printf("too slow: %llu lost\n", (unsigned long long)lcast_event_lost(event));
        break;
    default:
        for (i = 0; i < lcast_event_count(event); i++) {
            lcast_value_print(lcast_event_value(event, i), text, sizeof text, NULL);
            printf("%s: %s = %s %s\n", node, lcast_event_name(event, i), text,
                   lcast_event_unit(event, i));
        }
    }
    fflush(stdout);
}

/* Prints all that waits; -1 when the stream has ended. */
static int drain(lcast_stream *stream) {
    lcast_event *event;
    lcast_status status;

    while ((status = lcast_next_event(stream, 0, &event)) == LCAST_OK) {
        print_event(event);
        lcast_event_free(event);
    }
    if (status == LCAST_TIMEOUT) return 0;
    if (status != LCAST_END) failed("watch");
    return -1;
}

static void follow(int loop, int fd, lcast_stream *stream) {
    struct epoll_event event;

    event.events = EPOLLIN;
    event.data.ptr = stream;
    epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv) {
    lcast_node *me;
    lcast_stream *watch, *presence;
    struct epoll_event ready;
    sigset_t stopping;
    int loop, signals, ended = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: dashboard PATTERN...\n");
        return 2;
    }
    sigemptyset(&stopping);
    sigaddset(&stopping, SIGTERM);
    sigaddset(&stopping, SIGINT);
    sigprocmask(SIG_BLOCK, &stopping, NULL);
    signals = signalfd(-1, &stopping, SFD_CLOEXEC);
    loop = epoll_create1(EPOLL_CLOEXEC);

    if (lcast_open(NULL, &me) != LCAST_OK) return failed("open");
    if (lcast_watch(me, (const char *const *)(argv + 1), (size_t)argc - 1, NULL, &watch))
        return failed("watch");
    if (lcast_presence(me, &presence) != LCAST_OK) return failed("presence");
    follow(loop, signals, NULL);
    follow(loop, lcast_stream_fd(watch), watch);
    follow(loop, lcast_stream_fd(presence), presence);

    while (!ended && epoll_wait(loop, &ready, 1, -1) == 1)
        ended = ready.data.ptr == NULL || drain((lcast_stream *)ready.data.ptr) < 0;
    lcast_stream_free(presence);
    lcast_stream_free(watch);
    lcast_close(me);
    close(loop);
    close(signals);
    return 0;
}
