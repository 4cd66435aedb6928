/* Every form of attention against softmax in double precision, at every length from 1 to past two
 * blocks of positions, through caches of all types; and the promise that a row's bits depend
 * neither on how its sequence was cut into chunks nor on who shares its step. */
#include "op_support.h"

#include "tensor/half.h"

enum { LENGTH = 600, INPUTS = 3 };

/* A recorded attention with the buffers that feed it. */
typedef struct form {
    bench b;
    int n_inputs;
    int64_t columns[INPUTS], out_columns, rows;
    float *buffers[INPUTS];
    fm_value out;
} form;

static fm_value form_input(form *f, int64_t columns) {
    int i = f->n_inputs++;
    f->columns[i] = columns;
    f->buffers[i] = calloc((size_t)(f->rows * columns), sizeof(float));
    return input(f->b.plan, f->buffers[i], FM_ROWS_TOKENS, columns);
}

static void form_done(form *f, fm_value out) {
    fm_error err;
    size_t bytes;
    f->out = out;
    f->out_columns = fm_plan_columns(f->b.plan, out);
    fm_plan_keep(f->b.plan, out, "out");
    assert_ok(fm_plan_place(f->b.plan, &bytes, &err));
    assert_ok(fm_plan_allocate(f->b.plan, &err));
}

static void form_free(form *f) {
    for (int i = 0; i < f->n_inputs; i++) free(f->buffers[i]);
    bench_free(&f->b);
}

/* One sequence of a step: rows [position, position + count) of the arrays in `in`. */
typedef struct piece {
    const float *const *in;
    float *out;
    int64_t position, count;
    void **pages;
} piece;

static void form_step(form *f, const piece *pieces, int n) {
    fm_error err;
    fm_segment segments[8];
    int64_t rows = 0;
    for (int i = 0; i < n; i++) {
        segments[i] = (fm_segment){rows, pieces[i].count, pieces[i].position, pieces[i].pages};
        for (int j = 0; j < f->n_inputs; j++)
            memcpy(f->buffers[j] + rows * f->columns[j],
                   pieces[i].in[j] + pieces[i].position * f->columns[j],
                   (size_t)(pieces[i].count * f->columns[j]) * sizeof(float));
        rows += pieces[i].count;
    }
    fm_step step = {.n_rows = rows, .n_segments = n, .segments = segments, .kv = &f->b.kv};
    assert_ok(fm_plan_run(f->b.plan, &step, &err));
    for (int i = 0; i < n; i++)
        memcpy(pieces[i].out + pieces[i].position * f->out_columns,
               fm_plan_floats(f->b.plan, f->out) + segments[i].row * f->out_columns,
               (size_t)(pieces[i].count * f->out_columns) * sizeof(float));
}

static float *form_sequence(form *f, const float *const *in, int64_t length, int64_t chunk) {
    float *out = malloc((size_t)(length * f->out_columns) * sizeof(float));
    for (int64_t at = 0; at < length; at += chunk)
        form_step(f, &(piece){in, out, at, length - at < chunk ? length - at : chunk, f->b.pages}, 1);
    return out;
}

/* Row x [n] as the cache gives it back, written out a second time. */
static void rounded(const float *x, int64_t n, const fm_kv_shape *kv, double *out) {
    for (int64_t i = 0; i < n; i++) {
        float most = 0;
        for (int64_t j = i / kv->block * kv->block; j < (i / kv->block + 1) * kv->block && j < n; j++)
            most = fmaxf(most, fabsf(x[j]));
        switch (kv->type) {
        case FM_KV_F32: out[i] = (double)x[i]; break;
        case FM_KV_BF16: out[i] = (double)fm_bf16_to_float(fm_bf16_from_float(x[i])); break;
        case FM_KV_INT8: out[i] = (double)(rintf(x[i] * (127 / most)) * (most / 127)); break;
        }
    }
}

/* out[dv] of one query over `n` positions, all in double: keys [n, dk], values [n, dv]. */
static void softmax_double(const double *q, const double *keys, const double *values, int64_t n,
                           int64_t dk, int64_t dv, double scale, double *out) {
    double most = -INFINITY, sum = 0, s[LENGTH];
    for (int64_t j = 0; j < n; j++) {
        s[j] = 0;
        for (int64_t c = 0; c < dk; c++) s[j] += q[c] * keys[j * dk + c];
        s[j] *= scale;
        most = fmax(most, s[j]);
    }
    for (int64_t c = 0; c < dv; c++) out[c] = 0;
    for (int64_t j = 0; j < n; j++) {
        double e = exp(s[j] - most);
        sum += e;
        for (int64_t c = 0; c < dv; c++) out[c] += e * values[j * dv + c];
    }
    for (int64_t c = 0; c < dv; c++) out[c] /= sum;
}

