/* A backend in C that computes in the clear, as `tally` does in Rust: the smallest one that keeps all promises of
   docs/plugins/abi.md. A test runs the conformance suite of the sdk on it. Checksums of frames are BLAKE3, by the library of its
   authors (https://github.com/BLAKE3-team/BLAKE3, folder c).

   cc -std=gnu11 -shared -fPIC -fvisibility=hidden -I plugins/sdk/include -I BLAKE3/c -o libhq_plugin_ledger.so
      ledger.c plan.c BLAKE3/c/blake3.c BLAKE3/c/blake3_dispatch.c BLAKE3/c/blake3_portable.c
      -DBLAKE3_NO_SSE2 -DBLAKE3_NO_SSE41 -DBLAKE3_NO_AVX2 -DBLAKE3_NO_AVX512 */

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "blake3.h"
#include "hq_plugin.h"
#include "plan.h"

/* Whose fault a failure is. */
enum { PLAN = 1, INPUT_FAULT = 2, KEY = 3, PARAMETERS = 4, INTERNAL = 5 };

/* What a frame holds. */
enum { EVALUATION_KEY = 1, CIPHERTEXT = 2, SUMS = 3, PARAMETER = 6, STATE = 8, SECRET_KEY = 0xE5 };

/* Magic, kind, three zeros, key, length; behind the payload a checksum. */
enum { HEAD = 32, LENGTH_AT = 24, CHECKSUM = 32 };

/* What the host should know. */
static const char CAPABILITIES[] =
    "{\"name\":\"ledger\",\"version\":\"0.1.0\",\"inputs\":\"columns\","
    "\"ops\":[\"input\",\"member\",\"less\",\"equal\",\"linear\",\"mul\"],"
    "\"leveled\":null,\"encrypted\":false}";

static const char NO_NOISE[] =
    "{\"node_max_bits\":[],\"node_stddev_bits\":[],\"sum_bits\":[],\"sum_bits_before_flooding\":[]}";

/* ---- buffers ---- */

static HqBuffer copied(const void *bytes, size_t length) {
    HqBuffer buffer = {malloc(length == 0 ? 1 : length), length, length};
    if (buffer.ptr == NULL) buffer.len = buffer.capacity = 0;
    else memcpy(buffer.ptr, bytes, length);
    return buffer;
}

static void free_buffer(HqBuffer buffer) { free(buffer.ptr); }

static void free_secret(HqBuffer buffer) {
    volatile uint8_t *bytes = buffer.ptr;
    for (size_t at = 0; at < buffer.len; at++) bytes[at] = 0;
    free(buffer.ptr);
}

static int32_t failed(HqBuffer *error, int32_t fault, const char *why) {
    if (error != NULL) *error = copied(why, strlen(why));
    return fault;
}

static int32_t given(HqBuffer *out, HqBuffer *error, HqBuffer buffer) {
    if (buffer.ptr == NULL) return failed(error, INTERNAL, "there is no memory for an answer");
    *out = buffer;
    return HQ_OK;
}

/* ---- frames ---- */

static void put_u64(uint8_t *at, uint64_t value) {
    for (int byte = 0; byte < 8; byte++) at[byte] = (uint8_t)(value >> (8 * byte));
}

static uint64_t get_u64(const uint8_t *at) {
    uint64_t value = 0;
    for (int byte = 7; byte >= 0; byte--) value = value << 8 | at[byte];
    return value;
}

static int64_t get_i64(const uint8_t *at) { return (int64_t)get_u64(at); }

static void digest(const void *bytes, size_t length, uint8_t *out) {
    blake3_hasher hasher;
    blake3_hasher_init(&hasher);
    blake3_hasher_update(&hasher, bytes, length);
    blake3_hasher_finalize(&hasher, out, CHECKSUM);
}

/* A frame around a payload. There is one key pair, and its name is zeros: nothing here is secret. */
static HqBuffer sealed(uint8_t kind, const uint8_t *payload, size_t length) {
    HqBuffer frame = {calloc(1, HEAD + length + CHECKSUM), HEAD + length + CHECKSUM, HEAD + length + CHECKSUM};
    if (frame.ptr == NULL) return frame;
    memcpy(frame.ptr, "HQF1", 4);
    frame.ptr[4] = kind;
    put_u64(frame.ptr + LENGTH_AT, length);
    if (length > 0) memcpy(frame.ptr + HEAD, payload, length);
    digest(frame.ptr, HEAD + length, frame.ptr + HEAD + length);
    return frame;
}

