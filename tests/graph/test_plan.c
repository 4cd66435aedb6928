/* Plans: values that live together never share bytes, whatever is recorded; what is kept stays; what
 * does not fit, or cannot be had, is said. */
#include "support.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "base/rng.h"
#include "graph/plan.h"
#include "kernel/kernel.h"

enum { MOST = 400 };

static uint64_t rolls;
static int64_t roll_below(int64_t n) {
    return (int64_t)(fm_rng_uniform(99, 1, rolls++) * (double)n);
}

static fm_plan *plan_new(int64_t rows, int64_t outputs, int64_t routed, bool learns) {
    fm_error err;
    fm_plan *plan;
    fm_plan_options o = {.rows = rows, .outputs = outputs, .routed = routed, .learns = learns,
                         .kernels = fm_kernels_get(FM_CPU_REF)};
    assert_ok(fm_plan_new(&o, &plan, &err));
    return plan;
}

/* ---- an op that proves its inputs are still what their makers wrote ------------------------------- */

/* Every value is filled with a stamp that only its maker could have written. An op checks the stamps
 * of its inputs over all their bytes, stamps its outputs, and finds both as they should be: outputs
 * lie neither on each other nor on an input, but for one that takes an input's place. */
typedef struct stamp_params {
    int n_inputs, n_outputs;
    int replaced; /* input whose place output 0 takes; -1: none */
    size_t in_bytes[4], out_bytes[4];
} stamp_params;

static int stamp_errors;

static uint8_t stamp_byte(fm_value v, size_t at) {
    return (uint8_t)((uint32_t)v * 2654435761u >> 24) ^ (uint8_t)(at * 31);
}

static void check_stamp(const fm_run *run, fm_value v, size_t bytes) {
    const uint8_t *x = fm_plan_data(run->plan, v);
    if ((uintptr_t)x % 64 != 0) stamp_errors++;
    for (size_t at = 0; at < bytes; at++)
        if (x[at] != stamp_byte(v, at)) {
            stamp_errors++;
            return;
        }
}

static fm_status stamp_forward(const fm_run *run, const fm_node *node) {
    const stamp_params *p = node->params;
    for (int i = 0; i < node->n_inputs; i++) check_stamp(run, node->inputs[i], p->in_bytes[i]);
    for (int i = 0; i < node->n_outputs; i++) {
        uint8_t *y = fm_plan_data(run->plan, node->outputs[i]);
        for (size_t at = 0; at < p->out_bytes[i]; at++) y[at] = stamp_byte(node->outputs[i], at);
    }
    for (int i = 0; i < node->n_inputs; i++)
        if (i != p->replaced) check_stamp(run, node->inputs[i], p->in_bytes[i]);
    for (int i = 0; i < node->n_outputs; i++) check_stamp(run, node->outputs[i], p->out_bytes[i]);
    return FM_OK;
}

static fm_status stamp_backward(const fm_run *run, const fm_node *node) {
    (void)run, (void)node;
    return FM_OK;
}

static const fm_op stamp_op = {.name = "stamp", .forward = stamp_forward, .backward_input = stamp_backward};

typedef struct recorded {
    int n;
    fm_value values[MOST];
    size_t bytes[MOST];
    bool dead[MOST]; /* its storage went to an alias */
} recorded;

