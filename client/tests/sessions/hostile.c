/* A library of functions that breaks one promise, as the compiler is told. Compiled with -DSOUND it breaks none. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hq_plugin.h"

static const char DESCRIPTION[] =
#ifdef CUT_DESCRIPTION
    "[{\"name\":\"same\",\"about\"";
#else
    "[{\"name\":\"same\",\"about\":\"\",\"parameters\":[[\"x\",\"flag\"]],\"gives\":\"flag\"}]";
#endif

#ifdef REACH
/* Tries to read, write, remove and connect, to start a process and to reach another; how often that is not refused. */
static int reached(void) {
    int done = 0, file, net;
    if ((file = open(PLACE "/secret", O_RDONLY)) >= 0) done++, close(file);
    if ((file = open(PLACE "/written", O_CREAT | O_WRONLY, 0600)) >= 0) done++, close(file);
    if (unlink(PLACE "/removed") == 0) done++;
    if (rename(PLACE "/moved", PLACE "/moved.away") == 0) done++;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if ((net = socket(AF_INET, SOCK_STREAM, 0)) >= 0) {
        if (connect(net, (struct sockaddr *)&address, sizeof address) == 0) done++;
        close(net);
    }
    pid_t child = fork();
    if (child == 0) _exit(0);
    if (child > 0) done++;
    if (kill(getppid(), 0) == 0) done++;
    return done;
}

#ifdef ALONE
int main(void) { return reached(); }
#else
__attribute__((constructor)) static void reach(void) {
    if (reached() > 0) abort();
}
#endif
#endif

static void free_buffer(HqBuffer buffer) { (void)buffer; }

static int32_t describe(HqBuffer *out, HqBuffer *error) {
    out->ptr = (uint8_t *)DESCRIPTION;
    out->len = out->capacity = sizeof(DESCRIPTION) - 1;
    (void)error;
#ifdef CRASH
    abort();
#endif
#ifdef HANG
    for (;;) pause();
#endif
#ifdef LEAK
    for (;;) {
        char *lost = malloc(64 << 20);
        if (lost == NULL) abort();
        memset(lost, 1, 64 << 20);
    }
#endif
#ifdef LONG_BUFFER
    out->len = (size_t)5 << 30;
#endif
#ifdef NULL_BUFFER
    out->ptr = NULL;
#endif
#ifdef UNKNOWN_STATUS
    return 77;
#endif
    return HQ_OK;
}

static int32_t call(uint32_t function, HqView_Scalar arguments, HqScalar *out, HqBuffer *error) {
    (void)function, (void)error;
    *out = arguments.ptr[0];
#ifdef REACH
    if (reached() > 0) abort();
#endif
#ifdef CALL_CRASH
    if (arguments.ptr[0].value == 1) abort();
#endif
#ifdef CALL_HANG
    for (;;) pause();
#endif
#ifdef PRINT
    puts("what a plugin prints is nobody's answer");
    fflush(stdout);
#endif
#ifdef WRONG_KIND
    out->kind = HqScalar_LEVEL;
#endif
    return HQ_OK;
}

#ifdef EXIT
__attribute__((constructor)) static void begin(void) { _exit(0); }
#endif
#ifdef LOAD_CRASH
__attribute__((constructor)) static void begin(void) { abort(); }
#endif

__attribute__((visibility("default"))) extern const HqFunctionTable hq_functions_v2;
const HqFunctionTable hq_functions_v2 = {
#ifdef OTHER_ABI
    .abi_version = HQ_ABI_VERSION + 1,
#else
    .abi_version = HQ_ABI_VERSION,
#endif
#ifdef SHORT_TABLE
    .table_bytes = 16,
#else
    .table_bytes = sizeof(HqFunctionTable),
#endif
    .free_buffer = free_buffer,
    .describe = describe,
#ifndef NULL_FUNCTION
    .call = call,
#endif
};
#ifdef NULL_FUNCTION
__attribute__((unused)) static void *const kept = (void *)call;
#endif