/* ---- grouped-query attention ------------------------------------------------------------------ */

static form gqa_form(int64_t rows, const fm_attend_shape *s, fm_kv_type cache, int threads) {
    form f = {.b = bench_new(rows, 0, threads), .rows = rows};
    int64_t both = s->head_dim | s->value_dim;
    int64_t block = s->head_dim == s->value_dim ? s->head_dim : both & -both;
    bench_cache(&f.b, cache, s->n_kv_heads * (s->head_dim + s->value_dim), block, s->layer + 1);
    fm_value q = form_input(&f, s->n_heads * s->head_dim);
    fm_value k = form_input(&f, s->n_kv_heads * s->head_dim);
    fm_value v = form_input(&f, s->n_kv_heads * s->value_dim);
    form_done(&f, fm_attend(f.b.plan, q, k, v, s));
    return f;
}

static void check_gqa(const fm_attend_shape *s, const fm_kv_shape *kv, const float *const *in,
                      const float *out, double bound) {
    int64_t d = s->head_dim, dv = s->value_dim, group = s->n_heads / s->n_kv_heads;
    double *keys = malloc((size_t)(LENGTH * d) * 8), *values = malloc((size_t)(LENGTH * dv) * 8);
    double *q = malloc((size_t)d * 8), *want = malloc((size_t)dv * 8);
    for (int64_t h = 0; h < s->n_heads; h++) {
        int64_t g = h / group;
        for (int64_t t = 0; t < LENGTH; t++) {
            rounded(in[1] + (t * s->n_kv_heads + g) * d, d, kv, keys + t * d);
            rounded(in[2] + (t * s->n_kv_heads + g) * dv, dv, kv, values + t * dv);
            for (int64_t c = 0; c < d; c++) q[c] = (double)in[0][(t * s->n_heads + h) * d + c];
            softmax_double(q, keys, values, t + 1, d, dv, s->scale, want);
            compare_to("attend", out + (t * s->n_heads + h) * dv, want, dv, bound);
        }
    }
    free(keys), free(values), free(q), free(want);
}

/* ---- the arithmetic of a BF16 cache, written out (attention.h) --------------------------------- */

static float half(float x) { return fm_bf16_to_float(fm_bf16_from_float(x)); }
static float exponential(float x) {
    fm_kernels_get(FM_CPU_REF)->exp_sum(&x, 1, 0);
    return x;
}

/* The chain of n products, of which the odd one of a pair is added first. */
static float chain_of(const float *x, const float *w, int64_t apart, int64_t n) {
    float y = 0;
    for (int64_t i = 0; i < n; i += 2) {
        if (i + 1 < n) y = fmaf(x[i + 1], w[(i + 1) * apart], y);
        y = fmaf(x[i], w[i * apart], y);
    }
    return y;
}

static float sum_of_lanes(const float *x, int64_t n) {
    float lane[16] = {0};
    for (int64_t i = 0; i < n; i++) lane[i % 16] += x[i];
    for (int apart = 8; apart > 0; apart /= 2)
        for (int i = 0; i < apart; i++) lane[i] += lane[i + apart];
    return lane[0];
}

/* One query over n positions, block by block. */
static void softmax_of_pairs(const float *q, const float *keys, const float *values, int64_t n, int64_t dk,
                             int64_t dv, double scale, float *out) {
    float m = 0, l = 0, rounded_q[256], p[FM_ATTENTION_BLOCK];
    for (int64_t c = 0; c < dk; c++) rounded_q[c] = half(q[c] * (float)scale);
    for (int64_t b = 0; b < n; b += FM_ATTENTION_BLOCK) {
        int64_t count = n - b < FM_ATTENTION_BLOCK ? n - b : FM_ATTENTION_BLOCK;
        float most = -INFINITY;
        for (int64_t j = 0; j < count; j++) {
            p[j] = chain_of(rounded_q, keys + (b + j) * dk, 1, dk);
            most = fmaxf(most, p[j]);
        }
        for (int64_t j = 0; j < count; j++) p[j] = half(exponential(p[j] - most));
        float sum = sum_of_lanes(p, count), old = b ? m : most;
        m = fmaxf(old, most);
        float keep = exponential(old - m), take = exponential(most - m);
        l = b ? l * keep + sum * take : sum;
        for (int64_t c = 0; c < dv; c++) {
            float a = chain_of(p, values + b * dv + c, dv, count);
            out[c] = b ? fmaf(take, a, out[c] * keep) : a;
        }
    }
    for (int64_t c = 0; c < dv; c++) out[c] *= 1 / l;
}

