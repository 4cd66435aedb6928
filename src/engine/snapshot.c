/* Little-endian, nothing padded:
 *
 *   header   128 bytes, drawn below; the last 8 are its hash
 *   tokens   int32 x tokens                                              | hash
 *   pages    of every page: layer by layer the rows of positions in use,
 *            each without its padding (graph/step.h, fm_kv_type), then
 *            the tail if the page is full and there are tails            | hash
 *   state    with an MTP module, unless it is to be computed again:
 *            float32 [D] after the last token                            | hash
 *   last     if the header says so: float32 logits [V], hidden [D]       | hash
 *
 * A sequence that went back to inside a page has its last token once more before it (`redo` in
 * sequence.h): that token counts here, and its rows are there.
 *
 * Each hash is of its section, begun from the hash before: sections of another file do not fit. The
 * size of the file follows from the header and is checked before anything else is believed. */
#include "engine/snapshot.h"

#include "base/file.h"
#include "base/hash.h"
#include "engine/sequence.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "fathomkv"

enum { VERSION = 1, BUFFER = 256 << 10 };
enum { HAS_LAST = 1, HAS_MTP = 2, HAS_REDO = 4, FLAGS = 7 };

typedef struct header {
    char magic[8];
    uint32_t version, bytes;      /* of the header */
    uint64_t fingerprint;         /* of the model */
    uint32_t arith, type;         /* fm_arith; fm_kv_type */
    uint32_t block, page_positions;
    uint64_t layers, width;
    uint64_t vocabulary, hidden_size;
    uint64_t tokens;
    uint32_t flags, activations;  /* fm_activations */
    uint32_t reserved[8];
    uint64_t hash;
} header;
_Static_assert(sizeof(header) == 128, "the header is written as it lies in memory");

static const char *type_name(uint32_t type) {
    static const char *const names[] = {[FM_KV_F32] = "f32", [FM_KV_INT8] = "int8", [FM_KV_BF16] = "bf16"};
    return type < FM_COUNT(names) ? names[type] : "an unknown type";
}

/* What this engine writes for a sequence of n tokens, but for the hash. */
static header header_of(const fm_engine *e, int64_t n, uint32_t flags) {
    const fm_config *c = &e->model->config;
    header h = {.version = VERSION, .bytes = sizeof h, .fingerprint = fm_model_fingerprint(e->model),
                .arith = e->model->options.arith, .type = e->kv.type,
                .block = (uint32_t)e->kv.block, .page_positions = (uint32_t)e->kv.page_positions,
                .layers = (uint64_t)e->kv.n_layers, .width = (uint64_t)e->kv.width,
                .vocabulary = (uint64_t)c->vocab_size, .hidden_size = (uint64_t)c->hidden_size,
                .tokens = (uint64_t)n, .activations = e->options.activations,
                .flags = flags | (e->mtp.plan ? HAS_MTP : 0u)};
    memcpy(h.magic, MAGIC, sizeof h.magic);
    return h;
}

static uint64_t header_hash(const header *h) { return fm_hash(h, offsetof(header, hash), VERSION); }

static int64_t page_count(const fm_engine *e, int64_t n) {
    return (n + e->kv.page_positions - 1) / e->kv.page_positions;
}

/* Positions of page `page` that a sequence of n tokens uses. */
static int64_t rows_in(const fm_engine *e, int64_t page, int64_t n) {
    int64_t left = n - page * e->kv.page_positions;
    return left < e->kv.page_positions ? left : e->kv.page_positions;
}

static size_t row_used(const fm_engine *e) {
    return fm_kv_row_used(e->kv.type, e->kv.width, e->kv.block);
}

static size_t state_bytes(const fm_engine *e) {
    return (size_t)e->model->config.hidden_size * sizeof(float);
}
static size_t logits_bytes(const fm_engine *e) {
    return (size_t)e->model->config.vocab_size * sizeof(float);
}

static bool has_state(const header *h) {
    return (h->flags & HAS_MTP) && !(h->flags & HAS_REDO) && h->tokens > 0;
}

/* Goes through all bytes of a page that mean something to a sequence of n tokens. The MTP module has no
 * row in slot 0 of the first page. */
