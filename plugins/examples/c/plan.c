/* docs/architecture.md, "The plan", describes the text. Whatever is read here may be anything: every word is
   looked at, and every node's range is computed, so that no value leaves 62 bits when rows are added up. */

#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT ((size_t)64 << 20)

static const wide MAX_MAGNITUDE = (wide)1 << 62;

typedef struct {
    Plan *plan;
    const char *why;
    size_t input_room, node_room, sum_room;
    bool rows, parameters;
} Reader;

static bool wrong(Reader *reader, const char *why) {
    if (reader->why == NULL) reader->why = why;
    return false;
}

/* Room for one item more. */
static bool grow(void **items, size_t count, size_t *room, size_t size) {
    if (count < *room) return true;
    size_t more = *room == 0 ? 16 : *room * 2;
    void *moved = realloc(*items, more * size);
    if (moved == NULL) return false;
    *items = moved;
    *room = more;
    return true;
}

/* The next word of a line, cut off in place. */
static char *word(char **line) {
    while (**line == ' ') ++*line;
    if (**line == 0) return NULL;
    char *begin = *line;
    while (**line != ' ' && **line != 0) ++*line;
    if (**line == ' ') *(*line)++ = 0;
    return begin;
}

/* A number that fills a text, or stands before `end` in it. */
static bool number(const char **text, int64_t *value) {
    const char *digits = **text == '-' ? *text + 1 : *text;
    if (*digits < '0' || *digits > '9') return false;
    char *end;
    errno = 0;
    long long read = strtoll(*text, &end, 10);
    if (errno != 0) return false;
    *value = read;
    *text = end;
    return true;
}

static bool whole_number(const char *text, int64_t *value) {
    return text != NULL && number(&text, value) && *text == 0;
}

/* `LO..HI` at the head of a text. */
static bool range_at(const char **text, Range *range) {
    int64_t lo, hi;
    if (!number(text, &lo) || strncmp(*text, "..", 2) != 0) return false;
    *text += 2;
    if (!number(text, &hi) || lo > hi) return false;
    *range = (Range){lo, hi};
    return true;
}

static bool whole_range(const char *text, Range *range) {
    return text != NULL && range_at(&text, range) && *text == 0;
}

/* `%N`, of a node above. */
static bool node_of(const Reader *reader, const char *text, size_t *node) {
    int64_t at;
    if (text == NULL || *text != '%' || !whole_number(text + 1, &at)) return false;
    if (at < 0 || (uint64_t)at >= reader->plan->node_count) return false;
    *node = (size_t)at;
    return true;
}

uint32_t rows_of_parameters(const char *text, size_t length) {
    static const char HEAD[] = "{\"scheme\":\"clear\",\"rows_per_block\":";
    char copy[80];
    size_t head = sizeof HEAD - 1;
    if (length >= sizeof copy || length <= head || memcmp(text, HEAD, head) != 0) return 0;
    memcpy(copy, text, length);
    copy[length] = 0;
    const char *rest = copy + head;
    int64_t rows;
    if (!number(&rest, &rows) || strcmp(rest, "}") != 0 || rows < 1 || rows > UINT32_MAX) return 0;
    return (uint32_t)rows;
}

static bool read_input(Reader *reader, char *line) {
    Plan *plan = reader->plan;
    char *name = word(&line), *range = word(&line), *more;
    Input input = {0};
    if (name == NULL || !whole_range(range, &input.range)) return wrong(reader, "an input has no name or no range");
    for (size_t at = 0; at < plan->input_count; at++)
        if (strcmp(plan->inputs[at].name, name) == 0) return wrong(reader, "an input is declared twice");
    while ((more = word(&line)) != NULL) {
        /* What is said of families of flags only makes ranges narrower. */
        if (strcmp(more, "parameter") == 0) input.parameter = true;
        else if (strcmp(more, "one_of") == 0 && word(&line) != NULL) continue;
        else if (strcmp(more, "nested") == 0 && word(&line) != NULL && word(&line) != NULL) continue;
        else return wrong(reader, "an input is followed by something unknown");
    }
    input.name = strdup(name);
    if (input.name == NULL || !grow((void **)&plan->inputs, plan->input_count, &reader->input_room, sizeof input)) {
        free(input.name);
        return wrong(reader, "there is no memory for it");
    }
    plan->inputs[plan->input_count++] = input;
    return true;
}

static bool read_linear(Reader *reader, char *line, Node *node) {
    size_t room = 0;
    char *term;
    if (!whole_number(word(&line), &node->constant)) return wrong(reader, "a sum has no constant");
    while ((term = word(&line)) != NULL) {
        const char *rest = term;
        Term read;
        if (!number(&rest, &read.coefficient) || *rest != '*' || !node_of(reader, rest + 1, &read.node))
            return wrong(reader, "a term is none");
        if (!grow((void **)&node->terms, node->count, &room, sizeof read)) return wrong(reader, "there is no memory for it");
        node->terms[node->count++] = read;
    }
    return true;
}

