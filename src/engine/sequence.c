#include "engine/sequence.h"

#include <assert.h>
#include <string.h>

/* ---- sharing ------------------------------------------------------------------------------------ */

/* Rows of the MTP module go on from the state after the last token. Between two pages it is in the
 * tail of the one before. */
static void state_from_tail(fm_sequence *s) {
    const fm_kv_shape *kv = &s->engine->kv;
    if (s->state && s->n > 0)
        memcpy(s->state, fm_kv_tail(kv, s->pages.table[s->n / kv->page_positions - 1]),
               (size_t)s->engine->model->config.hidden_size * sizeof(float));
}

/* Walks down the tree while whole pages of waiting tokens are found there. A sequence can only
 * continue from where its pages and the tree's agree, i.e. at a page's end. */
void fm_sequence_adopt(fm_sequence *s) {
    fm_engine *e = s->engine;
    int64_t page = e->kv.page_positions, before = s->n;
    if (!e->prefix || s->node < 0 || s->n != s->node_pages * page) return;
    while (s->waiting - s->scored >= page) {
        int64_t child = fm_prefix_child(e->prefix, s->node, s->tokens + s->n);
        if (child < 0) break;
        void *shared = fm_prefix_page(e->prefix, child);
        fm_cache_share(shared);
        if (fm_pages_append(&s->pages, shared, NULL) != FM_OK) {
            fm_cache_release(e->cache, shared);
            break;
        }
        s->node = child;
        s->node_pages++;
        s->n += page;
        s->waiting -= page;
        s->shared += page;
    }
    if (s->n > before) state_from_tail(s);
}

/* Where another sequence has computed the same tokens first, its page takes the place of ours: the
 * bits are equal in exact arithmetic, and the memory is held once. */
void fm_sequence_offer(fm_sequence *s, int64_t n) {
    fm_engine *e = s->engine;
    int64_t page = e->kv.page_positions;
    bool exact = e->model->options.arith == FM_EXACT;
    while (e->prefix && s->node >= 0 && (s->node_pages + 1) * page <= n) {
        void *own = s->pages.table[s->node_pages];
        int64_t child = fm_prefix_add(e->prefix, s->node, s->tokens + s->node_pages * page, own);
        void *held = child < 0 ? NULL : fm_prefix_page(e->prefix, child);
        if (child < 0 || (held != own && !exact)) {
            s->node = -1;
            return;
        }
        if (held != own) {
            fm_cache_share(held);
            fm_cache_release(e->cache, own);
            s->pages.table[s->node_pages] = held;
        }
        s->node = child;
        s->node_pages++;
    }
}

fm_status fm_sequence_reserve(fm_sequence *s, int64_t count, fm_error *err) {
    fm_engine *e = s->engine;
    for (;;) {
        fm_status status = fm_pages_reserve(&s->pages, e->cache, s->n, s->n + count, err);
        if (status != FM_ERR_MEMORY || !e->prefix || !fm_prefix_evict(e->prefix)) return status;
    }
}

/* ---- life ----------------------------------------------------------------------------------------- */

static size_t vocabulary(const fm_sequence *s) { return (size_t)s->engine->model->config.vocab_size; }
static size_t width(const fm_sequence *s) { return (size_t)s->engine->model->config.hidden_size; }

/* Room for the logits and states of so many rows. */
static fm_status reserve_rows(fm_sequence *s, int64_t rows, fm_error *err) {
    if (rows <= s->row_capacity) return FM_OK;
    size_t floats = 0, bytes = 0;
    if (!fm_mul_size((size_t)rows, vocabulary(s) + width(s), &floats) ||
        !fm_mul_size(floats, sizeof(float), &bytes))
        return fm_fail(err, FM_ERR_LIMIT, "the logits of %lld tokens are more than a memory holds",
                       (long long)rows);
    float *logits = fm_alloc(bytes, FM_MEM_CACHE);
    if (!logits) return fm_fail_memory(err, bytes, "the logits of a sequence");
    float *hidden = logits + (size_t)rows * vocabulary(s);
    if (s->rows > 0) {
        memcpy(logits, s->logits, (size_t)s->rows * vocabulary(s) * sizeof(float));
        memcpy(hidden, s->hidden, (size_t)s->rows * width(s) * sizeof(float));
    }
    fm_free(s->logits);
    s->logits = logits;
    s->hidden = hidden;
    s->row_capacity = rows;
    return FM_OK;
}

/* With the lock held: the engine has one sequence more, which a shared step may have to list. */
static fm_status admit(fm_engine *e, fm_error *err) {
    if (e->living == e->gathered_capacity) {
        int64_t capacity = e->living ? e->living * 2 : 16;
        void *more = fm_realloc(e->gathered, (size_t)capacity * sizeof *e->gathered, FM_MEM_OTHER);
        if (!more) return fm_fail_memory(err, (size_t)capacity * sizeof *e->gathered, "a sequence");
        e->gathered = more;
        e->gathered_capacity = capacity;
    }
    e->living++;
    return FM_OK;
}