typedef fm_status (*visit_fn)(void *context, void *bytes, size_t n);
static fm_status visit_page(const fm_engine *e, void *const *table, int64_t page, int64_t n,
                            visit_fn visit, void *context) {
    int64_t first = page * e->kv.page_positions, rows = rows_in(e, page, n);
    for (int64_t layer = 0; layer < e->kv.n_layers; layer++) {
        bool shifted = e->mtp.plan && layer == e->kv.n_layers - 1;
        for (int64_t p = first + (shifted && page == 0); p < first + rows; p++)
            FM_TRY(visit(context, fm_kv_row(&e->kv, table, layer, p), row_used(e)));
    }
    if (rows < e->kv.page_positions || e->kv.tail_bytes == 0) return FM_OK;
    return visit(context, fm_kv_tail(&e->kv, table[page]), state_bytes(e));
}

/* ---- saving ----------------------------------------------------------------------------------- */

typedef struct target {
    fm_writer *file;
    uint64_t hash;
    fm_error *err;
} target;

static fm_status put(target *t, const void *bytes, size_t n) {
    t->hash = fm_hash(bytes, n, t->hash);
    return fm_writer_put(t->file, bytes, n, t->err);
}

static fm_status put_hash(target *t) { return fm_writer_put(t->file, &t->hash, sizeof t->hash, t->err); }

static fm_status put_visited(void *context, void *bytes, size_t n) { return put(context, bytes, n); }

static fm_status put_state(target *t, const fm_sequence *s) {
    FM_TRY(put(t, s->state, state_bytes(s->engine)));
    return put_hash(t);
}

static fm_status put_last(target *t, const fm_sequence *s) {
    FM_TRY(put(t, fm_sequence_logits(s), logits_bytes(s->engine)));
    FM_TRY(put(t, fm_sequence_hidden(s), state_bytes(s->engine)));
    return put_hash(t);
}

static fm_status put_all(target *t, const fm_sequence *s) {
    const fm_engine *e = s->engine;
    int64_t n = s->n + s->redo;
    header h = header_of(e, n, (fm_sequence_logits(s) ? HAS_LAST : 0u) | (s->redo ? HAS_REDO : 0u));
    h.hash = t->hash = header_hash(&h);
    FM_TRY(fm_writer_put(t->file, &h, sizeof h, t->err));
    FM_TRY(put(t, s->tokens, (size_t)n * sizeof *s->tokens));
    FM_TRY(put_hash(t));
    for (int64_t page = 0; page < page_count(e, n); page++) {
        FM_TRY(visit_page(e, s->pages.table, page, n, put_visited, t));
        FM_TRY(put_hash(t));
    }
    if (has_state(&h)) FM_TRY(put_state(t, s));
    return h.flags & HAS_LAST ? put_last(t, s) : FM_OK;
}

/* No lock: the pages of a sequence are written by its own steps alone, and shared ones by nobody. */
fm_status fm_sequence_save(const fm_sequence *s, const char *path, fm_error *err) {
    target t = {.err = err};
    FM_TRY(fm_writer_open(path, &t.file, err));
    fm_status status = put_all(&t, s);
    if (status == FM_OK) return fm_writer_commit(t.file, err);
    fm_writer_abort(t.file);
    return status;
}

/* ---- reading ---------------------------------------------------------------------------------- */

/* By read, not through a mapping: a disk that fails is an error then, not the end of the process. */
typedef struct source {
    int fd;
    const char *path;
    uint64_t size; /* of the file */
    uint8_t *buffer;
    size_t at, have;
    uint64_t hash;
    fm_error *err;
} source;

static fm_status open_source(source *f) {
    struct stat st;
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0 || fstat(f->fd, &st) != 0)
        return fm_fail(f->err, FM_ERR_IO, "cannot open %s: %s", f->path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return fm_fail(f->err, FM_ERR_IO, "%s is not a regular file", f->path);
    f->size = (uint64_t)st.st_size;
    f->buffer = fm_alloc(BUFFER, FM_MEM_OTHER);
    return f->buffer ? FM_OK : fm_fail_memory(f->err, BUFFER, "reading a saved sequence");
}

static void close_source(source *f) {
    if (f->fd >= 0) close(f->fd);
    fm_free(f->buffer);
}

