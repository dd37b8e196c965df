/* A library of functions in C: the score CHA2DS2-VASc of stroke risk in atrial fibrillation (Lip et al., Chest 2010;
   137:263, table 2). docs/plugins/abi.md says what the host expects of each function.

   cc -std=c11 -shared -fPIC -fvisibility=hidden -I plugins/sdk/include -o libhq_plugin_points.so points.c */

#include "hq_plugin.h"

/* What the plugin offers, as JSON: names and domains of what a function takes and gives. */
static const char DESCRIPTION[] =
    "[{\"name\":\"cha2ds2_vasc\","
    "\"about\":\"Stroke risk in atrial fibrillation, in points: Lip et al. 2010\","
    "\"parameters\":["
    "[\"age\",{\"number\":{\"lo\":0,\"hi\":120}}],"
    "[\"sex\",{\"levels\":[\"female\",\"male\"]}],"
    "[\"heart_failure\",\"flag\"],[\"hypertension\",\"flag\"],[\"diabetes\",\"flag\"],"
    "[\"stroke\",\"flag\"],[\"vascular\",\"flag\"]],"
    "\"gives\":{\"number\":{\"lo\":0,\"hi\":9}}}]";

enum { AGE, SEX, HEART_FAILURE, HYPERTENSION, DIABETES, STROKE, VASCULAR, PARAMETERS };

/* Statuses of failure. */
enum { INPUT = 2, INTERNAL = 5 };

/* Messages and the description are never freed: they are part of the library. */
static void free_buffer(HqBuffer buffer) { (void)buffer; }

static HqBuffer text(const char *words, size_t length) {
    HqBuffer buffer = {(uint8_t *)words, length, length};
    return buffer;
}

static int32_t fail(HqBuffer *error, int32_t status, const char *words, size_t length) {
    if (error != NULL) *error = text(words, length);
    return status;
}

#define FAIL(error, status, words) fail(error, status, words, sizeof(words) - 1)

static int32_t describe(HqBuffer *out, HqBuffer *error) {
    if (out == NULL) return FAIL(error, INTERNAL, "the host passed null for `out`");
    *out = text(DESCRIPTION, sizeof(DESCRIPTION) - 1);
    return HQ_OK;
}

static int32_t call(uint32_t function, HqView_Scalar arguments, HqScalar *out, HqBuffer *error) {
    if (function != 0 || arguments.len != PARAMETERS || arguments.ptr == NULL || out == NULL)
        return FAIL(error, INTERNAL, "the host calls no function of this library");
    const HqScalar *given = arguments.ptr;
    /* Numbers come as value / 10^decimals; an age has whole years here. */
    if (given[AGE].kind != HqScalar_NUMBER || given[AGE].decimals != 0)
        return FAIL(error, INPUT, "age is a number of whole years");
    if (given[SEX].kind != HqScalar_LEVEL) return FAIL(error, INPUT, "sex is female or male");
    int64_t points = given[AGE].value >= 75 ? 2 : given[AGE].value >= 65 ? 1 : 0;
    points += given[SEX].value == 0; /* the first level: female */
    for (int at = HEART_FAILURE; at < PARAMETERS; at++) {
        if (given[at].kind != HqScalar_FLAG) return FAIL(error, INPUT, "conditions are true or false");
        points += given[at].value * (at == STROKE ? 2 : 1);
    }
    *out = (HqScalar){.value = points, .decimals = 0, .kind = HqScalar_NUMBER};
    return HQ_OK;
}

/* What a program's compiler looks up. */
__attribute__((visibility("default"))) extern const HqFunctionTable hq_functions_v2;
const HqFunctionTable hq_functions_v2 = {
    .abi_version = HQ_ABI_VERSION,
    .table_bytes = sizeof(HqFunctionTable),
    .free_buffer = free_buffer,
    .describe = describe,
    .call = call,
};