static HqBuffer sealed_number(uint8_t kind, int64_t number) {
    uint8_t payload[8];
    put_u64(payload, (uint64_t)number);
    return sealed(kind, payload, sizeof payload);
}

/* The payload of a frame of a kind that fills the bytes; NULL where they are none. */
static const uint8_t *opened(HqView_u8 bytes, uint8_t kind, size_t *length, const char **why) {
    static const uint8_t ZERO[19];
    uint8_t sum[CHECKSUM];
    *why = "it is no whole frame";
    if (bytes.ptr == NULL || bytes.len < HEAD + CHECKSUM) return NULL;
    if (memcmp(bytes.ptr, "HQF1", 4) != 0 || get_u64(bytes.ptr + LENGTH_AT) != bytes.len - HEAD - CHECKSUM) return NULL;
    *length = bytes.len - HEAD - CHECKSUM;
    digest(bytes.ptr, HEAD + *length, sum);
    *why = "its checksum does not match";
    if (memcmp(sum, bytes.ptr + HEAD + *length, CHECKSUM) != 0) return NULL;
    *why = "it is of another kind, or of another key";
    return bytes.ptr[4] == kind && memcmp(bytes.ptr + 5, ZERO, sizeof ZERO) == 0 ? bytes.ptr + HEAD : NULL;
}

/* Rows of a block, out of a frame of a key; 0 where it is none. */
static uint32_t opened_key(HqView_u8 bytes, uint8_t kind, const char **why) {
    size_t length;
    const uint8_t *payload = opened(bytes, kind, &length, why);
    if (payload == NULL) return 0;
    *why = "a key holds the number of rows of a block";
    int64_t rows = length == 8 ? get_i64(payload) : 0;
    return rows >= 1 && rows <= UINT32_MAX ? (uint32_t)rows : 0;
}

/* ---- sessions ---- */

/* A plan, and how many sessions run it. */
typedef struct {
    Plan *plan;
    uint8_t digest[CHECKSUM];
    atomic_size_t users;
} Shared;

typedef struct {
    Shared *shared;
    wide *sums;
    uint64_t blocks;
} Session;

/* No sum of a state is larger: whatever is added to it fits. */
static const wide MAX_SUM = (wide)1 << 100;

static void free_session(HqHandle handle) {
    Session *session = handle;
    if (session == NULL) return;
    if (atomic_fetch_sub(&session->shared->users, 1) == 1) {
        plan_free(session->shared->plan);
        free(session->shared);
    }
    free(session->sums);
    free(session);
}

static Session *session_over(Shared *shared) {
    Session *session = calloc(1, sizeof *session);
    wide *sums = calloc(shared->plan->sum_count + 1, sizeof *sums);
    if (session == NULL || sums == NULL) {
        free(session);
        free(sums);
        return NULL;
    }
    atomic_fetch_add(&shared->users, 1);
    *session = (Session){shared, sums, 0};
    return session;
}

static int32_t capabilities(HqBuffer *out, HqBuffer *error) {
    return given(out, error, copied(CAPABILITIES, sizeof CAPABILITIES - 1));
}

static int32_t resolve(HqView_u8 request, HqBuffer *out, HqBuffer *error) {
    (void)request, (void)out;
    return failed(error, PARAMETERS, "a backend without noise has no primes to choose");
}

static int32_t open_session(HqView_u8 text, HqView_u8 key, HqHandle *out, HqBuffer *error) {
    const char *why;
    if (text.ptr == NULL) return failed(error, PLAN, "there is no plan");
    uint32_t rows = opened_key(key, EVALUATION_KEY, &why);
    if (rows == 0) return failed(error, KEY, why);
    Plan *plan = plan_read((const char *)text.ptr, text.len, &why);
    if (plan == NULL) return failed(error, PLAN, why);
    if (plan->rows_per_block != rows) {
        plan_free(plan);
        return failed(error, KEY, "the plan is for keys with other blocks");
    }
    Shared *shared = calloc(1, sizeof *shared);
    Session *session = NULL;
    if (shared != NULL) {
        shared->plan = plan;
        digest(text.ptr, text.len, shared->digest);
        session = session_over(shared);
    }
    if (session == NULL) {
        plan_free(plan);
        free(shared);
        return failed(error, INTERNAL, "there is no memory for a session");
    }
    *out = session;
    return HQ_OK;
}

