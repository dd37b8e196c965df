/* The boundary between hq and a plugin, made from plugins/sdk/src/abi.rs. docs/plugins/abi.md says what each side owes the other. */

#ifndef HQ_PLUGIN_H
#define HQ_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

/**
 * Version of everything in this module.
 */
#define HQ_ABI_VERSION 2

/**
 * Status of success.
 */
#define HQ_OK 0

/**
 * Bytes that the plugin allocated and alone can free.
 */
typedef struct HqBuffer {
  /**
   * First byte; null where there are none.
   */
  uint8_t *ptr;
  /**
   * Number of bytes to read.
   */
  size_t len;
  /**
   * For the allocator: to be handed back unchanged.
   */
  size_t capacity;
} HqBuffer;

/**
 * An array lent for the length of a call. `ptr` may be null where `len` is 0.
 */
typedef struct HqView_u8 {
  /**
   * First item.
   */
  const uint8_t *ptr;
  /**
   * Number of items (not bytes).
   */
  size_t len;
} HqView_u8;

/**
 * An opaque session or key.
 */
typedef void *HqHandle;

/**
 * An array lent for the length of a call. `ptr` may be null where `len` is 0.
 */
typedef struct HqView_View_u8 {
  /**
   * First item.
   */
  const struct HqView_u8 *ptr;
  /**
   * Number of items (not bytes).
   */
  size_t len;
} HqView_View_u8;

/**
 * An array lent for the length of a call. `ptr` may be null where `len` is 0.
 */
typedef struct HqView_u64 {
  /**
   * First item.
   */
  const uint64_t *ptr;
  /**
   * Number of items (not bytes).
   */
  size_t len;
} HqView_u64;

/**
 * What computes on data it cannot read. The functions mirror [`Evaluator`](crate::backend::Evaluator).
 */
typedef struct HqEvaluatorTable {
  /**
   * [`ABI_VERSION`] that the plugin was built with.
   */
  uint32_t abi_version;
  /**
   * Size of this table in the plugin.
   */
  uint32_t table_bytes;
  /**
   * Frees a buffer made through this table; an empty one is ignored.
   */
  void (*free_buffer)(struct HqBuffer);
  /**
   * `out`: `Capabilities`.
   */
  int32_t (*capabilities)(struct HqBuffer *out, struct HqBuffer *error);
  /**
   * `request`: `RnsRequest`; `out`: `RnsParameters`.
   */
  int32_t (*resolve)(struct HqView_u8 request, struct HqBuffer *out, struct HqBuffer *error);
  /**
   * `plan`: text; `evaluation_key`: frame; `out`: a session.
   */
  int32_t (*open)(struct HqView_u8 plan,
                  struct HqView_u8 evaluation_key,
                  HqHandle *out,
                  struct HqBuffer *error);
  /**
   * `inputs`: one frame per input of the plan.
   */
  int32_t (*block)(HqHandle session, struct HqView_View_u8 inputs, struct HqBuffer *error);
  /**
   * `out`: frame of the sums.
   */
  int32_t (*finish)(HqHandle session, struct HqBuffer *out, struct HqBuffer *error);
  /**
   * Frees a session; null is ignored.
   */
  void (*free_session)(HqHandle session);
  /**
   * `evaluation_key`: frame; `out`: frame of a parameter.
   */
  int32_t (*encrypt_parameter)(struct HqView_u8 evaluation_key,
                               int64_t value,
                               struct HqBuffer *out,
                               struct HqBuffer *error);
  /**
   * `out`: a session over the same plan and keys, with nothing done.
   */
  int32_t (*fork)(HqHandle session, HqHandle *out, struct HqBuffer *error);
  /**
   * `other`: a session from the same `open` by forks. It is given back by this call, whatever the status;
   * only where both are one handle is nothing done and nothing given back.
   */
  int32_t (*absorb)(HqHandle session, HqHandle other, struct HqBuffer *error);
  /**
   * `out`: frame of the state.
   */
  int32_t (*save)(HqHandle session, struct HqBuffer *out, struct HqBuffer *error);
  /**
   * `state`: frame that `save` made, for a session that has done no block.
   */
  int32_t (*restore)(HqHandle session, struct HqView_u8 state, struct HqBuffer *error);
  /**
   * As `finish`, of a plan with gates. `pads`: one for each sum; `samples`, `sums`: frames.
   */
  int32_t (*gated)(HqHandle session,
                   struct HqView_u64 pads,
                   struct HqBuffer *samples,
                   struct HqBuffer *sums,
                   struct HqBuffer *error);
  /**
   * `plan`: text; `evaluation_key`, `bridge`, `samples`, `sums`: frames; `pads`: cell by cell; `out`: frame of what passed.
   */
  int32_t (*pass)(struct HqView_u8 plan,
                  struct HqView_u8 evaluation_key,
                  struct HqView_u8 bridge,
                  struct HqView_u8 samples,
                  struct HqView_u8 sums,
                  struct HqView_u64 pads,
                  struct HqBuffer *out,
                  struct HqBuffer *error);
} HqEvaluatorTable;

/**
 * An array lent for the length of a call. `ptr` may be null where `len` is 0.
 */
typedef struct HqView_i64 {
  /**
   * First item.
   */
  const int64_t *ptr;
  /**
   * Number of items (not bytes).
   */
  size_t len;
} HqView_i64;

/**
 * An array lent for the length of a call. `ptr` may be null where `len` is 0.
 */
typedef struct HqView_View_View_u8 {
  /**
   * First item.
   */
  const struct HqView_View_u8 *ptr;
  /**
   * Number of items (not bytes).
   */
  size_t len;
} HqView_View_View_u8;

