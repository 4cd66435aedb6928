#include "rl/reward/scorer.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "rl/reward/rules.h"
#include "rl/reward/scorer_private.h"

#include <math.h>
#include <string.h>

fm_scorer_settings fm_scorer_default_settings(void) {
    return (fm_scorer_settings){.bits = 18, .epochs = 8, .rate = 0.1, .decay = 1e-6, .seed = 1};
}

/* ---- features ---------------------------------------------------------------------------------*/

enum { WORD_BYTES = 32, SEEN_BITS = 12 };

/* Which words stand in the question and in the answer: a small Bloom filter each, so that it takes no memory. */
typedef struct seen {
    uint64_t words[1 << (SEEN_BITS - 6)];
} seen;

static bool is_word_byte(unsigned char c) {
    return c >= 0x80 || (c | 0x20) - 'a' < 26u || c - '0' < 10u;
}

/* The next word (letters and digits), or another single character that is no blank, as a hash; case counts not. */
static bool next_word(const char *text, size_t size, size_t *at, uint64_t *hash) {
    while (*at < size && (unsigned char)text[*at] <= ' ') ++*at;
    if (*at >= size) return false;
    char word[WORD_BYTES];
    size_t n = 0;
    do {
        unsigned char c = (unsigned char)text[(*at)++];
        word[n++] = (char)(c - 'A' < 26u ? c + 0x20 : c);
    } while (is_word_byte((unsigned char)word[n - 1]) && *at < size && n < WORD_BYTES &&
             is_word_byte((unsigned char)text[*at]));
    *hash = fm_hash(word, n, 0);
    return true;
}

static void note_words(seen *s, const char *text, size_t size) {
    uint64_t hash;
    for (size_t at = 0; next_word(text, size, &at, &hash);) {
        hash = fm_mix64(hash) >> (64 - SEEN_BITS);
        s->words[hash >> 6] |= (uint64_t)1 << (hash & 63);
    }
}

static bool was_seen(const seen *s, uint64_t hash) {
    hash = fm_mix64(hash) >> (64 - SEEN_BITS);
    return s->words[hash >> 6] >> (hash & 63) & 1;
}

typedef struct walk {
    const fm_scorer *scorer;
    seen question, answer;
    const fm_scorer_example *example;
    size_t at, n_ready, next_ready;
    uint64_t before; /* hash of the word before */
    size_t ready[4];
} walk;

static walk walk_over(const fm_scorer *scorer, const fm_scorer_example *e) {
    walk w = {.scorer = scorer, .example = e};
    note_words(&w.question, e->question, e->question_size);
    note_words(&w.answer, e->answer, e->answer_size);
    return w;
}

/* The places of the reply's features one after the other; each word makes four. */
static bool next_feature(walk *w, size_t *place) {
    if (w->next_ready == w->n_ready) {
        uint64_t hash;
        if (!next_word(w->example->reply, w->example->reply_size, &w->at, &hash)) return false;
        uint64_t mask = ((uint64_t)1 << w->scorer->bits) - 1;
        uint64_t where = (uint64_t)(1 + was_seen(&w->answer, hash) + 2 * was_seen(&w->question, hash));
        w->ready[0] = fm_mix64(hash) & mask;
        w->ready[1] = fm_mix64(hash + 0x9E3779B97F4A7C15u * w->before + 1) & mask;
        w->ready[2] = fm_mix64(where) & mask;
        w->ready[3] = fm_mix64(hash ^ fm_mix64(where + 16)) & mask;
        w->before = hash;
        w->n_ready = 4;
        w->next_ready = 0;
    }
    *place = w->ready[w->next_ready++];
    return true;
}

/* The mean of the weights that the reply touches, times the root of their number: long replies count more, but
 * not by their length. */
static double logit(const fm_scorer *scorer, const fm_scorer_example *e, size_t *features) {
    walk w = walk_over(scorer, e);
    double sum = 0;
    size_t n = 0, place;
    for (; next_feature(&w, &place); n++) sum += (double)scorer->weights[place];
    *features = n;
    return (double)scorer->bias + (n ? sum / sqrt((double)n) : 0);
}