fm_status fm_sequence_new(fm_engine *e, fm_sequence **out, fm_error *err) {
    *out = NULL;
    fm_sequence *s = fm_alloc_zero(sizeof *s, FM_MEM_OTHER);
    if (!s) return fm_fail_memory(err, sizeof *s, "a sequence");
    pthread_mutex_lock(&e->lock);
    fm_status status = admit(e, err);
    pthread_mutex_unlock(&e->lock);
    if (status != FM_OK) {
        fm_free(s);
        return status;
    }
    s->engine = e;
    s->logits_at = -1;
    status = reserve_rows(s, 1, err);
    if (status == FM_OK && e->mtp.plan &&
        !(s->state = fm_alloc_zero(width(s) * sizeof *s->state, FM_MEM_CACHE)))
        status = fm_fail_memory(err, width(s) * sizeof *s->state, "a sequence");
    if (status != FM_OK) {
        fm_sequence_free(s);
        return status;
    }
    *out = s;
    return FM_OK;
}

void fm_sequence_free(fm_sequence *s) {
    if (!s) return;
    pthread_mutex_lock(&s->engine->lock);
    fm_pages_clear(&s->pages, s->engine->cache);
    fm_unfold_drop(s->engine, s);
    s->engine->living--;
    pthread_mutex_unlock(&s->engine->lock);
    fm_free(s->tokens);
    fm_free(s->logits);
    fm_free(s->state);
    fm_free(s);
}

static fm_status reserve_tokens(fm_sequence *s, int64_t count, fm_error *err) {
    if (count <= s->capacity) return FM_OK;
    int64_t capacity = count < 256 ? 256 : count * 2;
    void *p = fm_realloc(s->tokens, (size_t)capacity * sizeof *s->tokens, FM_MEM_OTHER);
    if (!p) return fm_fail_memory(err, (size_t)capacity * sizeof *s->tokens, "a sequence");
    s->tokens = p;
    s->capacity = capacity;
    return FM_OK;
}

fm_status fm_sequence_fork(const fm_sequence *s, fm_sequence **out, fm_error *err) {
    fm_engine *e = s->engine;
    fm_sequence *f;
    *out = NULL;
    FM_TRY(fm_sequence_new(e, &f, err));
    fm_status status = reserve_tokens(f, s->n + 1, err);
    pthread_mutex_lock(&e->lock);
    if (status == FM_OK) status = fm_pages_fork(&s->pages, &f->pages, err);
    pthread_mutex_unlock(&e->lock);
    if (status != FM_OK) {
        fm_sequence_free(f);
        return status;
    }
    if (s->n) memcpy(f->tokens, s->tokens, (size_t)(s->n + s->redo) * sizeof *s->tokens);
    if (s->rows > 0) { /* the last row will do */
        size_t last = (size_t)s->rows - 1;
        memcpy(f->logits, s->logits + last * vocabulary(s), vocabulary(s) * sizeof(float));
        memcpy(f->hidden, s->hidden + last * width(s), width(s) * sizeof(float));
        f->rows = 1;
    }
    if (s->state) memcpy(f->state, s->state, width(s) * sizeof(float));
    f->redo = s->redo;
    f->waiting = f->scored = s->redo;
    f->n = s->n;
    f->node = s->node;
    f->node_pages = s->node_pages;
    f->shared = s->shared;
    f->logits_at = s->logits_at;
    *out = f;
    return FM_OK;
}

/* ---- tokens --------------------------------------------------------------------------------------- */

static fm_status check(const fm_sequence *s, const int32_t *ids, int64_t n, fm_error *err) {
    int64_t ends = s->engine->model->config.vocab_size, limit = s->engine->options.context;
    int64_t have = s->n + s->waiting;
    if (n < 1) return fm_fail(err, FM_ERR_ARGUMENT, "there are no tokens to compute");
    if (n > limit - have)
        return fm_fail(err, FM_ERR_LIMIT,
                       "%lld tokens after %lld do not fit in a context of %lld: shorten the text or ask "
                       "for a larger context", (long long)n, (long long)have, (long long)limit);
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= ends)
            return fm_fail(err, FM_ERR_ARGUMENT,
                           "token %lld of the prompt is id %d; this model's ids go from 0 to %lld",
                           (long long)(have + i), ids[i], (long long)(ends - 1));
    return FM_OK;
}

/* Which of the tokens queued now are computed the fast way: those of whole blocks of positions. So it
 * depends on how a text was queued, but on no chunks, neighbours, threads or shared pages. */
