/* test_master.c: the copies that learning makes of a weight follow its master. */
#include "kernel_support.h"

#include "base/pool.h"
#include "pack/master.h"

enum { WEIGHTS = 5 };
static const int64_t shapes[WEIGHTS][2] = {{1, 1}, {16, 32}, {131, 47}, {300, 96}, {33, 129}};

typedef struct learner {
    fm_weight w[WEIGHTS], *list[WEIGHTS];
    float *master[WEIGHTS];
    void *memory[WEIGHTS];
} learner;

static void begin(learner *l, dice *d, fm_word_form form) {
    for (int i = 0; i < WEIGHTS; i++) {
        fm_error err;
        fm_tensor t;
        int64_t n = shapes[i][0] * shapes[i][1];
        assert_ok(fm_tensor_init(&t, FM_DTYPE_F32, 2, shapes[i], NULL, NULL, &err));
        fm_weight_init(&l->w[i], "w", &t);
        l->w[i].master = l->master[i] = malloc((size_t)n * sizeof(float));
        assert_non_null(l->master[i]);
        roll_floats(d, l->master[i], n);
        size_t bytes = fm_weight_copies_bytes(&l->w[i], form);
        assert_int_equal(bytes % 64, 0);
        l->memory[i] = fm_alloc(bytes, FM_MEM_WEIGHTS);
        assert_non_null(l->memory[i]);
        fm_weight_use_copies(&l->w[i], form, l->memory[i]);
        l->list[i] = &l->w[i];
    }
}

static void end(learner *l) {
    for (int i = 0; i < WEIGHTS; i++) free(l->master[i]), fm_free(l->memory[i]);
}

/* Every number of both copies, decoded as inference decodes panels. */
static void expect_copies(const fm_kernels *k, const fm_weight *w, fm_word_form form) {
    _Alignas(64) float tile[FM_TILE_K * FM_PANEL];
    for (int side = 0; side < 2; side++) {
        const fm_panels *p = side ? &w->turned : &w->panels;
        for (int64_t panel = 0; panel < fm_panel_count(p); panel++)
            for (int64_t k0 = 0; k0 < p->n_in; k0 += FM_TILE_K) {
                int64_t nk = p->n_in - k0 < FM_TILE_K ? p->n_in - k0 : FM_TILE_K;
                k->unpack[p->layout](p, panel, k0, nk, tile);
                for (int64_t i = 0; i < nk * FM_PANEL; i++) {
                    int64_t row = panel * FM_PANEL + i % FM_PANEL, column = k0 + i / FM_PANEL;
                    float value = 0;
                    if (row < p->n_out) value = w->master[side ? column * w->n_in + row : row * w->n_in + column];
                    if (form == FM_WORDS_BF16) value = fm_bf16_to_float(fm_bf16_from_float(value));
                    assert_true(tile[i] == value);
                }
            }
    }
}

static void copies_are_the_master_and_its_transpose_on_any_threads(void **state) {
    (void)state;
    for (int threads = 1; threads <= 3; threads++)
        for (int form = 0; form < FM_WORD_FORMS; form++)
            for (int level = 0; level < levels_here(); level++) {
                fm_error err;
                fm_pool *pool;
                learner l = {0};
                dice d = {.seed = 51};
                const fm_kernels *k = fm_kernels_get((fm_cpu_level)level);
                assert_ok(fm_pool_new(threads, &pool, &err));
                begin(&l, &d, form);
                for (int change = 1; change <= 2; change++) {
                    l.master[2][7] = (float)change;
                    fm_weights_refresh(k, l.list, WEIGHTS, pool);
                    for (int i = 0; i < WEIGHTS; i++) {
                        expect_copies(k, &l.w[i], form);
                        assert_int_equal(l.w[i].version, change);
                    }
                }
                end(&l);
                fm_pool_free(pool);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_the_master_and_its_transpose_on_any_threads),
    };
    return cmocka_run_group_tests_name("master", tests, NULL, NULL);
}