/* A random node: up to 4 living inputs, new outputs, sometimes one in place of an input. */
static void random_node(fm_plan *plan, recorded *r, int64_t rows, int64_t outputs, int64_t routed) {
    stamp_params p = {.replaced = -1};
    fm_value in[5] = {-1, -1, -1, -1, -1}, out[5] = {-1, -1, -1, -1, -1};
    int sources[4];
    for (int i = (int)roll_below(5); i > 0 && r->n > 0; i--) {
        int recent = r->n < 12 ? r->n : 12; /* mostly what was made lately */
        int s = roll_below(4) ? r->n - 1 - (int)roll_below(recent) : (int)roll_below(r->n);
        bool twice = r->dead[s];
        for (int j = 0; j < p.n_inputs; j++) twice |= sources[j] == s;
        if (twice) continue;
        sources[p.n_inputs] = s;
        p.in_bytes[p.n_inputs] = r->bytes[s];
        in[p.n_inputs] = r->values[s];
        p.n_inputs++;
    }
    int first_new = r->n;
    if (p.n_inputs > 0 && roll_below(3) == 0) {
        p.replaced = (int)roll_below(p.n_inputs);
        int s = sources[p.replaced];
        out[0] = fm_plan_alias(plan, r->values[s]);
        r->dead[s] = true;
        r->values[r->n] = out[0], r->bytes[r->n] = r->bytes[s], r->dead[r->n++] = false;
        p.n_outputs = 1;
    }
    for (int i = (int)roll_below(3) + (p.n_outputs == 0); i > 0; i--) {
        fm_row_space space = (fm_row_space)roll_below(3);
        size_t row = (size_t)roll_below(300), fixed = roll_below(3) ? 0 : (size_t)roll_below(2000);
        int64_t n = space == FM_ROWS_TOKENS ? rows : space == FM_ROWS_OUTPUTS ? outputs : rows * routed;
        out[p.n_outputs] = fm_plan_value(plan, space, row, fixed);
        r->values[r->n] = out[p.n_outputs++];
        r->bytes[r->n] = (size_t)n * row + fixed, r->dead[r->n++] = false;
    }
    for (int i = 0; i < p.n_outputs; i++) p.out_bytes[i] = r->bytes[first_new + i];
    fm_plan_node(plan, &stamp_op, in, out, &p, sizeof p);
}

static void values_that_live_together_never_share_bytes(void **state) {
    (void)state;
    fm_error err;
    size_t shared = 0, total = 0;
    for (int trial = 0; trial < 300; trial++) {
        int64_t rows = 1 + roll_below(6), outputs = 1 + roll_below(3), routed = roll_below(4);
        bool learns = trial % 5 == 0;
        fm_plan *plan = plan_new(rows, outputs, routed, learns);
        recorded *r = calloc(1, sizeof *r);
        int kept[8], n_kept = 0;
        for (int nodes = 2 + (int)roll_below(100); nodes > 0; nodes--)
            random_node(plan, r, rows, outputs, routed);
        for (int i = 0; i < 8; i++) {
            int s = (int)roll_below(r->n);
            bool twice = r->dead[s];
            for (int j = 0; j < n_kept; j++) twice |= kept[j] == s;
            if (twice) continue;
            char name[16];
            snprintf(name, sizeof name, "kept%d", n_kept);
            fm_plan_keep(plan, r->values[s], name);
            kept[n_kept++] = s;
        }
        size_t bytes, sum = 0;
        for (int i = 0; i < r->n; i++) sum += r->bytes[i];
        assert_ok(fm_plan_place(plan, &bytes, &err));
        assert_ok(fm_plan_allocate(plan, &err));
        fm_step step = {.n_rows = rows, .n_outputs = outputs};
        stamp_errors = 0;
        for (int run = 0; run < 2; run++) assert_ok(fm_plan_run(plan, &step, &err));
        assert_int_equal(stamp_errors, 0);
        for (int i = 0; i < n_kept; i++) {
            char name[16];
            snprintf(name, sizeof name, "kept%d", i);
            assert_int_equal(fm_plan_find(plan, name), r->values[kept[i]]);
            const uint8_t *x = fm_plan_data(plan, r->values[kept[i]]);
            for (size_t at = 0; at < r->bytes[kept[i]]; at++)
                assert_int_equal(x[at], stamp_byte(r->values[kept[i]], at));
        }
        if (!learns) shared += bytes, total += sum; /* what a learning plan keeps: test_learn.c */
        free(r);
        fm_plan_free(plan);
    }
    assert_true(shared * 2 < total); /* and an inference plan does reuse its buffers */
}

/* ---- aliases ------------------------------------------------------------------------------------ */

static fm_value chain(fm_plan *plan, fm_value in, fm_value out) {
    fm_plan_node(plan, &stamp_op, (fm_value[]){in, -1}, (fm_value[]){out, -1}, &(stamp_params){0},
                 sizeof(stamp_params));
    return out;
}

static const fm_op reading_op = {.name = "reading", .forward = stamp_forward, .backward_input = stamp_backward,
                                 .backward_reads = FM_READS_INPUT(0), .is_loss = true};

