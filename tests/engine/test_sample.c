/* Drawing tokens: draws that follow the distribution asked for, a function of seed, sequence and
 * position, log-probabilities, and sense from every kind of logits. */
#include "sample_support.h"

#include "base/mem.h"
#include "engine/sample_log.h"

/* Pearson's statistic of DRAWS draws against p[n]; zero-probability ids must not be drawn. Returns
 * it in standard deviations from its mean (degrees of freedom, twice that as variance). */
enum { DRAWS = 40000 };
static double chi_square(int64_t n, fm_sampling s, const double *p, bool over_sequences) {
    int *seen = calloc((size_t)n, sizeof *seen);
    for (uint64_t i = 0; i < DRAWS; i++) {
        if (over_sequences) s.sequence = i;
        seen[draw(n, s, over_sequences ? 7 : i)]++;
    }
    double chi = 0, rest = DRAWS, rest_seen = DRAWS;
    int cells = 0;
    for (int64_t i = 0; i < n; i++) {
        double e = p[i] * DRAWS;
        if (p[i] == 0) assert_int_equal(seen[i], 0);
        if (e < 8) continue; /* small ones share a cell */
        chi += (seen[i] - e) * (seen[i] - e) / e;
        rest -= e, rest_seen -= seen[i];
        cells++;
    }
    if (rest > 8) chi += (rest_seen - rest) * (rest_seen - rest) / rest, cells++;
    free(seen);
    return cells < 2 ? 0 : (chi - (cells - 1)) / sqrt(2.0 * (cells - 1));
}

static void draws_follow_the_distribution_asked_for(void **state) {
    (void)state;
    static const fm_sampling settings[] = {
        {.temperature = 1, .top_p = 1},
        {.temperature = 0.6f, .top_p = 0.95f},
        {.temperature = 2, .top_p = 1, .top_k = 7},
        {.temperature = 1, .top_p = 1, .min_p = 0.1f},
        {.temperature = 1.5f, .top_p = 0.7f, .top_k = 20, .min_p = 0.02f},
        {.temperature = 0.2f, .top_p = 0.99f, .top_k = 1000},
        {.temperature = 100, .top_p = 0.5f},
    };
    static const int64_t sizes[] = {2, 3, 17, 100, 300};
    double p[300];
    for (size_t i = 0; i < FM_COUNT(settings); i++)
        for (size_t j = 0; j < FM_COUNT(sizes); j++) {
            fm_sampling s = settings[i];
            s.seed = 1000 * i + j;
            roll_logits(sizes[j], 70 + j, 1.5);
            define(sizes[j], s, &nothing, false, p);
            double z = chi_square(sizes[j], s, p, (i + j) % 2);
            if (!(fabs(z) < 5)) fail_msg("setting %zu, %lld ids: %g deviations", i, (long long)sizes[j], z);
        }
}

/* ---- seeds -------------------------------------------------------------------------------------- */

static void a_draw_is_a_function_of_seed_sequence_and_position(void **state) {
    (void)state;
    roll_logits(2000, 4, 1);
    int32_t first[64];
    int same_seed = 0, same_position = 0, same_sequence = 0;
    for (uint64_t i = 0; i < 64; i++) first[i] = draw(2000, plain, i);
    for (uint64_t i = 64; i-- > 0;) { /* in another order, and after other draws */
        draw(100, plain, i);
        assert_int_equal(draw(2000, plain, i), first[i]);
        fm_sampling other = plain;
        other.seed = 1;
        same_seed += draw(2000, other, i) == first[i];
        other = plain;
        other.sequence = 1;
        same_sequence += draw(2000, other, i) == first[i];
        same_position += draw(2000, plain, i + 1000) == first[i];
    }
    assert_true(same_seed < 16 && same_position < 16 && same_sequence < 16);
}

/* Positions, sequences and ids do not share random numbers: neighbours are drawn independently. */
static void neighbouring_draws_are_independent(void **state) {
    (void)state;
    enum { N = 4 };
    for (int i = 0; i < N; i++) logits[i] = 0;
    for (int way = 0; way < 3; way++) {
        int together[N][N] = {{0}};
        for (uint64_t i = 0; i < DRAWS; i++) {
            fm_sampling a = plain, b = plain;
            uint64_t place = i * 2;
            if (way == 1) a.sequence = i * 2, b.sequence = i * 2 + 1;
            if (way == 2) a.seed = i * 2, b.seed = i * 2 + 1;
            int32_t x = draw(N, a, way ? 5 : place), y = draw(N, b, way ? 5 : place + 1);
            together[x][y]++;
        }
        double chi = 0, e = (double)DRAWS / (N * N);
        for (int i = 0; i < N * N; i++) {
            double off = together[i / N][i % N] - e;
            chi += off * off / e;
        }
        assert_true(fabs(chi - (N * N - 1)) < 5 * sqrt(2.0 * (N * N - 1)));
    }
}