static void check_pairs(const fm_attend_shape *s, const float *const *in, const float *out) {
    int64_t d = s->head_dim, dv = s->value_dim, group = s->n_heads / s->n_kv_heads;
    float *keys = malloc((size_t)(LENGTH * d) * 4), *values = malloc((size_t)(LENGTH * dv) * 4);
    float *want = malloc((size_t)dv * 4);
    for (int64_t h = 0; h < s->n_heads; h++)
        for (int64_t t = 0, g = h / group; t < LENGTH; t++) {
            for (int64_t c = 0; c < d; c++) keys[t * d + c] = half(in[1][(t * s->n_kv_heads + g) * d + c]);
            for (int64_t c = 0; c < dv; c++) values[t * dv + c] = half(in[2][(t * s->n_kv_heads + g) * dv + c]);
            softmax_of_pairs(in[0] + (t * s->n_heads + h) * d, keys, values, t + 1, d, dv, s->scale, want);
            assert_memory_equal(out + (t * s->n_heads + h) * dv, want, (size_t)dv * 4);
        }
    free(keys), free(values), free(want);
}

static void grouped_attention_is_softmax_at_every_length(void **state) {
    (void)state;
    static const fm_attend_shape shapes[] = {
        {0, 4, 2, 16, 16, 0.25}, {2, 3, 3, 6, 6, 0.4}, {1, 5, 1, 14, 14, 0.27}, {0, 1, 1, 2, 2, 4},
        {0, 8, 2, 34, 34, 1.5}, /* sharp: scores of +-60 */
        {0, 6, 6, 32, 20, 0.2}, {1, 3, 3, 5, 70, 0.4}, /* keys and values of different lengths */
        {1, 4, 2, 8, 8, 0.3}, {0, 2, 1, 16, 16, 0.25}, {0, 3, 1, 96, 96, 0.1}, {1, 2, 2, 128, 128, 0.09},
        {0, 3, 3, 24, 16, 0.2}, /* the last five with INT8 */
    };
    enum { FIRST_INT8 = 7 };
    dice d = {.seed = 21};
    for (size_t i = 0; i < FM_COUNT(shapes); i++) {
        const fm_attend_shape *s = &shapes[i];
        fm_kv_type cache = i >= FIRST_INT8 ? FM_KV_INT8 : i % 2 ? FM_KV_BF16 : FM_KV_F32;
        form f = gqa_form(LENGTH, s, cache, 2);
        float *in[INPUTS];
        for (int j = 0; j < INPUTS; j++) in[j] = roll_floats(&d, LENGTH * f.columns[j]);
        float *out = form_sequence(&f, (const float *const *)in, LENGTH, LENGTH);
        /* Of BF16: weights are rounded by 2^-9 at most, and queries. */
        check_gqa(s, &f.b.kv, (const float *const *)in, out, cache == FM_KV_BF16 ? 2e-2 : 1e-4);
        if (cache == FM_KV_BF16) check_pairs(s, (const float *const *)in, out);
        form_free(&f);
        for (int j = 0; j < INPUTS; j++) free(in[j]);
        free(out);
    }
}

/* ---- latent attention --------------------------------------------------------------------------- */

typedef struct latent_weights {
    int64_t heads, r, dn, dv;
    float *uk, *uv; /* [H, dn, r], [H, dv, r] */
    float *uk_t;    /* [H, r, dn] */
    fm_weight w_uk[8], w_uv[8], w_uk_t[8];
} latent_weights;

