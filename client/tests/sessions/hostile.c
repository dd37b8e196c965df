/* A library of functions that breaks one promise, as the compiler is told. Compiled with -DSOUND it breaks none. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hq_plugin.h"

static const char DESCRIPTION[] =
#ifdef CUT_DESCRIPTION
    "[{\"name\":\"same\",\"about\"";
#else
    "[{\"name\":\"same\",\"about\":\"\",\"parameters\":[[\"x\",\"flag\"]],\"gives\":\"flag\"}]";
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
#ifdef WRONG_KIND
    out->kind = HqScalar_LEVEL;
#endif
    return HQ_OK;
}

#ifdef EXIT
__attribute__((constructor)) static void begin(void) { _exit(0); }
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