static void choose_fast(fm_sequence *s, int64_t begin, int64_t end) {
    s->fast_from = s->fast_to = 0;
    if (s->engine->model->options.arith != FM_FAST) return;
    int64_t block = FM_ATTENTION_BLOCK;
    s->fast_from = (begin + block - 1) / block * block;
    s->fast_to = end / block * block;
}

static fm_status queue(fm_sequence *s, const int32_t *ids, int64_t n, int64_t scored, fm_error *err) {
    FM_TRY(check(s, ids, n, err));
    FM_TRY(reserve_tokens(s, s->n + s->waiting + n, err));
    FM_TRY(reserve_rows(s, scored, err));
    memcpy(s->tokens + s->n + s->waiting, ids, (size_t)n * sizeof *ids);
    choose_fast(s, s->n + s->waiting, s->n + s->waiting + n);
    s->waiting += n;
    s->scored = scored;
    s->begins = true;
    pthread_mutex_lock(&s->engine->lock);
    fm_sequence_adopt(s);
    pthread_mutex_unlock(&s->engine->lock);
    return FM_OK;
}

fm_status fm_sequence_queue(fm_sequence *s, const int32_t *ids, int64_t n, fm_error *err) {
    return queue(s, ids, n, 1, err);
}

fm_status fm_sequence_queue_scored(fm_sequence *s, const int32_t *ids, int64_t n, fm_error *err) {
    return queue(s, ids, n, n, err);
}

void fm_sequence_cancel(fm_sequence *s) {
    s->waiting = s->scored = s->redo;
    s->begins = false;
    pthread_mutex_lock(&s->engine->lock);
    fm_unfold_drop(s->engine, s);
    pthread_mutex_unlock(&s->engine->lock);
}
int64_t fm_sequence_waiting(const fm_sequence *s) { return s->waiting; }

/* Gives up the pages past n. */
static void cut(fm_sequence *s, int64_t n) {
    fm_engine *e = s->engine;
    int64_t page = e->kv.page_positions;
    s->n = n;
    pthread_mutex_lock(&e->lock);
    fm_pages_truncate(&s->pages, e->cache, n);
    fm_unfold_drop(e, s);
    if (s->node >= 0 && s->node_pages * page > n) {
        /* Back to the root and down again along the pages that remain: they are all in the tree. */
        s->node = s->node_pages = 0;
        while (s->node >= 0 && (s->node_pages + 1) * page <= n) {
            s->node = fm_prefix_child(e->prefix, s->node, s->tokens + s->node_pages * page);
            s->node_pages++;
        }
    }
    pthread_mutex_unlock(&e->lock);
}

void fm_sequence_truncate(fm_sequence *s, int64_t n) {
    int64_t page = s->engine->kv.page_positions;
    fm_sequence_cancel(s);
    if (n < 0) n = 0;
    if (n >= s->n + s->redo) return;
    bool inside = s->state && n % page != 0; /* nobody kept the state after token n - 1 */
    s->rows = 0;
    s->logits_at = -1;
    s->waiting = s->scored = inside;
    cut(s, inside ? n - 1 : n);
    s->redo = s->n % page != 0 && inside;
    if (!s->redo) state_from_tail(s);
}

void fm_sequence_keep_rows(fm_sequence *s, int64_t rows) {
    assert(s->waiting == 0 && s->logits_at == s->n && rows > 0 && rows <= s->rows);
    if (rows == s->rows) return;
    cut(s, s->n - (s->rows - rows));
    s->rows = rows;
    s->logits_at = s->n;
    if (s->state)
        memcpy(s->state, s->hidden + (size_t)(rows - 1) * width(s), width(s) * sizeof(float));
}

const int32_t *fm_sequence_tokens(const fm_sequence *s, int64_t *n) {
    *n = s->n;
    return s->tokens;
}

static bool fresh(const fm_sequence *s) { return s->waiting == 0 && s->rows > 0 && s->logits_at == s->n; }

int64_t fm_sequence_rows(const fm_sequence *s) { return fresh(s) ? s->rows : 0; }

const float *fm_sequence_row_logits(const fm_sequence *s, int64_t row) {
    assert(row >= 0 && row < fm_sequence_rows(s));
    return s->logits + (size_t)row * vocabulary(s);
}

const float *fm_sequence_logits(const fm_sequence *s) {
    return fresh(s) ? s->logits + (size_t)(s->rows - 1) * vocabulary(s) : NULL;
}

const float *fm_sequence_hidden(const fm_sequence *s) {
    return fresh(s) ? s->hidden + (size_t)(s->rows - 1) * width(s) : NULL;
}

int64_t fm_sequence_shared(const fm_sequence *s) { return s->shared; }