/* `{LO..HI,...}` */
static bool read_set(Reader *reader, const char *text, Node *node) {
    size_t room = 0;
    if (text == NULL || *text++ != '{') return wrong(reader, "a set is none");
    if (*text == '}') return text[1] == 0 || wrong(reader, "a set is none");
    for (;;) {
        Range range;
        if (!range_at(&text, &range)) return wrong(reader, "a set is none");
        if (!grow((void **)&node->ranges, node->count, &room, sizeof range))
            return wrong(reader, "there is no memory for it");
        node->ranges[node->count++] = range;
        if (*text == '}') return text[1] == 0 || wrong(reader, "a set is none");
        if (*text++ != ',') return wrong(reader, "a set is none");
    }
}

static wide least(wide a, wide b) { return a < b ? a : b; }
static wide most(wide a, wide b) { return a < b ? b : a; }

/* Operands have 62 bits and coefficients 63, so nothing here leaves 128. */
static Range product(Range a, Range b) {
    wide corners[] = {a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi};
    Range range = {corners[0], corners[0]};
    for (int at = 1; at < 4; at++) range = (Range){least(range.lo, corners[at]), most(range.hi, corners[at])};
    return range;
}

static bool within(Range range) { return -MAX_MAGNITUDE <= range.lo && range.hi <= MAX_MAGNITUDE; }

static bool find_range(Reader *reader, Node *node) {
    const Plan *plan = reader->plan;
    const Node *nodes = plan->nodes;
    node->range = (Range){0, 1};
    if (node->kind == INPUT) node->range = plan->inputs[node->left].range;
    if (node->kind == MUL) {
        node->range = product(nodes[node->left].range, nodes[node->right].range);
        /* A square is never below zero. */
        if (node->left == node->right) node->range.lo = most(node->range.lo, 0);
    }
    if (node->kind == LINEAR) {
        node->range = (Range){node->constant, node->constant};
        for (size_t at = 0; at < node->count; at++) {
            Range factor = {node->terms[at].coefficient, node->terms[at].coefficient};
            Range term = product(factor, nodes[node->terms[at].node].range);
            node->range = (Range){node->range.lo + term.lo, node->range.hi + term.hi};
            /* Stopped here, so that the next term cannot leave 128 bits. */
            if (!within((Range){node->range.lo / 4, node->range.hi / 4})) break;
        }
    }
    return within(node->range) || wrong(reader, "a value leaves 62 bits");
}

static bool read_node(Reader *reader, const char *name, char *line) {
    Plan *plan = reader->plan;
    size_t own;
    Node node = {0};
    Range proved;
    char *in = strstr(line, " in ");
    bool is_proved = in != NULL;
    if (is_proved) {
        *in = 0;
        if (!whole_range(in + 4, &proved)) return wrong(reader, "what is proved of a node is no range");
    }
    int64_t at;
    if (*name != '%' || !whole_number(name + 1, &at) || (uint64_t)at != plan->node_count)
        return wrong(reader, "a node is not the next one");
    if (word(&line) == NULL) return wrong(reader, "a node has no operation");
    char *op = word(&line);
    bool read = false;
    if (op == NULL) return wrong(reader, "a node has no operation");
    if (strcmp(op, "input") == 0) {
        char *input = word(&line);
        for (own = 0; input != NULL && own < plan->input_count && strcmp(plan->inputs[own].name, input) != 0;) own++;
        node.kind = INPUT;
        node.left = own = input == NULL ? plan->input_count : own;
        read = (own < plan->input_count && word(&line) == NULL) || wrong(reader, "there is no such input, or it has a level");
    } else if (strcmp(op, "linear") == 0) {
        node.kind = LINEAR;
        read = read_linear(reader, line, &node);
    } else if (strcmp(op, "member") == 0) {
        node.kind = MEMBER;
        read = node_of(reader, word(&line), &node.left) || wrong(reader, "a node is not defined above");
        read = read && read_set(reader, word(&line), &node);
    } else if (strcmp(op, "less") == 0 || strcmp(op, "equal") == 0 || strcmp(op, "mul") == 0) {
        node.kind = *op == 'l' ? LESS : *op == 'e' ? EQUAL : MUL;
        bool left = node_of(reader, word(&line), &node.left), right = node_of(reader, word(&line), &node.right);
        read = (left && right) || wrong(reader, "a node is not defined above");
    } else {
        wrong(reader, "it has an operation that this backend has not");
    }
    if (read && find_range(reader, &node)) {
        if (is_proved && proved.lo <= node.range.hi && node.range.lo <= proved.hi)
            node.range = (Range){most(node.range.lo, proved.lo), least(node.range.hi, proved.hi)};
        if (grow((void **)&plan->nodes, plan->node_count, &reader->node_room, sizeof node)) {
            plan->nodes[plan->node_count++] = node;
            return true;
        }
        wrong(reader, "there is no memory for it");
    }
    free(node.terms);
    free(node.ranges);
    return false;
}