static fm_status refill(source *f) {
    ssize_t n;
    do n = read(f->fd, f->buffer, BUFFER);
    while (n < 0 && errno == EINTR);
    if (n < 0) return fm_fail(f->err, FM_ERR_IO, "cannot read %s: %s", f->path, strerror(errno));
    if (n == 0) return fm_fail(f->err, FM_ERR_FORMAT, "%s ends before its time", f->path);
    f->at = 0;
    f->have = (size_t)n;
    return FM_OK;
}

static fm_status get_raw(source *f, void *out, size_t n) {
    for (char *to = out; n > 0;) {
        if (f->at == f->have) FM_TRY(refill(f));
        size_t part = f->have - f->at < n ? f->have - f->at : n;
        memcpy(to, f->buffer + f->at, part);
        f->at += part;
        to += part;
        n -= part;
    }
    return FM_OK;
}

static fm_status get(source *f, void *out, size_t n) {
    FM_TRY(get_raw(f, out, n));
    f->hash = fm_hash(out, n, f->hash);
    return FM_OK;
}

static fm_status check_hash(source *f, const char *what) {
    uint64_t hash;
    FM_TRY(get_raw(f, &hash, sizeof hash));
    if (hash == f->hash) return FM_OK;
    return fm_fail(f->err, FM_ERR_FORMAT, "%s: %s are damaged (their checksum differs)", f->path, what);
}

/* ---- the header ------------------------------------------------------------------------------- */

static fm_status get_header(source *f, header *h) {
    if (f->size < sizeof *h)
        return fm_fail(f->err, FM_ERR_FORMAT, "%s is no saved sequence: it has only %llu bytes", f->path,
                       (unsigned long long)f->size);
    FM_TRY(get_raw(f, h, sizeof *h));
    if (memcmp(h->magic, MAGIC, sizeof h->magic) != 0)
        return fm_fail(f->err, FM_ERR_FORMAT, "%s is no saved sequence", f->path);
    if (h->version != VERSION)
        return fm_fail(f->err, FM_ERR_UNSUPPORTED,
                       "%s is a saved sequence of version %u and this Fathom reads version %d: compute "
                       "it anew", f->path, h->version, VERSION);
    bool known = (h->flags & ~(uint32_t)FLAGS) == 0;
    for (size_t i = 0; i < FM_COUNT(h->reserved); i++) known = known && h->reserved[i] == 0;
    if (!known || h->bytes != sizeof *h || h->hash != header_hash(h))
        return fm_fail(f->err, FM_ERR_FORMAT, "%s: its header is damaged", f->path);
    f->hash = h->hash;
    return FM_OK;
}

/* Whether keys and values of that file mean the same here. */
static fm_status check_kin(const source *f, const header *h, const fm_engine *e) {
    const header own = header_of(e, 0, 0);
    const char *model = fm_store_path(e->model->store);
    if (h->arith != own.arith)
        return fm_fail(f->err, FM_ERR_UNSUPPORTED,
                       "%s was computed in %s arithmetic and this engine computes in the other: open the "
                       "model with the same", f->path, h->arith == FM_EXACT ? "exact" : "fast");
    if (h->activations != own.activations)
        return fm_fail(f->err, FM_ERR_UNSUPPORTED,
                       "%s was computed with %s activations and this engine computes with %s: open "
                       "the model with the same", f->path,
                       fm_activations_name((fm_activations)h->activations),
                       fm_activations_name((fm_activations)own.activations));
    if ((h->flags & HAS_MTP) != (own.flags & HAS_MTP))
        return fm_fail(f->err, FM_ERR_UNSUPPORTED,
                       "%s was computed %s multi-token prediction: open the model the same way", f->path,
                       h->flags & HAS_MTP ? "with" : "without");
    if (h->fingerprint != own.fingerprint || h->layers != own.layers || h->width != own.width ||
        h->vocabulary != own.vocabulary || h->hidden_size != own.hidden_size)
        return fm_fail(f->err, FM_ERR_UNSUPPORTED, "%s was computed by another model than %s, or by "
                       "other weights of it", f->path, model);
    if (h->type != own.type)
        return fm_fail(f->err, FM_ERR_UNSUPPORTED,
                       "%s has keys and values in %s and this engine keeps them in %s: open the model "
                       "with that cache", f->path, type_name(h->type), type_name(own.type));
    if (h->block != own.block || h->page_positions != own.page_positions)
        return fm_fail(f->err, FM_ERR_UNSUPPORTED,
                       "%s keeps keys and values in other blocks or pages than this Fathom: compute it "
                       "anew", f->path);
    return FM_OK;
}

