/* learn_count.c: texts cut into pieces, and how often each occurs.
 *
 * Texts are cut into blocks at places that depend on the text alone; every thread counts into a table of
 * its own, and sums do not depend on who counted what. */
#include "base/hash.h"
#include "base/unicode.h"
#include "token/learn_private.h"
#include "token/nfc.h"
#include "token/vocab.h"

#include <string.h>

enum { BLOCK = 256 << 10 };

/* ---- the table -----------------------------------------------------------------------------------*/

static bool grow(fm_learn_counts *c) {
    size_t slots = c->slots ? (c->mask + 1) * 2 : 1 << 12;
    uint32_t *bigger = fm_alloc_array(slots, sizeof *bigger, FM_MEM_TOKENIZER);
    if (!bigger) return false;
    for (size_t i = 0; i < fm_learn_n_words(c); i++) {
        size_t at = (size_t)fm_learn_words(c)[i].hash & (slots - 1);
        while (bigger[at]) at = (at + 1) & (slots - 1);
        bigger[at] = (uint32_t)i + 1;
    }
    fm_free(c->slots);
    c->slots = bigger;
    c->mask = slots - 1;
    return true;
}

int64_t fm_learn_count(fm_learn_counts *c, const char *word, size_t size, uint64_t times) {
    size_t n = fm_learn_n_words(c);
    if ((!c->slots || n * 2 > c->mask) && !grow(c)) return -1;
    uint64_t hash = fm_hash(word, size, 0);
    size_t at = (size_t)hash & c->mask;
    fm_learn_word *words = (fm_learn_word *)(void *)c->words.data;
    c->total += times;
    for (; c->slots[at]; at = (at + 1) & c->mask) {
        fm_learn_word *w = &words[c->slots[at] - 1];
        if (w->hash != hash || w->size != size || memcmp(c->bytes.data + w->at, word, size) != 0) continue;
        w->count += times;
        return c->slots[at] - 1;
    }
    fm_learn_word fresh = {hash, times, c->bytes.size, (uint32_t)size};
    fm_buffer_put(&c->words, &fresh, sizeof fresh);
    fm_buffer_put(&c->bytes, word, size);
    c->slots[at] = (uint32_t)n + 1;
    return n < UINT32_MAX - 2 && !c->words.failed && !c->bytes.failed ? (int64_t)n : -1;
}

void fm_learn_counts_clear(fm_learn_counts *c) {
    fm_free(c->slots);
    fm_buffer_clear(&c->words);
    fm_buffer_clear(&c->bytes);
    *c = (fm_learn_counts){0};
}

/* ---- texts ---------------------------------------------------------------------------------------*/

struct fm_learner {
    fm_learn_options options;
    fm_pretoken *pretoken;
    fm_learn_counts *counts; /* one per thread */
    int n_counts;
    uint64_t bytes;
};

fm_status fm_learner_new(const fm_learn_options *o, fm_learner **out, fm_error *err) {
    *out = NULL;
    if (o->vocabulary < fm_learn_least() || o->vocabulary > FM_VOCAB_MAX)
        return fm_fail(err, FM_ERR_ARGUMENT, "a vocabulary has %lld to %d tokens, not %lld",
                       (long long)fm_learn_least(), FM_VOCAB_MAX, (long long)o->vocabulary);
    fm_learner *l = fm_alloc_zero(sizeof *l, FM_MEM_TOKENIZER);
    if (!l) return fm_fail_memory(err, sizeof *l, "a learner");
    l->options = *o;
    if (!o->pre) l->options.pre = fm_known_find("deepseek-v3");
    if (o->least_count < 1) l->options.least_count = 1;
    l->n_counts = fm_pool_threads(o->pool);
    l->counts = fm_alloc_array((size_t)l->n_counts, sizeof *l->counts, FM_MEM_TOKENIZER);
    fm_status status = l->counts ? fm_pretoken_new(&l->pretoken, err)
                                 : fm_fail_memory(err, sizeof *l->counts, "a learner");
    if (status == FM_OK) status = fm_known_add_stages(l->options.pre, l->pretoken, err);
    if (status == FM_OK) {
        fm_known_use_scanner(l->pretoken);
        status = fm_pretoken_finish(l->pretoken, err);
    }
    if (status == FM_OK)
        *out = l;
    else
        fm_learner_free(l);
    return status;
}

void fm_learner_free(fm_learner *l) {
    if (!l) return;
    for (int i = 0; l->counts && i < l->n_counts; i++) fm_learn_counts_clear(&l->counts[i]);
    fm_free(l->counts);
    fm_pretoken_free(l->pretoken);
    fm_free(l);
}