static bool read_sum(Reader *reader, char *line) {
    Plan *plan = reader->plan;
    size_t node;
    Range range;
    if (!node_of(reader, word(&line), &node) || !whole_range(word(&line), &range))
        return wrong(reader, "a sum is of no node, or has no range");
    Range of = plan->nodes[node].range;
    if (range.lo < of.lo || range.hi > of.hi) return wrong(reader, "a sum is wider than its node");
    if (!grow((void **)&plan->sums, plan->sum_count, &reader->sum_room, sizeof node))
        return wrong(reader, "there is no memory for it");
    plan->sums[plan->sum_count++] = node;
    return true;
}

/* `C*sN ...` */
static bool read_aggregate(Reader *reader, char *line) {
    char *term;
    while ((term = word(&line)) != NULL) {
        const char *rest = term;
        int64_t coefficient, sum;
        bool read = number(&rest, &coefficient) && strncmp(rest, "*s", 2) == 0 && whole_number(rest + 2, &sum);
        if (!read || sum < 0 || (uint64_t)sum >= reader->plan->sum_count) return wrong(reader, "an aggregate is of no sum");
    }
    return true;
}

static bool read_line(Reader *reader, char *line) {
    char *comment = strchr(line, '#');
    if (comment != NULL) *comment = 0;
    char *head = word(&line);
    if (head == NULL) return true;
    if (strcmp(head, "rows") == 0) {
        int64_t rows;
        reader->rows = whole_number(word(&line), &rows) && rows >= 0;
        return reader->rows || wrong(reader, "it does not say how many rows there are");
    }
    if (strcmp(head, "parameters") == 0) {
        reader->plan->rows_per_block = rows_of_parameters(line, strlen(line));
        return reader->plan->rows_per_block > 0 || wrong(reader, "its parameters are of another scheme");
    }
    if (strcmp(head, "input") == 0) return read_input(reader, line);
    if (strcmp(head, "sum") == 0) return read_sum(reader, line);
    if (strcmp(head, "aggregate") == 0) return read_aggregate(reader, line);
    if (*head == '%') return read_node(reader, head, line);
    return wrong(reader, "it has a line that this backend does not know");
}

Plan *plan_read(const char *text, size_t length, const char **why) {
    static const char HEADER[] = "hq-plan 1";
    Reader reader = {.plan = calloc(1, sizeof(Plan))};
    char *copy = length < MAX_TEXT ? malloc(length + 1) : NULL;
    *why = "there is no memory for it";
    if (copy == NULL || reader.plan == NULL || memchr(text, 0, length) != NULL) {
        if (copy != NULL && reader.plan != NULL) *why = "it has bytes that are no text";
        free(copy);
        plan_free(reader.plan);
        return NULL;
    }
    memcpy(copy, text, length);
    copy[length] = 0;
    bool first = true, read = true;
    for (char *line = copy, *end; read && line != NULL; line = end) {
        end = strchr(line, '\n');
        if (end != NULL) *end++ = 0;
        if (first) read = strcmp(line, HEADER) == 0 || wrong(&reader, "it does not begin as plans do");
        else read = read_line(&reader, line);
        first = false;
    }
    free(copy);
    if (read && reader.plan->rows_per_block == 0) read = wrong(&reader, "it has no parameters");
    if (read) return reader.plan;
    *why = reader.why;
    plan_free(reader.plan);
    return NULL;
}

void plan_free(Plan *plan) {
    if (plan == NULL) return;
    for (size_t at = 0; at < plan->input_count; at++) free(plan->inputs[at].name);
    for (size_t at = 0; at < plan->node_count; at++) {
        free(plan->nodes[at].terms);
        free(plan->nodes[at].ranges);
    }
    free(plan->inputs);
    free(plan->nodes);
    free(plan->sums);
    free(plan);
}

/* What is proved of a node may be wrong in a plan that means harm, so nothing may leave 128 bits. */
static wide times(wide a, wide b) {
    wide value;
    return __builtin_mul_overflow(a, b, &value) ? MAX_MAGNITUDE : value;
}

static wide plus(wide a, wide b) {
    wide value;
    return __builtin_add_overflow(a, b, &value) ? MAX_MAGNITUDE : value;
}

static wide value_of(const Node *node, const int64_t *row, const wide *values) {
    wide value;
    switch (node->kind) {
        case INPUT: return row[node->left];
        case LESS: return values[node->left] < values[node->right];
        case EQUAL: return values[node->left] == values[node->right];
        case MUL: return times(values[node->left], values[node->right]);
        case MEMBER:
            for (size_t at = 0; at < node->count; at++)
                if (node->ranges[at].lo <= values[node->left] && values[node->left] <= node->ranges[at].hi) return 1;
            return 0;
        case LINEAR:
            value = node->constant;
            for (size_t at = 0; at < node->count; at++)
                value = plus(value, times(node->terms[at].coefficient, values[node->terms[at].node]));
            return value;
    }
    return 0;
}

void plan_add_row(const Plan *plan, const int64_t *row, wide *values, wide *sums) {
    for (size_t at = 0; at < plan->node_count; at++) values[at] = value_of(&plan->nodes[at], row, values);
    for (size_t at = 0; at < plan->sum_count; at++) sums[at] = plus(sums[at], values[plan->sums[at]]);
}