static latent_weights latent_new(dice *d, const fm_mla_shape *s) {
    latent_weights w = {s->n_heads, s->kv_lora_rank, s->nope_dim, s->v_dim, 0};
    w.uk = roll_floats(d, w.heads * w.dn * w.r);
    w.uv = roll_floats(d, w.heads * w.dv * w.r);
    w.uk_t = malloc((size_t)(w.heads * w.dn * w.r) * sizeof(float));
    for (int64_t i = 0; i < w.heads * w.dn * w.r; i++) w.uk[i] /= (float)sqrt((double)w.r);
    for (int64_t i = 0; i < w.heads * w.dv * w.r; i++) w.uv[i] /= (float)sqrt((double)w.r);
    for (int64_t h = 0; h < w.heads; h++) {
        for (int64_t i = 0; i < w.dn; i++)
            for (int64_t c = 0; c < w.r; c++)
                w.uk_t[(h * w.r + c) * w.dn + i] = w.uk[(h * w.dn + i) * w.r + c];
        w.w_uk[h] = weight_of(w.uk + h * w.dn * w.r, w.dn, w.r, h % 2 == 0);
        w.w_uv[h] = weight_of(w.uv + h * w.dv * w.r, w.dv, w.r, h % 2 == 0);
        w.w_uk_t[h] = weight_of(w.uk_t + h * w.dn * w.r, w.r, w.dn, h % 2 == 0);
    }
    return w;
}

static void latent_free(latent_weights *w) {
    for (int64_t h = 0; h < w->heads; h++) {
        fm_weight_clear(&w->w_uk[h]);
        fm_weight_clear(&w->w_uv[h]);
        fm_weight_clear(&w->w_uk_t[h]);
    }
    free(w->uk), free(w->uv), free(w->uk_t);
}

/* W_UK as the file has it, straight or transposed. */
static form mla_form(int64_t rows, const fm_mla_shape *s, const latent_weights *w, bool absorbed,
                     fm_kv_type cache, int threads) {
    const fm_weight *uk = s->uk_transposed ? w->w_uk_t : w->w_uk;
    form f = {.b = bench_new(rows, 0, threads), .rows = rows};
    bench_cache(&f.b, cache, s->kv_lora_rank + s->rope_dim, s->kv_lora_rank | s->rope_dim,
                s->layer + 1);
    int64_t dq = s->nope_dim + s->rope_dim;
    fm_value q = form_input(&f, s->n_heads * dq);
    fm_value latent = form_input(&f, s->kv_lora_rank + s->rope_dim);
    fm_value out;
    if (absorbed) {
        fm_value qa = (s->uk_transposed ? fm_linear_heads : fm_linear_heads_transposed)(
            f.b.plan, q, uk, s->n_heads, 0, dq);
        fm_value u = fm_mla_absorbed(f.b.plan, qa, q, latent, s);
        out = fm_linear_heads(f.b.plan, u, w->w_uv, s->n_heads, 0, s->kv_lora_rank);
    } else {
        out = fm_mla_naive(f.b.plan, q, latent, uk, w->w_uv, s);
    }
    form_done(&f, out);
    return f;
}

static void check_mla(const fm_mla_shape *s, const latent_weights *w, const fm_kv_shape *kv,
                      const float *const *in, const float *out, double bound) {
    int64_t r = s->kv_lora_rank, dr = s->rope_dim, dn = s->nope_dim, dv = s->v_dim, dq = dn + dr;
    double *keys = malloc((size_t)(LENGTH * dq) * 8), *values = malloc((size_t)(LENGTH * dv) * 8);
    double *q = malloc((size_t)dq * 8), *want = malloc((size_t)dv * 8);
    double *row = malloc((size_t)(r + dr) * 8);
    for (int64_t h = 0; h < s->n_heads; h++) {
        for (int64_t t = 0; t < LENGTH; t++) {
            rounded(in[1] + t * (r + dr), r + dr, kv, row);
            for (int64_t i = 0; i < dn + dv; i++) {
                const float *m = i < dn ? w->uk + (h * dn + i) * r : w->uv + (h * dv + i - dn) * r;
                double sum = 0;
                for (int64_t c = 0; c < r; c++) sum += (double)m[c] * row[c];
                *(i < dn ? &keys[t * dq + i] : &values[t * dv + i - dn]) = sum;
            }
            for (int64_t i = 0; i < dr; i++) keys[t * dq + dn + i] = row[r + i];
            for (int64_t i = 0; i < dq; i++) q[i] = (double)in[0][(t * s->n_heads + h) * dq + i];
            softmax_double(q, keys, values, t + 1, dq, dv, s->scale, want);
            compare_to("latent attention", out + (t * s->n_heads + h) * dv, want, dv, bound);
        }
    }
    free(keys), free(values), free(q), free(want), free(row);
}

