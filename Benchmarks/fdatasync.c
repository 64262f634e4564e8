// How many times a second one writer can make 4 KiB durable: append to a file, fdatasync, repeat.
// Usage: fdatasync DIRECTORY SECONDS; prints the rate.
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: fdatasync DIRECTORY SECONDS\n");
        return 64;
    }
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/fdatasync.tmp", arguments[1]);
    int file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (file < 0) {
        perror(path);
        return 1;
    }
    unlink(path);

    char block[4096];
    memset(block, 'x', sizeof block);
    long syncs = 0;
    double begin = now(), end = begin + atof(arguments[2]);
    while (now() < end) {
        if (write(file, block, sizeof block) != sizeof block || fdatasync(file) != 0) {
            perror(path);
            return 1;
        }
        syncs++;
    }
    printf("%.1f\n", (double)syncs / (now() - begin));
    return 0;
}