/* Logits are behind a token; one is computed again only inside a page, for the sake of an MTP module,
 * and has no logits until then. */
static bool flags_agree(const header *h) {
    if ((h->flags & HAS_LAST) && h->tokens == 0) return false;
    if (!(h->flags & HAS_REDO)) return true;
    return (h->flags & HAS_MTP) && !(h->flags & HAS_LAST) && h->tokens > 0 &&
           (h->tokens - 1) % h->page_positions != 0;
}

/* Bytes of the whole file; false if no file has so many. */
static bool file_size(const fm_engine *e, const header *h, size_t *out) {
    size_t n = (size_t)h->tokens, pages = (size_t)page_count(e, (int64_t)h->tokens);
    size_t full = e->kv.tail_bytes ? n / (size_t)e->kv.page_positions : 0, rows, tokens, tails;
    size_t rest = sizeof *h + 8 * (1 + pages);
    if (has_state(h)) rest += state_bytes(e) + 8;
    if (h->flags & HAS_LAST) rest += logits_bytes(e) + state_bytes(e) + 8;
    bool fits = fm_mul_size(n, sizeof(int32_t), &tokens) && fm_mul_size(full, state_bytes(e), &tails) &&
                fm_mul_size(n, (size_t)e->kv.n_layers * row_used(e), &rows) &&
                fm_add_size(tokens, rows, out) && fm_add_size(*out, tails, out) &&
                fm_add_size(*out, rest, out);
    if (fits && e->mtp.plan && n > 0) *out -= row_used(e); /* see visit_page */
    return fits;
}

static fm_status check_size(const source *f, const header *h, const fm_engine *e) {
    size_t size;
    if (h->tokens > (uint64_t)e->options.context)
        return fm_fail(f->err, FM_ERR_LIMIT,
                       "%s holds %llu tokens and the context is %lld: ask for a larger context", f->path,
                       (unsigned long long)h->tokens, (long long)e->options.context);
    if (!flags_agree(h)) return fm_fail(f->err, FM_ERR_FORMAT, "%s: its header is damaged", f->path);
    if (!file_size(e, h, &size) || f->size != size)
        return fm_fail(f->err, FM_ERR_FORMAT,
                       "%s has %llu bytes, which is not what its %llu tokens take: it was cut short, or "
                       "added to", f->path, (unsigned long long)f->size, (unsigned long long)h->tokens);
    return FM_OK;
}

/* ---- loading ---------------------------------------------------------------------------------- */

static fm_status check_ids(const source *f, const fm_engine *e, const int32_t *ids, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= e->model->config.vocab_size)
            return fm_fail(f->err, FM_ERR_FORMAT, "%s: token %lld is id %d; this model's ids go from 0 to "
                           "%lld", f->path, (long long)i, ids[i],
                           (long long)(e->model->config.vocab_size - 1));
    return FM_OK;
}

/* The tokens, waiting. Pages that the tree holds for them are taken over; not in fast arithmetic,
 * where the bits of the same tokens may be others: then the sequence stays out of the tree so far. */
static fm_status get_tokens(source *f, fm_sequence *s, int64_t n) {
    fm_engine *e = s->engine;
    int32_t *ids = fm_alloc_array((size_t)n, sizeof *ids, FM_MEM_OTHER);
    if (n > 0 && !ids) return fm_fail_memory(f->err, (size_t)n * sizeof *ids, "the tokens of a saved sequence");
    fm_status status = get(f, ids, (size_t)n * sizeof *ids);
    if (status == FM_OK) status = check_hash(f, "its tokens");
    if (status == FM_OK) status = check_ids(f, e, ids, n);
    if (e->model->options.arith != FM_EXACT) s->node = -1;
    if (status == FM_OK && n > 0) status = fm_sequence_queue(s, ids, n, f->err);
    fm_free(ids);
    return status;
}