/* One input of a block, checked: as many values as the others have, each in its range. */
static const uint8_t *column(const Plan *plan, size_t at, HqView_u8 bytes, size_t *rows, const char **why) {
    const Input *input = &plan->inputs[at];
    size_t length;
    const uint8_t *values = opened(bytes, input->parameter ? PARAMETER : CIPHERTEXT, &length, why);
    if (values == NULL) return NULL;
    *why = "an input has another number of values";
    if (length % 8 != 0) return NULL;
    if (input->parameter && length != 8) return NULL;
    if (!input->parameter) {
        if (*rows == SIZE_MAX) *rows = length / 8;
        if (length / 8 != *rows || *rows > plan->rows_per_block) return NULL;
    }
    *why = "a value is not in the range of its input";
    for (size_t row = 0; row < length / 8; row++) {
        wide value = get_i64(values + 8 * row);
        if (value < input->range.lo || value > input->range.hi) return NULL;
    }
    return values;
}

static int32_t block(HqHandle handle, HqView_View_u8 inputs, HqBuffer *error) {
    Session *session = handle;
    if (session == NULL) return failed(error, INTERNAL, "there is no session");
    const Plan *plan = session->shared->plan;
    const char *why = "there are more or fewer inputs than the plan has";
    if (inputs.len != plan->input_count) return failed(error, INPUT_FAULT, why);
    const uint8_t **columns = calloc(plan->input_count + 1, sizeof *columns);
    int64_t *row = calloc(plan->input_count + 1, sizeof *row);
    wide *values = calloc(plan->node_count + 1, sizeof *values);
    int32_t status = HQ_OK;
    size_t rows = SIZE_MAX;
    if (columns == NULL || row == NULL || values == NULL) status = failed(error, INTERNAL, "there is no memory for a block");
    for (size_t at = 0; status == HQ_OK && at < plan->input_count; at++) {
        columns[at] = column(plan, at, inputs.ptr[at], &rows, &why);
        if (columns[at] == NULL) status = failed(error, INPUT_FAULT, why);
    }
    /* Nothing was changed so far: a block that is refused leaves no trace. */
    if (status == HQ_OK) {
        for (size_t number = 0; rows != SIZE_MAX && number < rows; number++) {
            for (size_t at = 0; at < plan->input_count; at++)
                row[at] = get_i64(columns[at] + (plan->inputs[at].parameter ? 0 : 8 * number));
            plan_add_row(plan, row, values, session->sums);
        }
        session->blocks++;
    }
    free(columns);
    free(row);
    free(values);
    return status;
}

static int32_t finish(HqHandle handle, HqBuffer *out, HqBuffer *error) {
    Session *session = handle;
    if (session == NULL) return failed(error, INTERNAL, "there is no session");
    size_t count = session->shared->plan->sum_count;
    uint8_t *payload = malloc(8 * count + 1);
    if (payload == NULL) return failed(error, INTERNAL, "there is no memory for the sums");
    for (size_t at = 0; at < count; at++) {
        wide sum = session->sums[at];
        if (sum < INT64_MIN || sum > INT64_MAX) {
            free(payload);
            return failed(error, PLAN, "a sum has more than 63 bits");
        }
        put_u64(payload + 8 * at, (uint64_t)sum);
    }
    HqBuffer frame = sealed(SUMS, payload, 8 * count);
    free(payload);
    return given(out, error, frame);
}

static int32_t encrypt_parameter(HqView_u8 key, int64_t value, HqBuffer *out, HqBuffer *error) {
    const char *why;
    if (opened_key(key, EVALUATION_KEY, &why) == 0) return failed(error, KEY, why);
    return given(out, error, sealed_number(PARAMETER, value));
}

static int32_t fork_session(HqHandle handle, HqHandle *out, HqBuffer *error) {
    Session *session = handle;
    if (session == NULL) return failed(error, INTERNAL, "there is no session");
    Session *fork = session_over(session->shared);
    if (fork == NULL) return failed(error, INTERNAL, "there is no memory for a session");
    *out = fork;
    return HQ_OK;
}

static int32_t absorb(HqHandle handle, HqHandle other_handle, HqBuffer *error) {
    Session *session = handle, *other = other_handle;
    if (session == NULL || other == NULL || session == other) {
        if (session != other) free_session(other);
        return failed(error, INTERNAL, "there are no two sessions");
    }
    int32_t status = HQ_OK;
    if (session->shared == other->shared) {
        for (size_t at = 0; at < session->shared->plan->sum_count; at++) session->sums[at] += other->sums[at];
        session->blocks += other->blocks;
    } else {
        status = failed(error, PLAN, "the sessions are of different plans");
    }
    free_session(other);
    return status;
}

