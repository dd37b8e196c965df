/* A plan as the backend `ledger` runs it: read from its text, checked, and evaluated row by row. */

#ifndef LEDGER_PLAN_H
#define LEDGER_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef __int128 wide;

/* Numbers from lo to hi. */
typedef struct {
    wide lo, hi;
} Range;

typedef enum { INPUT, MEMBER, LESS, EQUAL, LINEAR, MUL } OpKind;

/* coefficient * node, or with no node the constant of a sum. */
typedef struct {
    int64_t coefficient;
    size_t node;
} Term;

typedef struct {
    OpKind kind;
    size_t left, right; /* nodes; of INPUT, `left` is the place of the input */
    int64_t constant;   /* of LINEAR */
    Term *terms;        /* of LINEAR */
    Range *ranges;      /* of MEMBER */
    size_t count;       /* of terms or ranges */
    Range range;        /* of its values */
} Node;

typedef struct {
    char *name;
    Range range;
    bool parameter;
} Input;

typedef struct {
    uint32_t rows_per_block;
    Input *inputs;
    Node *nodes;
    size_t *sums; /* nodes */
    size_t input_count, node_count, sum_count;
} Plan;

/* Reads a plan; NULL where it is none that this backend runs, and `why` says in a sentence why not. */
Plan *plan_read(const char *text, size_t length, const char **why);
void plan_free(Plan *plan);

/* Adds one row to the sums. `row` has a value of each input, in its range; `values` has room for one of each node. */
void plan_add_row(const Plan *plan, const int64_t *row, wide *values, wide *sums);

/* What an object of JSON says of blocks in the clear; 0 where it says something else. */
uint32_t rows_of_parameters(const char *text, size_t length);

#endif