/* What speculation lives on: a draft's distribution at distance d draws the target's own token with
 * probability (1 - d) / (1 + d) at least. */
static void nearby_distributions_draw_the_same_token_as_often_as_promised(void **state) {
    (void)state;
    enum { N = 200, TRIES = 4000 };
    static float target[N];
    double p[N], q[N];
    for (int round = 0; round < 6; round++) {
        roll_logits(N, 40 + (uint64_t)round, 2.5);
        memcpy(target, logits, sizeof target);
        define(N, plain, &nothing, false, p);
        int32_t own[TRIES];
        for (uint64_t i = 0; i < TRIES; i++) own[i] = draw(N, plain, i);
        for (int i = 0; i < N; i++)
            logits[i] += (float)(0.2 * (round + 1) * fm_rng_normal(50, (uint64_t)round, (uint64_t)i));
        define(N, plain, &nothing, false, q);
        double distance = 0;
        int same = 0;
        for (int i = 0; i < N; i++) distance += fabs(p[i] - q[i]) / 2;
        for (uint64_t i = 0; i < TRIES; i++) same += draw(N, plain, i) == own[i];
        double promised = (1 - distance) / (1 + distance);
        assert_true(same > TRIES * promised - 4 * sqrt(TRIES * 0.25));
    }
}

/* ---- strange logits ----------------------------------------------------------------------------- */

static void nan_is_never_drawn_and_infinity_is_certain(void **state) {
    (void)state;
    static const fm_sampling settings[] = {
        {.temperature = 1, .top_p = 1}, {.temperature = 0}, {.temperature = INFINITY, .top_p = 1},
        {.temperature = 1, .top_p = 0.9f, .top_k = 5, .min_p = 0.01f}, {.temperature = 1e30f, .top_p = 1},
    };
    for (size_t i = 0; i < FM_COUNT(settings); i++) {
        roll_logits(100, 5, 1);
        for (int j = 0; j < 100; j += 3) logits[j] = NAN;
        for (int j = 1; j < 100; j += 3) logits[j] = -INFINITY;
        for (uint64_t position = 0; position < 500; position++)
            assert_int_equal(draw(100, settings[i], position) % 3, 2);
        logits[41] = INFINITY;
        assert_int_equal(draw(100, settings[i], 0), 41);
        for (int j = 0; j < 100; j++) logits[j] = NAN;
        assert_in_range(draw(100, settings[i], 0), 0, 99);
        for (int j = 0; j < 100; j++) logits[j] = -INFINITY;
        assert_in_range(draw(100, settings[i], 0), 0, 99);
        logits[0] = 3e38f, logits[1] = -3e38f;
        assert_int_equal(draw(2, settings[i], 0) | 1, 1);
        assert_int_equal(draw(1, settings[i], 9), 0);
    }
}

/* V3's vocabulary: what is more probable than the id drawn has less than top_p of the mass. */
static void draws_from_a_large_vocabulary_stay_in_the_nucleus(void **state) {
    (void)state;
    enum { V = 129280 };
    roll_logits(V, 6, 2);
    fm_sampling s = {.temperature = 0.6f, .top_p = 0.95f};
    double total = 0;
    for (int i = 0; i < V; i++) total += exp((double)logits[i] / 0.6);
    int distinct = 0;
    int32_t last = -1;
    for (int i = 0; i < (sanitized() ? 5 : 60); i++) {
        int32_t id = draw(V, s, (uint64_t)i);
        double above = 0;
        for (int j = 0; j < V; j++)
            if (logits[j] > logits[id]) above += exp((double)logits[j] / 0.6);
        assert_true(above < 0.95001 * total);
        distinct += id != last;
        last = id;
    }
    assert_true(distinct > 3);
}

/* ---- log-probabilities -------------------------------------------------------------------------- */