/**
 * An array lent for the length of a call. `ptr` may be null where `len` is 0.
 */
typedef struct HqView_i8 {
  /**
   * First item.
   */
  const int8_t *ptr;
  /**
   * Number of items (not bytes).
   */
  size_t len;
} HqView_i8;

/**
 * What touches secret keys. The functions mirror [`Custody`](crate::backend::Custody).
 */
typedef struct HqCustodyTable {
  /**
   * [`ABI_VERSION`] that the plugin was built with.
   */
  uint32_t abi_version;
  /**
   * Size of this table in the plugin.
   */
  uint32_t table_bytes;
  /**
   * Frees a buffer made through this table; an empty one is ignored.
   */
  void (*free_buffer)(struct HqBuffer);
  /**
   * As `free_buffer`, and wipes it first.
   */
  void (*free_secret)(struct HqBuffer);
  /**
   * `parameters`: `Parameters`; `seed`: 32 bytes or none; `secret`, `evaluation`: frames.
   */
  int32_t (*keygen)(struct HqView_u8 parameters,
                    struct HqView_u8 seed,
                    struct HqBuffer *secret,
                    struct HqBuffer *evaluation,
                    struct HqBuffer *error);
  /**
   * `secret`: frame; `out`: a key.
   */
  int32_t (*load)(struct HqView_u8 secret, HqHandle *out, struct HqBuffer *error);
  /**
   * `out`: frame of a ciphertext.
   */
  int32_t (*encrypt)(HqHandle key,
                     struct HqView_i64 values,
                     struct HqBuffer *out,
                     struct HqBuffer *error);
  /**
   * `result`: frame of sums; `out`: one `i64` per sum, little-endian.
   */
  int32_t (*decrypt)(HqHandle key,
                     struct HqView_u8 result,
                     struct HqBuffer *out,
                     struct HqBuffer *error);
  /**
   * `blocks`: per block one frame per input; `out`: `Measurement`, where `null` stands for minus
   * infinity (the logarithm of no noise at all).
   */
  int32_t (*measure)(HqHandle key,
                     struct HqView_u8 evaluation_key,
                     struct HqView_u8 plan,
                     struct HqView_View_View_u8 blocks,
                     struct HqBuffer *out,
                     struct HqBuffer *error);
  /**
   * Frees a key, which wipes it; null is ignored.
   */
  void (*free_key)(HqHandle key);
  /**
   * As `encrypt`, for an input that stands in tables.
   */
  int32_t (*encrypt_entries)(HqHandle key,
                             struct HqView_i64 values,
                             struct HqBuffer *out,
                             struct HqBuffer *error);
  /**
   * `secret`: one `i8` per coefficient, for `free_secret`.
   */
  int32_t (*ternary)(HqHandle key, struct HqBuffer *secret, struct HqBuffer *error);
  /**
   * `other`: 16 bytes; `ternary`: the other pair's; `out`: frame of the key between both.
   */
  int32_t (*bridge)(HqHandle key,
                    struct HqView_u8 other,
                    struct HqView_i8 ternary,
                    struct HqBuffer *out,
                    struct HqBuffer *error);
  /**
   * `plan`: text; `sums`, `passed`: frames; `out`: one `i64` per sum of each cell, -1 where it is closed, little-endian.
   */
  int32_t (*open_gates)(HqHandle key,
                        struct HqView_u8 plan,
                        struct HqView_u8 sums,
                        struct HqView_u8 passed,
                        struct HqBuffer *out,
                        struct HqBuffer *error);
} HqCustodyTable;

/**
 * A value that a function takes or gives.
 */
typedef struct HqScalar {
  /**
   * Of a number, `value / 10^decimals`; of a flag, 0 or 1; of a level, its place in the function's own list.
   */
  int64_t value;
  /**
   * Digits after the point, at most 18; 0 of flags and levels.
   */
  uint32_t decimals;
  /**
   * [`Scalar::NUMBER`], [`Scalar::FLAG`] or [`Scalar::LEVEL`].
   */
  uint32_t kind;
} HqScalar;
/**
 * Kind of an exact decimal number.
 */
#define HqScalar_NUMBER 0
/**
 * Kind of a truth value.
 */
#define HqScalar_FLAG 1
/**
 * Kind of a level.
 */
#define HqScalar_LEVEL 2

/**
 * An array lent for the length of a call. `ptr` may be null where `len` is 0.
 */
typedef struct HqView_Scalar {
  /**
   * First item.
   */
  const struct HqScalar *ptr;
  /**
   * Number of items (not bytes).
   */
  size_t len;
} HqView_Scalar;

/**
 * Functions for programs. They mirror [`Library`](crate::function::Library).
 */
typedef struct HqFunctionTable {
  /**
   * [`ABI_VERSION`] that the plugin was built with.
   */
  uint32_t abi_version;
  /**
   * Size of this table in the plugin.
   */
  uint32_t table_bytes;
  /**
   * Frees a buffer made through this table; an empty one is ignored.
   */
  void (*free_buffer)(struct HqBuffer);
  /**
   * `out`: a list of `Signature`.
   */
  int32_t (*describe)(struct HqBuffer *out, struct HqBuffer *error);
  /**
   * `function`: its place in that list; `arguments`: one of each of its parameters. Equal arguments give equal
   * results. `Fault::Input` where the function has no value for them.
   */
  int32_t (*call)(uint32_t function,
                  struct HqView_Scalar arguments,
                  struct HqScalar *out,
                  struct HqBuffer *error);
} HqFunctionTable;

#endif  /* HQ_PLUGIN_H */