/* Long pieces in stretches of whole characters. */
static fm_status count_word(void *counts, const char *word, size_t size, fm_error *err) {
    while (size > 0) {
        size_t n = size;
        if (n > FM_LEARN_PIECE_MAX) n = fm_utf8_complete(word, FM_LEARN_PIECE_MAX);
        if (fm_learn_count(counts, word, n, 1) < 0) return fm_fail_memory(err, n, "counting pieces of text");
        word += n;
        size -= n;
    }
    return FM_OK;
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* Where a block that begins at text[0] ends: past BLOCK, between a letter and the line feed behind it. There
 * every pattern of known.c cuts, and none looks over it, so that the pieces are those of the whole text. */
static size_t block_end(const char *text, size_t size) {
    for (size_t at = BLOCK; at < size; at++) {
        const char *line = memchr(text + at, '\n', size - at);
        if (!line) break;
        at = (size_t)(line - text);
        if (is_letter(text[at - 1])) return at;
    }
    return size;
}

typedef struct counting {
    fm_learner *learner;
    const fm_token_text *blocks;
    bool *failed; /* by thread */
} counting;

static fm_status count_block(fm_learner *l, fm_learn_counts *counts, fm_token_text block, fm_error *err) {
    if (!l->options.pre->nfc || !fm_nfc_may_change(block.data, block.size))
        return fm_pretoken_run(l->pretoken, block.data, block.size, count_word, counts, err);
    fm_buffer composed = {0};
    fm_status status = fm_nfc(block.data, block.size, &composed, err);
    if (status == FM_OK) status = fm_pretoken_run(l->pretoken, composed.data, composed.size, count_word, counts, err);
    fm_buffer_clear(&composed);
    return status;
}

static void count_blocks(void *context, int64_t begin, int64_t end, int worker) {
    counting *c = context;
    for (int64_t i = begin; i < end && !c->failed[worker]; i++)
        c->failed[worker] = count_block(c->learner, &c->learner->counts[worker], c->blocks[i], NULL) != FM_OK;
}

static fm_status count_all(fm_learner *l, const fm_buffer *blocks, fm_error *err) {
    counting c = {l, (const fm_token_text *)(const void *)blocks->data, NULL};
    c.failed = fm_alloc_zero((size_t)l->n_counts, FM_MEM_TOKENIZER);
    if (!c.failed) return fm_fail_memory(err, (size_t)l->n_counts, "counting pieces of text");
    fm_pool_for(l->options.pool, (int64_t)(blocks->size / sizeof *c.blocks), 1, count_blocks, &c);
    bool failed = false;
    for (int i = 0; i < l->n_counts; i++) failed |= c.failed[i];
    fm_free(c.failed);
    return failed ? fm_fail_memory(err, l->counts[0].bytes.size, "counting pieces of text") : FM_OK;
}

fm_status fm_learner_add(fm_learner *l, const fm_token_text *texts, size_t n, fm_error *err) {
    fm_buffer blocks = {0};
    fm_status status = FM_OK;
    for (size_t i = 0; i < n && status == FM_OK; i++) {
        const fm_token_text *t = &texts[i];
        if (!fm_utf8_valid(t->data, t->size))
            status = fm_fail(err, FM_ERR_ARGUMENT, "a text to learn from is not valid UTF-8");
        for (size_t at = 0, end; at < t->size && status == FM_OK; at = end) {
            end = at + block_end(t->data + at, t->size - at);
            fm_buffer_put(&blocks, &(fm_token_text){t->data + at, end - at}, sizeof *texts);
        }
        l->bytes += t->size;
    }
    if (status == FM_OK) status = fm_buffer_status(&blocks, err);
    if (status == FM_OK) status = count_all(l, &blocks, err);
    fm_buffer_clear(&blocks);
    return status;
}

/* All tables into the first. */
static fm_status gather(fm_learner *l, fm_error *err) {
    for (int i = 1; i < l->n_counts; i++) {
        const fm_learn_word *words = fm_learn_words(&l->counts[i]);
        for (size_t k = 0; k < fm_learn_n_words(&l->counts[i]); k++)
            if (fm_learn_count(&l->counts[0], l->counts[i].bytes.data + words[k].at, words[k].size,
                               words[k].count) < 0)
                return fm_fail_memory(err, l->counts[0].bytes.size, "counting pieces of text");
        fm_learn_counts_clear(&l->counts[i]);
    }
    return FM_OK;
}

fm_status fm_learner_finish(fm_learner *l, fm_learn_chat chat, fm_buffer *json, fm_buffer *config, fm_learnt *out,
                            fm_error *err) {
    fm_learn_vocab v = {0};
    fm_status status;
    FM_TRY_GOTO(gather(l, err), done);
    FM_TRY_GOTO(fm_learn_vocab_begin(&v, err), done);
    FM_TRY_GOTO(fm_learn_merge_all(&l->options, &l->counts[0], &v, err), done);
    FM_TRY_GOTO(fm_learn_write(&l->options, &v, chat, json, config, err), done);
    *out = (fm_learnt){.vocabulary = fm_learn_n_tokens(&v),
                       .merges = (int64_t)(v.merges.size / sizeof(fm_learn_merge)),
                       .pieces = (int64_t)l->counts[0].total,
                       .distinct = (int64_t)fm_learn_n_words(&l->counts[0]),
                       .bytes = l->bytes};
done:
    fm_learn_vocab_clear(&v);
    return status;
}