/* Without learning, in a plan that learns, and there where gradients read what the second node reads. */
static void an_alias_is_the_same_memory_unless_gradients_read_what_was_there(void **state) {
    (void)state;
    fm_error err;
    size_t bytes;
    for (int kind = 0; kind < 3; kind++) {
        fm_plan *plan = plan_new(3, 1, 0, kind > 0);
        fm_value a = chain(plan, -1, fm_plan_value(plan, FM_ROWS_TOKENS, 40, 0));
        fm_value b = chain(plan, a, fm_plan_alias(plan, a)), c = fm_plan_alias(plan, b);
        if (kind < 2) chain(plan, b, c);
        else fm_plan_node(plan, &reading_op, (fm_value[]){b, -1}, (fm_value[]){c, -1}, &(stamp_params){0},
                          sizeof(stamp_params));
        assert_int_equal(fm_plan_columns(plan, c), 10);
        assert_ok(fm_plan_place(plan, &bytes, &err));
        assert_ok(fm_plan_allocate(plan, &err));
        assert_ptr_equal(fm_plan_data(plan, a), fm_plan_data(plan, b));
        if (kind < 2) assert_ptr_equal(fm_plan_data(plan, b), fm_plan_data(plan, c));
        else assert_ptr_not_equal(fm_plan_data(plan, b), fm_plan_data(plan, c));
        fm_plan_free(plan);
    }
}

/* ---- what is refused ------------------------------------------------------------------------------ */

static void plans_that_cannot_be_are_refused(void **state) {
    (void)state;
    fm_error err;
    fm_plan *plan;
    static const fm_plan_options bad[] = {
        {.rows = 0, .outputs = 1}, {.rows = 1, .outputs = 0}, {.rows = 1, .outputs = 1, .routed = -1},
        {.rows = -5, .outputs = 1}, {.rows = INT64_MAX, .outputs = 1},
        {.rows = INT64_C(1) << 31, .outputs = 1}, {.rows = 1 << 20, .outputs = 1, .routed = 4096},
        {.rows = 8, .outputs = INT64_MAX},
    };
    for (size_t i = 0; i < FM_COUNT(bad); i++) {
        plan = (void *)&plan;
        assert_int_not_equal(fm_plan_new(&bad[i], &plan, &err), FM_OK);
        assert_null(plan);
        assert_true(strlen(err.message) > 10);
    }
}

static void sizes_that_overflow_are_refused(void **state) {
    (void)state;
    fm_error err;
    size_t bytes;
    static const size_t rows[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 1000 + 2, 0, 16};
    static const size_t fixed[] = {0, 0, 0, SIZE_MAX - 10, SIZE_MAX - 16000};
    for (size_t i = 0; i < FM_COUNT(rows); i++) {
        fm_plan *plan = plan_new(1000, 1, 0, false);
        chain(plan, -1, fm_plan_value(plan, FM_ROWS_TOKENS, rows[i], fixed[i]));
        assert_int_equal(fm_plan_place(plan, &bytes, &err), FM_ERR_LIMIT);
        assert_non_null(strstr(err.message, "1000 rows"));
        fm_plan_free(plan);
    }
    /* each fits, all together do not */
    fm_plan *plan = plan_new(1, 1, 0, false);
    fm_value v[5];
    for (int i = 0; i < 5; i++) v[i] = chain(plan, -1, fm_plan_value(plan, FM_ROWS_TOKENS, SIZE_MAX / 4, 0));
    for (int i = 0; i < 5; i++) chain(plan, v[i], fm_plan_value(plan, FM_ROWS_TOKENS, 8, 0));
    assert_int_equal(fm_plan_place(plan, &bytes, &err), FM_ERR_LIMIT);
    fm_plan_free(plan);
}

static void more_than_there_is_memory_for_is_placed_and_then_refused(void **state) {
    (void)state;
    fm_error err;
    size_t bytes;
    fm_plan *plan = plan_new(1, 1, 0, false);
    chain(plan, -1, fm_plan_value(plan, FM_ROWS_TOKENS, (size_t)1 << 52, 0));
    assert_ok(fm_plan_place(plan, &bytes, &err));
    assert_true(bytes >= (size_t)1 << 52);
    assert_int_equal(fm_plan_allocate(plan, &err), FM_ERR_MEMORY);
    fm_plan_free(plan);
}