static fm_status get_visited(void *context, void *bytes, size_t n) { return get(context, bytes, n); }

/* Bytes of a page that others hold too: they must be what the file says. */
typedef struct comparison {
    source *file;
    uint8_t *buffer; /* for a row, or a tail */
    bool differs;
} comparison;

static fm_status compare_visited(void *context, void *bytes, size_t n) {
    comparison *c = context;
    FM_TRY(get(c->file, c->buffer, n));
    c->differs = c->differs || memcmp(c->buffer, bytes, n) != 0;
    return FM_OK;
}

static fm_status get_page(source *f, fm_sequence *s, int64_t page, int64_t n, comparison *shared) {
    void *const *table = s->pages.table;
    if (shared)
        FM_TRY(visit_page(s->engine, table, page, n, compare_visited, shared));
    else
        FM_TRY(visit_page(s->engine, table, page, n, get_visited, f));
    FM_TRY(check_hash(f, "its keys and values"));
    if (!shared || !shared->differs) return FM_OK;
    return fm_fail(f->err, FM_ERR_UNSUPPORTED, "%s has other keys and values than this engine computed "
                   "for the same tokens: the weights are not the same", f->path);
}

static fm_status get_pages(source *f, fm_sequence *s, int64_t n) {
    fm_engine *e = s->engine;
    int64_t shared = s->n / e->kv.page_positions;
    pthread_mutex_lock(&e->lock);
    fm_status status = fm_sequence_reserve(s, s->waiting, f->err);
    pthread_mutex_unlock(&e->lock);
    if (status != FM_OK) return status;
    size_t most = row_used(e) > state_bytes(e) ? row_used(e) : state_bytes(e);
    comparison c = {.file = f, .buffer = fm_alloc(most, FM_MEM_OTHER)};
    if (!c.buffer) return fm_fail_memory(f->err, most, "reading a saved sequence");
    for (int64_t page = 0; page < page_count(e, n) && status == FM_OK; page++)
        status = get_page(f, s, page, n, page < shared ? &c : NULL);
    fm_free(c.buffer);
    return status;
}

static fm_status get_state(source *f, fm_sequence *s) {
    FM_TRY(get(f, s->state, state_bytes(s->engine)));
    return check_hash(f, "its last states");
}

static fm_status get_last(source *f, fm_sequence *s, int64_t n) {
    FM_TRY(get(f, s->logits, logits_bytes(s->engine)));
    FM_TRY(get(f, s->hidden, state_bytes(s->engine)));
    FM_TRY(check_hash(f, "its logits"));
    s->rows = 1;
    s->logits_at = n;
    return FM_OK;
}

/* Everything is there: the tokens count as computed, and full pages are offered. */
static void settle(fm_sequence *s, int64_t n, bool redo) {
    s->redo = redo;
    s->n = n - redo;
    s->shared = n;
    s->fast_from = s->fast_to = 0;
    fm_sequence_cancel(s);
    pthread_mutex_lock(&s->engine->lock);
    if (s->node < 0) s->node = s->node_pages = 0;
    fm_sequence_offer(s, s->n);
    pthread_mutex_unlock(&s->engine->lock);
}

static fm_status load(source *f, fm_engine *e, fm_sequence **out) {
    header h;
    FM_TRY(open_source(f));
    FM_TRY(get_header(f, &h));
    FM_TRY(check_kin(f, &h, e));
    FM_TRY(check_size(f, &h, e));
    FM_TRY(fm_sequence_new(e, out, f->err));
    int64_t n = (int64_t)h.tokens;
    FM_TRY(get_tokens(f, *out, n));
    if (n > 0) FM_TRY(get_pages(f, *out, n));
    if (has_state(&h)) FM_TRY(get_state(f, *out));
    if (h.flags & HAS_LAST) FM_TRY(get_last(f, *out, n));
    settle(*out, n, h.flags & HAS_REDO);
    return FM_OK;
}

fm_status fm_sequence_load(fm_engine *e, const char *path, fm_sequence **out, fm_error *err) {
    *out = NULL;
    source f = {.fd = -1, .path = path, .err = err};
    fm_status status = load(&f, e, out);
    close_source(&f);
    if (status != FM_OK) {
        fm_sequence_free(*out);
        *out = NULL;
    }
    return status;
}
