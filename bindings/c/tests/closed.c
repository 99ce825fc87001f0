/* closed AGENT CLIENT: a program without standard input, output and error opens a node: none of
 * them becomes a socket or a file of the library.
 */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_null(int fd) {
    struct stat found, null;

    CHECK(stat("/dev/null", &null) == 0);
    return fstat(fd, &found) == 0 && S_ISCHR(found.st_mode) && found.st_rdev == null.st_rdev;
}

int main(int argc, char **argv) {
    int kept[3], fd;
    lcast_node *agent, *client;

    if (argc != 3) return 2;
    for (fd = 0; fd < 3; fd++) kept[fd] = fcntl(fd, F_DUPFD, 10);
    close(1);
    agent = open_file(argv[1]);
    CHECK(is_null(1));
    CHECK((fcntl(1, F_GETFL) & O_ACCMODE) == O_RDWR);
    for (fd = 0; fd < 3; fd++) close(fd);
    client = open_file(argv[2]);
    for (fd = 0; fd < 3; fd++) CHECK(is_null(fd));
    puts("into nothing");
    fflush(stdout);
    CHECK(answered(client, "host.name") <= 1);
    OK(lcast_close(client));
    OK(lcast_close(agent));
    for (fd = 0; fd < 3; fd++) CHECK(is_null(fd));
    for (fd = 0; fd < 3; fd++) CHECK(dup2(kept[fd], fd) == fd);
    puts("closed: ok");
    return 0;
}
