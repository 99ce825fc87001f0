/* limits AGENT CLIENT: with however few file descriptors, opening a node and asking by it is done
 * or is LCAST_LIMIT, and nothing is said on standard error.
 */
#include "check.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FEWEST = 3, MOST = 30, FAILED = 100 };

static const char *const ways[] = {"an agent", "an agent with a state", "a client"};

static void options_of(size_t way, char **files, lcast_open_options *options) {
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
    options->credential_file = files[way == 2];
    if (way == 1) options->state = "limits-state";
    if (way == 2) options->memory = "limits-memory";
}

/* What came of it, by a node of this process, which may have no more than so many descriptors. */
static lcast_status open_and_ask(size_t way, char **files, int limit) {
    struct rlimit few = {(rlim_t)limit, (rlim_t)limit};
    lcast_question_options question = patient();
    const char *patterns[] = {"host.name"};
    lcast_open_options options;
    lcast_status status;
    lcast_stream *replies;
    lcast_event *report;
    lcast_node *node;

    options_of(way, files, &options);
    question.timeout_ms = 10;
    if (setrlimit(RLIMIT_NOFILE, &few) != 0) return FAILED;
    status = lcast_open(&options, &node);
    if (status != LCAST_OK) return status;
    status = lcast_get(node, patterns, 1, &question, &replies);
    if (status == LCAST_OK) {
        status = lcast_finish(replies, -1, &report);
        if (status == LCAST_OK) lcast_event_free(report);
        lcast_stream_free(replies);
    }
    if (lcast_close(node) != LCAST_OK) return FAILED;
    return status;
}

/* The same in a child, which has three descriptors to begin with: nothing, and twice a pipe. Gives
 * its status, and what it said. */
static int in_a_child(size_t way, char **files, int limit, char *said, size_t length) {
    int ends[2], result, fd;
    ssize_t count;
    pid_t child;

    CHECK(pipe(ends) == 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (dup2(ends[1], 1) != 1 || dup2(ends[1], 2) != 2) _exit(FAILED);
        for (fd = 3; fd < 256; fd++) close(fd);
        result = open_and_ask(way, files, limit);
        if (result != LCAST_OK && result != LCAST_LIMIT)
            fprintf(stderr, "%s: %s\n", lcast_status_name(result), lcast_last_error());
        _exit(result);
    }
    close(ends[1]);
    for (*said = '\0'; (count = read(ends[0], said, length - 1)) > 0; length -= (size_t)count) {
        said += count;
        *said = '\0';
    }
    close(ends[0]);
    CHECK(waitpid(child, &result, 0) == child);
    return WIFEXITED(result) ? WEXITSTATUS(result) : FAILED;
}

int main(int argc, char **argv) {
    char said[65536];
    const int all = MOST - FEWEST + 1;
    size_t way, wrong = 0;
    int limit, status, opened;

    if (argc != 3) return 2;
    for (way = 0; way < sizeof ways / sizeof *ways; way++) {
        opened = 0;
        for (limit = FEWEST; limit <= MOST; limit++) {
            status = in_a_child(way, argv + 1, limit, said, sizeof said);
            opened += status == LCAST_OK;
            if ((status == LCAST_OK || status == LCAST_LIMIT) && *said == '\0') continue;
            fprintf(stderr, "%s with %d descriptors: %d\n%s\n", ways[way], limit, status, said);
            wrong++;
        }
        /* Some are enough, and others too few. */
        if (opened > 0 && opened < all) continue;
        fprintf(stderr, "%s is opened with %d of %d limits\n", ways[way], opened, all);
        wrong++;
    }
    CHECK(wrong == 0);
    puts("limits: ok");
    return 0;
}