static void logprobs_are_those_of_the_softmax_and_the_top_is_in_order(void **state) {
    (void)state;
    enum { N = 5000 };
    for (uint64_t round = 0; round < 20; round++) {
        roll_logits(N, 300 + round, 4);
        logits[40] = logits[41] = logits[4000] = 11;
        logits[7] = NAN, logits[8] = -INFINITY;
        fm_sampler *s = sampler_of(N, (fm_sampling){.temperature = 0.6f, .top_p = 0.95f});
        int32_t id = fm_sampler_draw(s, logits, round, NULL, 0);
        double sum = 0, max = -INFINITY, all = 0;
        for (int i = 0; i < N; i++)
            if (logits[i] > max) max = (double)logits[i];
        for (int i = 0; i < N; i++)
            if (i != 7) sum += exp((double)logits[i] - max);
        fm_logprobs l;
        for (int i = 0; i < N; i++) {
            fm_sampler_logprobs(s, logits, i, 0, &l);
            assert_int_equal(l.n_top, 0);
            if (i == 7 || i == 8) {
                assert_true(l.raw == -INFINITY);
                continue;
            }
            assert_true(fabs((double)l.raw - ((double)logits[i] - max - log(sum))) < 4e-6);
            all += exp((double)l.raw);
        }
        assert_true(fabs(all - 1) < 1e-5);
        fm_sampler_logprobs(s, logits, id, 99, &l);
        assert_int_equal(l.n_top, FM_LOGPROBS_TOP);
        for (int i = 1; i < l.n_top; i++)
            assert_true(l.top[i - 1].logprob > l.top[i].logprob ||
                        (l.top[i - 1].logprob == l.top[i].logprob && l.top[i - 1].id < l.top[i].id));
        for (int i = 0; i < N; i++) { /* nobody is missing */
            bool in = false;
            for (int j = 0; j < l.n_top; j++) in |= l.top[j].id == i;
            if (!in && i != 7) assert_true(logits[i] <= logits[l.top[l.n_top - 1].id]);
        }
        fm_sampler_free(s);
    }
}

static void logprobs_of_strange_logits_are_sensible(void **state) {
    (void)state;
    fm_sampler *s = sampler_of(4, plain);
    fm_logprobs l;
    for (int i = 0; i < 4; i++) logits[i] = i % 2 ? NAN : -INFINITY;
    fm_sampler_draw(s, logits, 0, NULL, 0);
    fm_sampler_logprobs(s, logits, 2, 4, &l);
    assert_true(l.n_top == 0 && l.raw == -INFINITY);
    logits[2] = INFINITY;
    assert_int_equal(fm_sampler_draw(s, logits, 0, NULL, 0), 2);
    fm_sampler_logprobs(s, logits, 2, 4, &l);
    assert_true(l.n_top == 1 && l.raw == 0 && l.drawn == 0 && l.top[0].id == 2 && l.top[0].logprob == 0);
    fm_sampler_logprobs(s, logits, 0, 4, &l);
    assert_true(l.raw == -INFINITY && l.drawn == -INFINITY);
    fm_sampler_logprobs(s, logits, -1, 4, &l);
    assert_true(l.raw == -INFINITY);
    fm_sampler_logprobs(s, logits, 4, 4, &l);
    assert_true(l.raw == -INFINITY);
    fm_sampler_free(s);
}

static void our_logarithm_is_right_to_the_last_places(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 300000; i++) {
        double u = fm_rng_uniform(9, 9, i), x = i % 3 == 0 ? u : i % 3 == 1 ? 1 - u * 0x1p-20 : u * 1e6;
        if (x == 0) continue;
        double got = fm_log(x), truth = log(x);
        if (!(fabs(got - truth) <= 4e-16 * fabs(truth))) fail_msg("log %a: %a, not %a", x, got, truth);
    }
    assert_true(fm_log(1) == 0);
    assert_true(fabs(fm_log(0x1p-53) + 53 * log(2)) < 1e-14);
    assert_true(fabs(fm_log(1 - 0x1p-53) + 0x1p-53) < 1e-30);
}

/* ---- the promises of the room ------------------------------------------------------------------- */