/* A state: the digest of the plan, how many blocks were done, and each sum in two halves, the lower first. */
static int32_t save(HqHandle handle, HqBuffer *out, HqBuffer *error) {
    Session *session = handle;
    if (session == NULL) return failed(error, INTERNAL, "there is no session");
    size_t count = session->shared->plan->sum_count, length = CHECKSUM + 8 + 16 * count;
    uint8_t *payload = malloc(length);
    if (payload == NULL) return failed(error, INTERNAL, "there is no memory for a state");
    memcpy(payload, session->shared->digest, CHECKSUM);
    put_u64(payload + CHECKSUM, session->blocks);
    for (size_t at = 0; at < count; at++) {
        unsigned __int128 sum = (unsigned __int128)session->sums[at];
        put_u64(payload + CHECKSUM + 8 + 16 * at, (uint64_t)sum);
        put_u64(payload + CHECKSUM + 16 + 16 * at, (uint64_t)(sum >> 64));
    }
    HqBuffer frame = sealed(STATE, payload, length);
    free(payload);
    return given(out, error, frame);
}

static int32_t restore(HqHandle handle, HqView_u8 state, HqBuffer *error) {
    Session *session = handle;
    if (session == NULL) return failed(error, INTERNAL, "there is no session");
    size_t count = session->shared->plan->sum_count, length;
    const char *why;
    const uint8_t *payload = opened(state, STATE, &length, &why);
    if (payload == NULL) return failed(error, INPUT_FAULT, why);
    if (length != CHECKSUM + 8 + 16 * count || memcmp(payload, session->shared->digest, CHECKSUM) != 0)
        return failed(error, INPUT_FAULT, "the state is of another plan");
    if (session->blocks > 0) return failed(error, INPUT_FAULT, "blocks were done before");
    /* All are looked at before one is taken. */
    for (int take = 0; take <= 1; take++) {
        for (size_t at = 0; at < count; at++) {
            const uint8_t *half = payload + CHECKSUM + 8 + 16 * at;
            wide sum = (wide)((unsigned __int128)get_u64(half + 8) << 64 | get_u64(half));
            if (sum < -MAX_SUM || sum > MAX_SUM) return failed(error, INPUT_FAULT, "a sum of the state is too large");
            if (take) session->sums[at] = sum;
        }
    }
    session->blocks = get_u64(payload + CHECKSUM);
    return HQ_OK;
}

static int32_t gated(HqHandle session, HqView_u64 pads, HqBuffer *samples, HqBuffer *sums, HqBuffer *error) {
    (void)session, (void)pads, (void)samples, (void)sums;
    return failed(error, PLAN, "this backend has no gates");
}

static int32_t pass(HqView_u8 plan, HqView_u8 key, HqView_u8 bridge, HqView_u8 samples, HqView_u8 sums, HqView_u64 pads,
                    HqBuffer *out, HqBuffer *error) {
    (void)plan, (void)key, (void)bridge, (void)samples, (void)sums, (void)pads, (void)out;
    return failed(error, PLAN, "this backend has no gates");
}

/* ---- keys ---- */

/* What a key says: how many rows a block has. */
typedef struct {
    uint32_t rows_per_block;
} Key;

static int32_t keygen(HqView_u8 parameters, HqView_u8 seed, HqBuffer *secret, HqBuffer *evaluation, HqBuffer *error) {
    uint32_t rows = parameters.ptr == NULL ? 0 : rows_of_parameters((const char *)parameters.ptr, parameters.len);
    if (rows == 0) return failed(error, PARAMETERS, "it has parameters of no scheme but the clear one");
    if (seed.len != 0 && seed.len != 32) return failed(error, PARAMETERS, "a seed has 32 bytes");
    HqBuffer first = sealed_number(SECRET_KEY, rows), second = sealed_number(EVALUATION_KEY, rows);
    if (first.ptr == NULL || second.ptr == NULL) {
        free(first.ptr);
        free(second.ptr);
        return failed(error, INTERNAL, "there is no memory for keys");
    }
    *secret = first;
    *evaluation = second;
    return HQ_OK;
}