static const fm_op inference_op = {.name = "inference_only", .forward = stamp_forward};

static void a_learning_plan_refuses_an_op_that_cannot_learn(void **state) {
    (void)state;
    fm_error err;
    size_t bytes;
    fm_plan *plan = plan_new(1, 1, 0, true);
    fm_plan_node(plan, &inference_op, (fm_value[]){-1},
                 (fm_value[]){fm_plan_value(plan, FM_ROWS_TOKENS, 4, 0), -1}, &(stamp_params){0},
                 sizeof(stamp_params));
    assert_int_equal(fm_plan_place(plan, &bytes, &err), FM_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "inference_only"));
    fm_plan_free(plan);
}

/* Wherever memory ends while recording, placing or allocating, it is said once, at a step that can
 * fail, and nothing leaks. */
static void running_out_of_memory_is_said_wherever_it_happens(void **state) {
    (void)state;
    size_t before = fm_mem_statistics().live_bytes[FM_MEM_PLAN];
    bool enough = false;
    for (int64_t k = 0; !enough; k++) {
        fm_error err;
        fm_plan *plan = NULL;
        size_t bytes;
        fm_plan_options o = {.rows = 4, .outputs = 1, .kernels = fm_kernels_get(FM_CPU_REF)};
        fm_mem_fail_from(k);
        fm_status status = fm_plan_new(&o, &plan, &err);
        if (status == FM_OK) {
            fm_value v = -1;
            for (int i = 0; i < 700; i++) { /* past the first arrays and the first arena blocks */
                v = i % 3 == 2 ? chain(plan, v, fm_plan_alias(plan, v))
                               : chain(plan, v, fm_plan_value(plan, FM_ROWS_TOKENS, 64, 0));
                if (i % 99 == 0) fm_plan_keep(plan, v, "a name to remember");
            }
            status = fm_plan_place(plan, &bytes, &err);
        }
        if (status == FM_OK) status = fm_plan_allocate(plan, &err);
        enough = status == FM_OK;
        if (!enough) assert_int_equal(status, FM_ERR_MEMORY);
        fm_plan_free(plan);
        fm_mem_fail_from(-1);
        assert_true(k < 200);
    }
    assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_PLAN], before);
}

/* ---- text ------------------------------------------------------------------------------------------ */

static void the_plan_can_be_read(void **state) {
    (void)state;
    fm_error err;
    size_t bytes;
    fm_plan *plan = plan_new(3, 2, 2, false);
    fm_value a = chain(plan, -1, fm_plan_value(plan, FM_ROWS_TOKENS, 40, 0));
    fm_value b = chain(plan, a, fm_plan_value(plan, FM_ROWS_OUTPUTS, 8, 0));
    fm_plan_keep(plan, b, "logits");
    assert_ok(fm_plan_place(plan, &bytes, &err));
    fm_buffer text = {0};
    fm_plan_dump(plan, &text);
    const char *s = fm_buffer_string(&text);
    assert_non_null(strstr(s, "plan: 2 nodes, 3 rows, arena 192 bytes"));
    assert_non_null(strstr(s, "stamp          -> v0 [tokens, 40 B] @0\n"));
    assert_non_null(strstr(s, "stamp          v0 -> v1 [outputs, 8 B] @128 kept as logits\n"));
    fm_buffer_clear(&text);
    fm_plan_free(plan);
}

/* ---- times and what comes next ------------------------------------------------------------------------ */

static const fm_node *asked[8]; /* whose beginning somebody wanted to know */
static int n_asked;

static fm_status weighty_forward(const fm_run *run, const fm_node *node) {
    fm_plan_fetch_next(run, node);
    return FM_OK;
}
static double weighty_reads(const fm_run *run, const fm_node *node) {
    (void)node;
    return 100 * (double)run->step->n_rows;
}
static const void *weighty_begins(const fm_node *node, int worker, int threads) {
    assert_in_range(worker, 0, threads - 1);
    asked[n_asked++ % 8] = node;
    return NULL;
}
static fm_status idle_forward(const fm_run *run, const fm_node *node) {
    (void)run, (void)node;
    return FM_OK;
}
static const fm_op weighty_op = {
    .name = "weighty", .forward = weighty_forward, .reads = weighty_reads, .begins = weighty_begins};
