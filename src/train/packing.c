#include "train/packing.h"

#include "base/mem.h"

/* Rows by the room they have left: a stack for each amount, and a bit for each stack that is not empty. */
typedef struct shelves {
    int64_t *top;    /* [capacity + 1]: the row begun last with this much room, or -1 */
    int64_t *under;  /* [rows]: the next in the same stack, or -1 */
    uint64_t *taken; /* a bit per amount of room */
    int64_t capacity;
} shelves;

static void put_row(shelves *s, int64_t row, int64_t room) {
    s->under[row] = s->top[room];
    s->top[room] = row;
    s->taken[room >> 6] |= (uint64_t)1 << (room & 63);
}

/* The least room of at least `length` that some row has; -1: none has. */
static int64_t best_fit(const shelves *s, int64_t length) {
    int64_t word = length >> 6, last = s->capacity >> 6;
    uint64_t bits = s->taken[word] & (UINT64_MAX << (length & 63));
    while (!bits && word < last) bits = s->taken[++word];
    return bits ? word * 64 + __builtin_ctzll(bits) : -1;
}

static int64_t take_row(shelves *s, int64_t room) {
    int64_t row = s->top[room];
    s->top[room] = s->under[row];
    if (s->top[room] < 0) s->taken[room >> 6] &= ~((uint64_t)1 << (room & 63));
    return row;
}

/* Pieces in `order`, longest first; `start` is scratch of capacity + 2. */
static void sort_by_length(const int64_t *lengths, int64_t n, int64_t capacity, int64_t *start, int64_t *order) {
    for (int64_t i = 0; i < n; i++) start[capacity - lengths[i] + 1]++;
    for (int64_t i = 0; i < capacity; i++) start[i + 1] += start[i];
    for (int64_t i = 0; i < n; i++) order[start[capacity - lengths[i]]++] = i;
}

static int64_t pack(shelves *s, const int64_t *lengths, const int64_t *order, int64_t n, int64_t *row_of) {
    int64_t rows = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t piece = order[i], room = best_fit(s, lengths[piece]);
        int64_t row = room < 0 ? rows++ : take_row(s, room);
        if (room < 0) room = s->capacity;
        put_row(s, row, room - lengths[piece]);
        row_of[piece] = row;
    }
    return rows;
}

fm_status fm_pack_rows(const int64_t *lengths, int64_t n, int64_t capacity, int64_t *row_of,
                       int64_t *n_rows, fm_error *err) {
    size_t amounts = (size_t)capacity + 2;
    shelves s = {.capacity = capacity};
    int64_t *start = fm_alloc_array(amounts, sizeof *start, FM_MEM_OTHER);
    int64_t *order = fm_alloc_array((size_t)n + 1, sizeof *order, FM_MEM_OTHER);
    s.top = fm_alloc_array(amounts, sizeof *s.top, FM_MEM_OTHER);
    s.under = fm_alloc_array((size_t)n + 1, sizeof *s.under, FM_MEM_OTHER);
    s.taken = fm_alloc_array(amounts / 64 + 1, sizeof *s.taken, FM_MEM_OTHER);
    bool ready = start && order && s.top && s.under && s.taken;
    if (ready) {
        for (size_t i = 0; i < amounts; i++) s.top[i] = -1;
        sort_by_length(lengths, n, capacity, start, order);
        *n_rows = pack(&s, lengths, order, n, row_of);
    }
    fm_free(start);
    fm_free(order);
    fm_free(s.top);
    fm_free(s.under);
    fm_free(s.taken);
    return ready ? FM_OK : fm_fail_memory(err, (amounts + (size_t)n) * 2 * sizeof *start, "packing documents");
}