static int32_t load(HqView_u8 secret, HqHandle *out, HqBuffer *error) {
    const char *why;
    uint32_t rows = opened_key(secret, SECRET_KEY, &why);
    if (rows == 0) return failed(error, KEY, why);
    Key *key = malloc(sizeof *key);
    if (key == NULL) return failed(error, INTERNAL, "there is no memory for a key");
    key->rows_per_block = rows;
    *out = key;
    return HQ_OK;
}

static void free_key(HqHandle key) { free(key); }

static int32_t encrypt(HqHandle handle, HqView_i64 values, HqBuffer *out, HqBuffer *error) {
    const Key *key = handle;
    if (key == NULL) return failed(error, INTERNAL, "there is no key");
    if (values.len > key->rows_per_block) return failed(error, INPUT_FAULT, "there are more rows than a block has");
    uint8_t *payload = malloc(8 * values.len + 1);
    if (payload == NULL) return failed(error, INTERNAL, "there is no memory for a block");
    for (size_t at = 0; at < values.len; at++) put_u64(payload + 8 * at, (uint64_t)values.ptr[at]);
    HqBuffer frame = sealed(CIPHERTEXT, payload, 8 * values.len);
    free(payload);
    return given(out, error, frame);
}

static int32_t decrypt(HqHandle key, HqView_u8 result, HqBuffer *out, HqBuffer *error) {
    if (key == NULL) return failed(error, INTERNAL, "there is no key");
    const char *why;
    size_t length;
    const uint8_t *payload = opened(result, SUMS, &length, &why);
    if (payload == NULL) return failed(error, INPUT_FAULT, why);
    if (length % 8 != 0) return failed(error, INPUT_FAULT, "its numbers are cut short");
    /* Numbers of the ABI are little-endian, as those of a frame are. */
    return given(out, error, copied(payload, length));
}

static int32_t measure(HqHandle key, HqView_u8 evaluation_key, HqView_u8 plan, HqView_View_View_u8 blocks, HqBuffer *out,
                       HqBuffer *error) {
    (void)key, (void)evaluation_key, (void)plan, (void)blocks;
    return given(out, error, copied(NO_NOISE, sizeof NO_NOISE - 1));
}

static int32_t encrypt_entries(HqHandle key, HqView_i64 values, HqBuffer *out, HqBuffer *error) {
    (void)key, (void)values, (void)out;
    return failed(error, INPUT_FAULT, "there are no encrypted entries of tables here");
}

static int32_t ternary(HqHandle key, HqBuffer *secret, HqBuffer *error) {
    (void)key, (void)secret;
    return failed(error, PLAN, "this backend has no gates");
}

static int32_t bridge(HqHandle key, HqView_u8 other, HqView_i8 secret, HqBuffer *out, HqBuffer *error) {
    (void)key, (void)other, (void)secret, (void)out;
    return failed(error, PLAN, "this backend has no gates");
}

static int32_t open_gates(HqHandle key, HqView_u8 plan, HqView_u8 sums, HqView_u8 passed, HqBuffer *out, HqBuffer *error) {
    (void)key, (void)plan, (void)sums, (void)passed, (void)out;
    return failed(error, PLAN, "this backend has no gates");
}

/* ---- what the host looks up ---- */

__attribute__((visibility("default"))) extern const HqEvaluatorTable hq_evaluator_v2;
const HqEvaluatorTable hq_evaluator_v2 = {
    .abi_version = HQ_ABI_VERSION,
    .table_bytes = sizeof(HqEvaluatorTable),
    .free_buffer = free_buffer,
    .capabilities = capabilities,
    .resolve = resolve,
    .open = open_session,
    .block = block,
    .finish = finish,
    .free_session = free_session,
    .encrypt_parameter = encrypt_parameter,
    .fork = fork_session,
    .absorb = absorb,
    .save = save,
    .restore = restore,
    .gated = gated,
    .pass = pass,
};

__attribute__((visibility("default"))) extern const HqCustodyTable hq_custody_v2;
const HqCustodyTable hq_custody_v2 = {
    .abi_version = HQ_ABI_VERSION,
    .table_bytes = sizeof(HqCustodyTable),
    .free_buffer = free_buffer,
    .free_secret = free_secret,
    .keygen = keygen,
    .load = load,
    .encrypt = encrypt,
    .decrypt = decrypt,
    .measure = measure,
    .free_key = free_key,
    .encrypt_entries = encrypt_entries,
    .ternary = ternary,
    .bridge = bridge,
    .open_gates = open_gates,
};