static const fm_op idle_op = {.name = "idle", .forward = idle_forward};

/* weighty (40 > 8), idle, weighty (8 > 8), weighty (8 > 8) */
static fm_plan *weighty_plan(const fm_node *nodes[4]) {
    fm_error err;
    size_t bytes;
    fm_plan *plan = plan_new(4, 1, 0, false);
    fm_value v[5];
    for (int i = 0; i < 5; i++) v[i] = fm_plan_value(plan, FM_ROWS_TOKENS, i ? 32 : 160, 0);
    fm_plan_node(plan, &idle_op, (fm_value[]){-1}, (fm_value[]){v[0], -1}, NULL, 0);
    for (int i = 0; i < 4; i++)
        nodes[i] = fm_plan_node(plan, i == 1 ? &idle_op : &weighty_op, (fm_value[]){v[i], -1},
                                (fm_value[]){v[i + 1], -1}, NULL, 0);
    assert_ok(fm_plan_place(plan, &bytes, &err));
    assert_ok(fm_plan_allocate(plan, &err));
    return plan;
}

static void times_are_counted_by_op_and_width_once_asked_for(void **state) {
    (void)state;
    const fm_node *nodes[4];
    fm_plan *plan = weighty_plan(nodes);
    fm_error err;
    fm_profile_line lines[8];
    fm_step step = {.n_rows = 3};
    assert_ok(fm_plan_run(plan, &step, &err));
    assert_int_equal(fm_plan_profile_lines(plan, lines, 8), 0);
    for (int again = 0; again < 2; again++) { /* asked for again, counting begins again */
        assert_ok(fm_plan_profile(plan, &err));
        for (int i = 0; i < 5; i++) assert_ok(fm_plan_run(plan, &step, &err));
    }
    assert_int_equal(fm_plan_profile_lines(plan, lines, 8), 4);
    int found = 0;
    for (int i = 0; i < 4; i++) {
        const fm_profile_line *l = &lines[i];
        assert_true(l->seconds >= 0 && (i == 0 || l->seconds <= lines[i - 1].seconds));
        bool weighty = strcmp(l->op, "weighty") == 0, twice = weighty && l->columns_in == 8;
        assert_int_equal(l->calls, twice ? 10 : 5);
        assert_true(l->bytes == (double)(weighty ? 300 * l->calls : 0));
        found += weighty ? (twice ? 1 : l->columns_in == 40 && l->columns_out == 8 ? 2 : 100)
                         : (l->columns_in == 0 && l->columns_out == 40 ? 4 : l->columns_in == 8 ? 8 : 100);
    }
    assert_int_equal(found, 15);
    assert_int_equal(fm_plan_profile_lines(plan, lines, 2), 2);
    fm_plan_free(plan);
}

static void the_waiting_learn_which_node_with_weights_comes_next(void **state) {
    (void)state;
    const fm_node *nodes[4];
    fm_plan *plan = weighty_plan(nodes);
    fm_error err;
    fm_step step = {.n_rows = 1};
    n_asked = 0;
    assert_ok(fm_plan_run(plan, &step, &err));
    assert_int_equal(n_asked, 3);
    assert_ptr_equal(asked[0], nodes[2]); /* past the idle one */
    assert_ptr_equal(asked[1], nodes[3]);
    assert_ptr_equal(asked[2], nodes[0]); /* of the next run */
    fm_plan_free(plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_that_live_together_never_share_bytes),
        cmocka_unit_test(an_alias_is_the_same_memory_unless_gradients_read_what_was_there),
        cmocka_unit_test(plans_that_cannot_be_are_refused),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(more_than_there_is_memory_for_is_placed_and_then_refused),
        cmocka_unit_test(a_learning_plan_refuses_an_op_that_cannot_learn),
        cmocka_unit_test(running_out_of_memory_is_said_wherever_it_happens),
        cmocka_unit_test(the_plan_can_be_read),
        cmocka_unit_test(times_are_counted_by_op_and_width_once_asked_for),
        cmocka_unit_test(the_waiting_learn_which_node_with_weights_comes_next),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