static const fm_mla_shape mla_shapes[] = {
    {.layer = 1, .n_heads = 3, .kv_lora_rank = 20, .nope_dim = 10, .rope_dim = 6, .v_dim = 14, .scale = 0.3},
    {.layer = 0, .n_heads = 1, .kv_lora_rank = 5, .nope_dim = 3, .rope_dim = 2, .v_dim = 7, .scale = 2},
    {.layer = 0, .n_heads = 8, .kv_lora_rank = 33, .nope_dim = 17, .rope_dim = 4, .v_dim = 9, .scale = 0.2},
    {.layer = 0, .n_heads = 3, .kv_lora_rank = 40, .nope_dim = 9, .rope_dim = 8, .v_dim = 7, .scale = 0.3},
    {.layer = 1, .n_heads = 2, .kv_lora_rank = 64, .nope_dim = 16, .rope_dim = 32, .v_dim = 8, .scale = 0.2},
};

static void latent_attention_is_softmax_in_both_forms(void **state) {
    (void)state;
    dice d = {.seed = 22};
    for (size_t i = 0; i < FM_COUNT(mla_shapes); i++) {
        fm_mla_shape each = mla_shapes[i], *s = &each;
        latent_weights w = latent_new(&d, s);
        for (int variant = 0; variant < 12; variant++) {
            fm_kv_type cache = (fm_kv_type[]){FM_KV_F32, FM_KV_BF16, FM_KV_INT8}[variant % 6 >> 1];
            if (cache == FM_KV_INT8 && (s->kv_lora_rank | s->rope_dim) % 8 != 0) continue;
            s->uk_transposed = variant >= 6;
            form f = mla_form(LENGTH, s, &w, variant & 1, cache, 2);
            float *in[2] = {roll_floats(&d, LENGTH * f.columns[0]),
                            roll_floats(&d, LENGTH * f.columns[1])};
            float *out = form_sequence(&f, (const float *const *)in, LENGTH, LENGTH);
            /* What meets keys and values of BF16 is rounded to it: queries by 2^-9, of scores of +-20. */
            bool absorbed = variant & 1, pairs = absorbed ? cache == FM_KV_BF16 : cache != FM_KV_F32;
            check_mla(s, &w, &f.b.kv, (const float *const *)in, out, pairs ? 0.1 : 1e-4);
            form_free(&f);
            free(in[0]), free(in[1]), free(out);
        }
        latent_free(&w);
    }
}

/* ---- bits ----------------------------------------------------------------------------------------- */

/* Two sequences: alone in one piece, alone in chunks, and side by side in ragged steps. `make` gives
 * a form with room for `rows`. */
typedef form (*form_fn)(int64_t rows, int threads, const void *context);

static void check_bits(form_fn make, const void *context, uint64_t seed) {
    dice d = {.seed = seed};
    enum { A = 530, B = 300 };
    form whole = make(A, 1, context);
    const float *in[2][INPUTS] = {{0}};
    float *want[2];
    for (int s = 0; s < 2; s++) {
        for (int j = 0; j < whole.n_inputs; j++)
            in[s][j] = roll_floats(&d, (s ? B : A) * whole.columns[j]);
        want[s] = form_sequence(&whole, in[s], s ? B : A, s ? B : A);
    }
    size_t row = (size_t)whole.out_columns * sizeof(float);
    static const int64_t chunks[] = {1, 7, 64, 257};
    for (size_t c = 0; c < FM_COUNT(chunks); c++) {
        form f = make(chunks[c], 1 + (int)c, context);
        float *got = form_sequence(&f, in[0], A, chunks[c]);
        if (memcmp(got, want[0], A * row) != 0) fail_msg("chunks of %lld: other bits", (long long)chunks[c]);
        free(got);
        form_free(&f);
    }
    form both = make(96, 3, context);
    void *pages_b[8]; /* the second half of the bench's pages */
    for (int i = 0; i < 8; i++) pages_b[i] = both.b.pages[32 + i];
    float *got[2] = {malloc(A * row), malloc(B * row)};
    for (int64_t a = 0, b = 0; a < A || b < B;) {
        int64_t na = 1 + roll_below(&d, 48), nb = 1 + roll_below(&d, 48);
        na = a + na > A ? A - a : na, nb = b + nb > B ? B - b : nb;
        piece pieces[2] = {{in[0], got[0], a, na, both.b.pages}, {in[1], got[1], b, nb, pages_b}};
        if (na && nb) form_step(&both, pieces, 2);
        else form_step(&both, na ? pieces : pieces + 1, 1);
        a += na, b += nb;
    }
    assert_memory_equal(got[0], want[0], A * row);
    assert_memory_equal(got[1], want[1], B * row);
    for (int s = 0; s < 2; s++) {
        for (int j = 0; j < whole.n_inputs; j++) free((void *)(uintptr_t)in[s][j]);
        free(want[s]), free(got[s]);
    }
    form_free(&whole);
    form_free(&both);
}