static void all_processor_levels_draw_the_same(void **state) {
    (void)state;
    enum { N = 20011 };
    static const fm_sampling settings[] = {
        {.temperature = 1, .top_p = 1}, {.temperature = 0.6f, .top_p = 0.95f},
        {.temperature = 1.3f, .top_p = 0.9f, .top_k = 300, .min_p = 1e-3f, .repetition_penalty = 1.1f}};
    roll_logits(N, 21, 2);
    for (size_t i = 0; i < FM_COUNT(settings); i++) {
        fm_sampler *at[FM_CPU_LEVELS];
        fm_error err;
        for (int level = 0; level <= (int)fm_cpu_detect(); level++) {
            assert_ok(fm_sampler_new(&settings[i], N, fm_kernels_get((fm_cpu_level)level), &at[level], &err));
            fm_sampler_accept(at[level], 77);
            for (uint64_t position = 0; position < 30; position++) {
                int32_t id = fm_sampler_draw(at[0], logits, position, NULL, 0);
                assert_int_equal(fm_sampler_draw(at[level], logits, position, NULL, 0), id);
                fm_logprobs a, b;
                memset(&a, 0, sizeof a), memset(&b, 0, sizeof b);
                fm_sampler_logprobs(at[0], logits, id, 20, &a);
                fm_sampler_logprobs(at[level], logits, id, 20, &b);
                assert_memory_equal(&a, &b, sizeof a);
            }
        }
        for (int level = 0; level <= (int)fm_cpu_detect(); level++) fm_sampler_free(at[level]);
    }
}

/* Fixed for good: the same on every machine, compiler and build. */
static void known_draws_stay_what_they_are(void **state) {
    (void)state;
    static const int32_t known[] = {544, 704, 963, 556, 223, 556, 519, 769,
                                    865, 14,  531, 322, 88,  817, 694, 50};
    for (int i = 0; i < 1000; i++) logits[i] = (float)((i * 7919) % 1000) / 100;
    for (uint64_t i = 0; i < FM_COUNT(known); i++) {
        fm_sampling how = {.temperature = 0.9f, .top_p = 0.97f, .seed = 42, .sequence = 3};
        assert_int_equal(draw(1000, how, i), known[i]);
    }
}

static void drawing_allocates_nothing(void **state) {
    (void)state;
    roll_logits(3000, 2, 2);
    fm_sampler *s = sampler_of(3000, (fm_sampling){.temperature = 0.8f, .top_p = 0.9f, .top_k = 50,
                                                   .frequency_penalty = 1});
    uint64_t before = fm_mem_statistics().allocations;
    for (uint64_t i = 0; i < 50; i++) {
        fm_logprobs l;
        int32_t id = fm_sampler_draw(s, logits, i, NULL, 0);
        fm_sampler_logprobs(s, logits, id, 5, &l);
        fm_sampler_accept(s, id);
    }
    assert_true(fm_mem_statistics().allocations == before);
    fm_sampler_free(s);
}

static void running_out_of_memory_is_an_error_and_leaks_nothing(void **state) {
    (void)state;
    size_t before = fm_mem_statistics().live_bytes[FM_MEM_OTHER];
    for (int64_t k = 0;; k++) {
        fm_error err;
        fm_sampler *s;
        fm_mem_fail_from(k);
        fm_status status = fm_sampler_new(&(fm_sampling){.presence_penalty = 1}, 100, kernels(), &s, &err);
        fm_mem_fail_from(-1);
        if (status == FM_OK) {
            fm_sampler_free(s);
            assert_int_equal(k, 4);
            break;
        }
        assert_int_equal(status, FM_ERR_MEMORY);
        assert_null(s);
    }
    assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_OTHER], before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_distribution_asked_for),
        cmocka_unit_test(a_draw_is_a_function_of_seed_sequence_and_position),
        cmocka_unit_test(neighbouring_draws_are_independent),
        cmocka_unit_test(nearby_distributions_draw_the_same_token_as_often_as_promised),
        cmocka_unit_test(nan_is_never_drawn_and_infinity_is_certain),
        cmocka_unit_test(draws_from_a_large_vocabulary_stay_in_the_nucleus),
        cmocka_unit_test(logprobs_are_those_of_the_softmax_and_the_top_is_in_order),
        cmocka_unit_test(logprobs_of_strange_logits_are_sensible),
        cmocka_unit_test(our_logarithm_is_right_to_the_last_places),
        cmocka_unit_test(all_processor_levels_draw_the_same),
        cmocka_unit_test(known_draws_stay_what_they_are),
        cmocka_unit_test(drawing_allocates_nothing),
        cmocka_unit_test(running_out_of_memory_is_an_error_and_leaks_nothing),
    };
    return cmocka_run_group_tests_name("sample", tests, NULL, NULL);
}
