/* Drives one slot as fast as it goes: drive FD COUNT < request-frame. Prints requests per second. */
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static unsigned char request[1 << 20], answer[1 << 16];

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int fd = atoi(argv[1]);
    long count = atol(argv[2]);
    size_t length = fread(request, 1, sizeof request, stdin);
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long i = 0; i < count; i++) {
        if (send(fd, request, length, MSG_NOSIGNAL) != (ssize_t)length)
            return 3;
        size_t have = 0;
        for (int ended = 0; !ended;) {
            ssize_t got = recv(fd, answer + have, sizeof answer - have, 0);
            if (got <= 0)
                return 4;
            have += (size_t)got;
            size_t at = 0;
            while (have - at >= 8) {
                uint32_t payload;
                memcpy(&payload, answer + at, 4);
                if (have - at < 8 + (size_t)payload)
                    break;
                if (answer[at + 4] == 18) {
                    if (answer[at + 5] != 0)
                        return 5;
                    ended = 1;
                }
                at += 8 + payload;
            }
            memmove(answer, answer + at, have - at);
            have -= at;
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    double seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    printf("%.0f\n", (double)count / seconds);
    return 0;
}