static double logistic(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

double fm_scorer_score(const fm_scorer *scorer, const fm_scorer_example *e) {
    size_t features;
    return logistic(logit(scorer, e, &features));
}

/* ---- learning ---------------------------------------------------------------------------------*/

fm_scorer *fm_scorer_new(int bits) {
    fm_scorer *s = fm_alloc_zero(sizeof *s, FM_MEM_OTHER);
    if (!s) return NULL;
    s->bits = bits;
    s->weights = fm_alloc_array((size_t)1 << bits, sizeof *s->weights, FM_MEM_OTHER);
    if (s->weights) return s;
    fm_free(s);
    return NULL;
}

void fm_scorer_free(fm_scorer *scorer) {
    if (!scorer) return;
    fm_free(scorer->weights);
    fm_free(scorer);
}

/* AdaGrad: each weight's steps shrink with the squares of what pulled at it. */
static void pull(float *weight, float *squares, double gradient, const fm_scorer_settings *s) {
    gradient += s->decay * (double)*weight;
    *squares += (float)(gradient * gradient);
    *weight -= (float)(s->rate * gradient / (sqrt((double)*squares) + 1e-8));
}

static void learn_one(fm_scorer *scorer, float *squares, const fm_scorer_example *e, const fm_scorer_settings *s) {
    size_t n, place;
    double error = logistic(logit(scorer, e, &n)) - e->good;
    pull(&scorer->bias, &squares[(size_t)1 << s->bits], error, s);
    double share = n ? error / sqrt((double)n) : 0;
    walk w = walk_over(scorer, e);
    while (next_feature(&w, &place)) pull(&scorer->weights[place], &squares[place], share, s);
}

static void shuffle(size_t *order, size_t n, uint64_t seed, int epoch) {
    for (size_t i = 0; i < n; i++) order[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)(fm_rng_uniform(seed, (uint64_t)epoch, i) * (double)i);
        size_t other = order[j];
        order[j] = order[i - 1];
        order[i - 1] = other;
    }
}

static fm_status check_settings(const fm_scorer_example *examples, size_t n, const fm_scorer_settings *s,
                                fm_error *err) {
    if (s->bits < 8 || s->bits > 24 || s->epochs < 1 || s->epochs > 1000 || !(s->rate > 0) || !(s->rate <= 10) ||
        !(s->decay >= 0) || !(s->decay <= 1))
        return fm_fail(err, FM_ERR_ARGUMENT,
                       "a scorer wants 8 to 24 bits, 1 to 1000 epochs, a rate in (0, 10] and a decay in [0, 1]");
    size_t good = 0;
    for (size_t i = 0; i < n; i++) good += examples[i].good;
    if (good == 0 || good == n)
        return fm_fail(err, FM_ERR_ARGUMENT, "a scorer needs good and bad replies to learn from; %zu of %zu are good",
                       good, n);
    return FM_OK;
}

fm_status fm_scorer_learn(const fm_scorer_example *examples, size_t n, const fm_scorer_settings *settings,
                          fm_scorer **out, fm_error *err) {
    *out = NULL;
    FM_TRY(check_settings(examples, n, settings, err));
    fm_scorer *scorer = fm_scorer_new(settings->bits);
    size_t places = ((size_t)1 << settings->bits) + 1; /* and the bias */
    float *squares = fm_alloc_array(places, sizeof *squares, FM_MEM_OTHER);
    size_t *order = fm_alloc_array(n, sizeof *order, FM_MEM_OTHER);
    if (scorer && squares && order) {
        for (int epoch = 0; epoch < settings->epochs; epoch++) {
            shuffle(order, n, settings->seed, epoch);
            for (size_t i = 0; i < n; i++) learn_one(scorer, squares, &examples[order[i]], settings);
        }
        *out = scorer;
        scorer = NULL;
    }
    fm_scorer_free(scorer);
    fm_free(squares);
    fm_free(order);
    return *out ? FM_OK : fm_fail_memory(err, 2 * places * sizeof *squares, "a scorer");
}

/* ---- the rule ---------------------------------------------------------------------------------*/

fm_status fm_reward_learned(const fm_reward_rules *rules, const fm_reward_group *g, fm_reward_value *values,
                            fm_error *err) {
    if (!rules->scorer) return fm_fail(err, FM_ERR_UNSUPPORTED, "the reward 'learned' needs a scorer's file");
    for (size_t i = 0; i < g->n; i++) {
        fm_scorer_example e = {.question = g->problem->prompt,
                               .question_size = g->problem->prompt_size,
                               .answer = "",
                               .reply = g->replies[i].text,
                               .reply_size = g->replies[i].size};
        values[i].value = fm_scorer_score(rules->scorer, &e);
    }
    return FM_OK;
}
