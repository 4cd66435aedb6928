/* codes_opened_avx512vnni.c: the tiles of codes_opened_avx512vnni.h and the loops around them: once, not for
 * every layout. */
#include "kernel/x86/codes_opened_avx512vnni.h"

#include <string.h>

enum { MOST_OPENED = 256 }; /* rows whose 512 columns stay in an L2 cache */

/* ---- a tile -------------------------------------------------------------------------------------- */

typedef struct opened_tile {
    const opened *w;
    int blocks;
    bool begins;          /* y: its chains begin here */
    const char *x;
    size_t x_step;        /* bytes to the next row */
    float *y;
    int64_t ldy, y_step;  /* floats to the next row, to the columns of panel 1 */
    const char *fetch[2]; /* what is opened next; a tile reads `lines` lines of each ahead per block */
    int lines;
} opened_tile;

/* The kinds that the layouts come down to. */
typedef enum opened_kind { SIGNED_32, MINIMA_32, SIGNED_MINIMA_32, SIGNED_16, MINIMA_16 } opened_kind;

static FM_INLINE opened_kind kind_of(const int layout) {
    if (group_columns(layout) == 16) return has_minimum(layout) ? MINIMA_16 : SIGNED_16;
    if (!has_minimum(layout)) return SIGNED_32;
    return offset_bits(layout) < 0 ? MINIMA_32 : SIGNED_MINIMA_32;
}

static FM_INLINE __m512i four_at(const int8_t *code) {
    int32_t v;
    memcpy(&v, code, sizeof v);
    return _mm512_set1_epi32(v);
}

#define ROW_BLOCK(r) ((const fm_codes *)(const void *)(x + (r) * x_step))
#define ROW_SECOND(r) ((const fm_codes16 *)(const void *)(x + (r) * x_step))->second

#define EACH_OPENED(M)                                                                             \
    do {                                                                                           \
        M(0);                                                                                      \
        M(1);                                                                                      \
        M(2);                                                                                      \
        M(3);                                                                                      \
        if (R > 4) M(4);                                                                           \
        if (R > 5) M(5);                                                                           \
    } while (0)

#define LOAD_Y(r)                                                                                  \
    do {                                                                                           \
        const float *from = t->y + r * t->ldy;                                                     \
        y##r##0 = t->begins ? _mm512_setzero_ps() : _mm512_loadu_ps(from);                         \
        y##r##1 = t->begins ? _mm512_setzero_ps() : _mm512_loadu_ps(from + t->y_step);             \
    } while (0)