typedef struct gqa_context {
    fm_attend_shape shape;
    fm_kv_type cache;
    int64_t shift; /* of rows in their pages: an odd one tears pairs of positions apart */
} gqa_context;

static form make_gqa(int64_t rows, int threads, const void *context) {
    const gqa_context *c = context;
    form f = gqa_form(rows, &c->shape, c->cache, threads);
    f.b.kv.shift = c->shift;
    return f;
}

typedef struct mla_context {
    const fm_mla_shape *shape;
    const latent_weights *w;
    bool absorbed;
    fm_kv_type cache;
} mla_context;

static form make_mla(int64_t rows, int threads, const void *context) {
    const mla_context *c = context;
    return mla_form(rows, c->shape, c->w, c->absorbed, c->cache, threads);
}

static void bits_of_a_row_are_those_of_its_sequence_alone(void **state) {
    (void)state;
    dice d = {.seed = 23};
    static const gqa_context grouped[] = {
        {{0, 4, 2, 10, 10, 0.3}, FM_KV_BF16}, {{0, 12, 1, 70, 66, 0.1}, FM_KV_BF16}, /* queries are lanes */
        {{0, 3, 1, 7, 5, 0.3}, FM_KV_BF16},   {{0, 4, 2, 24, 24, 0.3}, FM_KV_INT8},
        /* alone: few queries */
        {{0, 8, 2, 64, 64, 0.1}, FM_KV_BF16}, {{0, 6, 1, 80, 192, 0.1}, FM_KV_BF16},
        {{0, 3, 1, 64, 64, 0.1}, FM_KV_BF16, 1}};
    for (size_t i = 0; i < FM_COUNT(grouped); i++) check_bits(make_gqa, &grouped[i], 31 + 3 * i);
    for (int i = 0; i < 2; i++) {
        const fm_mla_shape *s = &mla_shapes[i ? 3 : 0];
        fm_kv_type cache = i ? FM_KV_INT8 : FM_KV_F32;
        latent_weights w = latent_new(&d, s);
        check_bits(make_mla, &(mla_context){s, &w, true, cache}, 32);
        check_bits(make_mla, &(mla_context){s, &w, false, cache}, 33);
        latent_free(&w);
    }
}

/* A row that sees infinity has it; rows before it in the same tile have the bits that they have without. */
static void what_is_not_finite_reaches_only_those_who_see_it(void **state) {
    (void)state;
    enum { ROWS = 300, D = 16, AT = 133 };
    static const fm_kv_type caches[] = {FM_KV_F32, FM_KV_BF16};
    fm_attend_shape s = {0, 4, 2, D, D, 0.3};
    dice d = {.seed = 24};
    float *in[INPUTS] = {roll_floats(&d, ROWS * 4 * D), roll_floats(&d, ROWS * 2 * D), roll_floats(&d, ROWS * 2 * D)};
    for (size_t i = 0; i < FM_COUNT(caches); i++) {
        form f = gqa_form(ROWS, &s, caches[i], 2);
        float *value = in[2] + (AT * 2 + 1) * D + 3, old = *value;
        float *without = form_sequence(&f, (const float *const *)in, ROWS, ROWS);
        *value = INFINITY;
        float *with = form_sequence(&f, (const float *const *)in, ROWS, ROWS);
        *value = old;
        assert_memory_equal(with, without, AT * 4 * D * sizeof(float));
        for (int64_t t = AT; t < ROWS; t++)
            for (int64_t c = 0; c < 4 * D; c++)
                assert_int_equal(isfinite(with[t * 4 * D + c]), !(c >= 2 * D && c % D == 3));
        free(without), free(with);
        form_free(&f);
    }
    for (int j = 0; j < INPUTS; j++) free(in[j]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grouped_attention_is_softmax_at_every_length),
        cmocka_unit_test(latent_attention_is_softmax_in_both_forms),
        cmocka_unit_test(bits_of_a_row_are_those_of_its_sequence_alone),
        cmocka_unit_test(what_is_not_finite_reaches_only_those_who_see_it),
    };
    return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