#define STORE_Y(r)                                                                                 \
    do {                                                                                           \
        _mm512_storeu_ps(t->y + r * t->ldy, y##r##0);                                              \
        _mm512_storeu_ps(t->y + r * t->ldy + t->y_step, y##r##1);                                  \
    } while (0)

/* Nothing moves across: gcc would make room for weights of all steps at once, and has not got it. */
#define KEEP_ORDER(a, b) __asm__ volatile("" : "+v"(a), "+v"(b))

#define BEGIN_SUM(r) n##r##0 = n##r##1 = _mm512_setzero_si512()
#define ADD_BYTES(r)                                                                               \
    do {                                                                                           \
        __m512i four = four_at((second ? ROW_SECOND(r) : ROW_BLOCK(r)->code) + 4 * j);             \
        n##r##0 = _mm512_dpbusd_epi32(n##r##0, u0, four);                                          \
        n##r##1 = _mm512_dpbusd_epi32(n##r##1, u1, four);                                          \
        KEEP_ORDER(n##r##0, n##r##1);                                                              \
    } while (0)
/* Those of a group; the empty asm is not to keep the first bytes' weights for the second ones. */
#define ADD_ALL(are_second)                                                                        \
    do {                                                                                           \
        const bool second = are_second;                                                            \
        __asm__ volatile("" : "+r"(w));                                                            \
        _Pragma("GCC unroll 8") for (int j = fours * part; j < fours * (part + 1); j++) {          \
            __m512i u0 = w->code[b][j][0], u1 = w->code[b][j][1];                                  \
            EACH_OPENED(ADD_BYTES);                                                                \
        }                                                                                          \
    } while (0)
#define TIMES_256(r)                                                                               \
    do {                                                                                           \
        n##r##0 = _mm512_slli_epi32(n##r##0, 8);                                                   \
        n##r##1 = _mm512_slli_epi32(n##r##1, 8);                                                   \
    } while (0)

/* Undone at the end: a sum that began with it would wait for its load. */
#define UNDO(r)                                                                                    \
    (parts == 2 ? _mm512_slli_epi32(_mm512_set1_epi32(ROW_BLOCK(r)->undo32[part]), 1)              \
                : _mm512_set1_epi32(ROW_BLOCK(r)->undo128))
#define SUM_16_OR_32(r) (parts == 2 ? ROW_BLOCK(r)->sum16[part] : ROW_BLOCK(r)->sum)
#define END_SUM(r)                                                                                 \
    do {                                                                                           \
        if (undoes) {                                                                              \
            n##r##0 = _mm512_add_epi32(n##r##0, UNDO(r));                                          \
            n##r##1 = _mm512_add_epi32(n##r##1, UNDO(r));                                          \
        }                                                                                          \
        __m512 scale = _mm512_set1_ps(ROW_BLOCK(r)->scale);                                        \
        __m512 s0 = _mm512_mul_ps(scale, w->scale[g][0]);                                          \
        __m512 s1 = _mm512_mul_ps(scale, w->scale[g][1]);                                          \
        y##r##0 = _mm512_fmadd_ps(s0, _mm512_cvtepi32_ps(n##r##0), y##r##0);                       \
        y##r##1 = _mm512_fmadd_ps(s1, _mm512_cvtepi32_ps(n##r##1), y##r##1);                       \
        if (!minima) break;                                                                        \
        __m512 sum = _mm512_set1_ps(SUM_16_OR_32(r));                                              \
        y##r##0 = _mm512_fmadd_ps(w->minimum[g][0], sum, y##r##0);                                 \
        y##r##1 = _mm512_fmadd_ps(w->minimum[g][1], sum, y##r##1);                                 \
    } while (0)

static FM_INLINE void multiply_opened(const opened_tile *t, const opened_kind kind, const fm_codes_form form,
                                      const int R) {
    const bool minima = kind == MINIMA_32 || kind == MINIMA_16 || kind == SIGNED_MINIMA_32;
    const bool undoes = kind != MINIMA_32 && kind != MINIMA_16, two = form == FM_CODES_16;
    const int parts = kind == SIGNED_16 || kind == MINIMA_16 ? 2 : 1, fours = 8 / parts;
    const size_t x_step = t->x_step;
    const char *x = t->x;
    __m512 y00, y01, y10, y11, y20, y21, y30, y31, y40, y41, y50, y51;
    EACH_OPENED(LOAD_Y);
#pragma GCC unroll 1
    for (int b = 0; b < t->blocks; b++, x += fm_codes_block_bytes(form)) {
        for (int i = 0; i < t->lines; i++) {
            _mm_prefetch(t->fetch[0] + 64 * (b * t->lines + i), _MM_HINT_T0);
            _mm_prefetch(t->fetch[1] + 64 * (b * t->lines + i), _MM_HINT_T0);
        }
#pragma GCC unroll 2
        for (int part = 0; part < parts; part++) {
            const int g = parts * b + part;
            const opened *w = t->w;
            __m512i n00, n01, n10, n11, n20, n21, n30, n31, n40, n41, n50, n51;
            EACH_OPENED(BEGIN_SUM);
            ADD_ALL(false);
            if (two) {
                EACH_OPENED(TIMES_256);
                ADD_ALL(true);
            }
            EACH_OPENED(END_SUM);
        }
    }
    EACH_OPENED(STORE_Y);
}

#define DEFINE_OPENED(kind)                                                                        \
    static __attribute__((noinline)) void multiply_##kind(const opened_tile *t, int64_t rows,      \
                                                          const fm_codes_form form) {              \
        switch (rows + (form == FM_CODES_16 ? 8 : 0)) {                                            \
        case 4: multiply_opened(t, kind, FM_CODES_8, 4); break;                                    \
        case 5: multiply_opened(t, kind, FM_CODES_8, 5); break;                                    \
        case 6: multiply_opened(t, kind, FM_CODES_8, 6); break;                                    \
        case 12: multiply_opened(t, kind, FM_CODES_16, 4); break;                                  \
        case 13: multiply_opened(t, kind, FM_CODES_16, 5); break;                                  \
        default: multiply_opened(t, kind, FM_CODES_16, 6); break;                                  \
        }                                                                                          \
    }
DEFINE_OPENED(SIGNED_32)
DEFINE_OPENED(MINIMA_32)
DEFINE_OPENED(SIGNED_MINIMA_32)
DEFINE_OPENED(SIGNED_16)
DEFINE_OPENED(MINIMA_16)

static void multiply_opened_rows(const opened_tile *t, const opened_kind kind, const fm_codes_form form,
                                 int64_t rows) {
    switch (kind) {
    case SIGNED_32: multiply_SIGNED_32(t, rows, form); break;
    case MINIMA_32: multiply_MINIMA_32(t, rows, form); break;
    case SIGNED_MINIMA_32: multiply_SIGNED_MINIMA_32(t, rows, form); break;
    case SIGNED_16: multiply_SIGNED_16(t, rows, form); break;
    default: multiply_MINIMA_16(t, rows, form); break;
    }
}

/* ---- all rows ------------------------------------------------------------------------------------ */

/* What is opened after panel p and column k; behind everything that is taken to be the panels behind. */
static const char *opened_next(const opened_rows *r, int64_t p, int64_t k) {
    int64_t panel = p + 2;
    if (panel >= r->n_panels) {
        k += FM_CODES * OPENED_BLOCKS;
        panel = k < r->n_in ? 0 : r->n_panels;
        if (k >= r->n_in) k = 0;
    }
    return codes_block_at(r->layout, r->panels + (size_t)panel * r->panel_bytes, k).at;
}

/* Tiles of nearly equal height; the first one fetches. */
static void multiply_tiles(opened_tile t, const opened_kind kind, const fm_codes_form form, int64_t rows) {
    for (int64_t tiles = (rows + 5) / 6; tiles > 0; tiles--) {
        int64_t height = (rows + tiles - 1) / tiles;
        multiply_opened_rows(&t, kind, form, height);
        t.x += (size_t)height * t.x_step;
        t.y += height * t.ldy;
        t.lines = 0;
        rows -= height;
    }
}

/* Columns outside, pairs of panels inside: what a call reads of x at a time stays in an L2 cache for all of
 * its panels. A panel without a partner is its own. */
static void multiply_columns(const opened_rows *r) {
    const int64_t columns = FM_CODES * OPENED_BLOCKS;
    const opened_kind kind = kind_of(r->layout);
    const size_t x_bytes = fm_codes_block_bytes(r->form);
    const size_t bytes = codes_block_bytes(r->layout) / (is_super(r->layout) ? 8 : 1); /* of 32 columns */
    opened o;
    for (int64_t k = 0; k < r->n_in; k += columns) {
        const int64_t left = (r->n_in - k) / FM_CODES;
        const int blocks = (int)(left < OPENED_BLOCKS ? left : OPENED_BLOCKS);
        for (int64_t p = 0; p < r->n_panels; p += 2) {
            const char *w = r->panels + (size_t)p * r->panel_bytes;
            const size_t partner = p + 1 < r->n_panels ? r->panel_bytes : 0;
            r->open(w, k, blocks, &o, 0);
            r->open(w + partner, k, blocks, &o, 1);
            const char *next = opened_next(r, p, k);
            opened_tile t = {.w = &o, .blocks = blocks, .begins = k == 0,
                             .x = r->x + (size_t)(k / FM_CODES) * x_bytes,
                             .x_step = r->x_step, .y = r->y + p * FM_PANEL, .ldy = r->ldy,
                             .y_step = partner ? FM_PANEL : 0, .fetch = {next, next + r->panel_bytes},
                             .lines = (int)((bytes + 63) / 64)};
            multiply_tiles(t, kind, r->form, r->rows);
        }
    }
}

void fm_codes_opened_product_vnni(opened_rows r) {
    int64_t rows = r.rows;
    for (int64_t blocks = (rows + MOST_OPENED - 1) / MOST_OPENED; blocks > 0; blocks--) {
        r.rows = (rows + blocks - 1) / blocks;
        multiply_columns(&r);
        r.x += (size_t)r.rows * r.x_step;
        r.y += r.rows * r.ldy;
        rows -= r.rows;
    }
}
