#include "train/shard.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

#define MAGIC "fathomtk"

enum { VERSION = 1, ALIGNMENT = 64, MASKED = 1, LARGEST_VOCABULARY = 1 << 30 };
/* Hashed in pieces, so that a verification does not need all of a file at once. */
enum { PIECE = 1 << 20 };

typedef struct header {
    char magic[8];
    uint32_t version, bytes; /* of the header */
    uint32_t width, flags;   /* bytes of a token; MASKED */
    uint64_t vocabulary, vocabulary_hash;
    uint64_t documents, tokens;
    uint64_t contents; /* hash of all that follows the header */
    uint64_t reserved[7];
    uint64_t hash; /* of the header up to here */
} header;
_Static_assert(sizeof(header) == 128, "the header is written as it lies in memory");

static uint64_t hash_of_header(const header *h) {
    return fm_hash(h, offsetof(header, hash), VERSION);
}

/* Where the sections lie. */
typedef struct layout {
    size_t index, tokens, mask, end;
} layout;

static bool add_section(size_t *end, size_t count, size_t size, size_t *begin) {
    size_t bytes;
    *begin = *end;
    return fm_mul_size(count, size, &bytes) && fm_add_size(*end, bytes, end) &&
           fm_add_size(*end, (size_t)-*end % ALIGNMENT, end);
}

static bool lay_out(const header *h, layout *out) {
    size_t n = (size_t)h->documents, tokens = (size_t)h->tokens;
    *out = (layout){.end = sizeof *h};
    return add_section(&out->end, n, sizeof(fm_shard_entry), &out->index) &&
           add_section(&out->end, tokens, h->width, &out->tokens) &&
           add_section(&out->end, h->flags & MASKED ? tokens / 8 + (tokens % 8 != 0) : 0, 1, &out->mask);
}

/* ---- reading -----------------------------------------------------------------------------------*/

static fm_status check_header(const fm_map *map, header *h, layout *at, fm_error *err) {
    if (map->size < sizeof *h)
        return fm_fail(err, FM_ERR_FORMAT, "it has %zu bytes and a shard's header alone has %zu: it has "
                       "been cut short, or is no shard", map->size, sizeof *h);
    memcpy(h, map->data, sizeof *h);
    if (memcmp(h->magic, MAGIC, sizeof h->magic) != 0)
        return fm_fail(err, FM_ERR_FORMAT, "it is no shard of tokens: it does not begin with " MAGIC);
    if (h->version != VERSION || h->bytes != sizeof *h)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "it is a shard of version %u, and this Fathom reads "
                       "version %d: build the data again", h->version, VERSION);
    if (h->hash != hash_of_header(h))
        return fm_fail(err, FM_ERR_FORMAT, "its header is damaged: build the data again");
    if ((h->width != 2 && h->width != 4) || (h->flags & ~MASKED) || h->vocabulary < 1 ||
        h->vocabulary > (h->width == 2 ? 65536 : LARGEST_VOCABULARY) || !lay_out(h, at))
        return fm_fail(err, FM_ERR_FORMAT, "its header contradicts itself");
    if (at->end != map->size)
        return fm_fail(err, FM_ERR_FORMAT, "it has %zu bytes and should have %zu: %s", map->size, at->end,
                       map->size < at->end ? "it has been cut short" : "something stands behind its end");
    return FM_OK;
}

static fm_status check_index(const fm_shard *s, fm_error *err) {
    uint64_t next = 0;
    for (int64_t i = 0; i < s->n_documents; i++) {
        const fm_shard_entry *e = &s->index[i];
        if (e->offset != next || e->length == 0 || e->length > (uint64_t)s->n_tokens - next)
            return fm_fail(err, FM_ERR_FORMAT, "the entry of document %lld does not fit: its index is damaged",
                           (long long)i);
        next += e->length;
    }
    if (next != (uint64_t)s->n_tokens)
        return fm_fail(err, FM_ERR_FORMAT, "its documents hold %llu tokens and its header says %lld",
                       (unsigned long long)next, (long long)s->n_tokens);
    return FM_OK;
}

static fm_status open_mapped(fm_shard *s, fm_error *err) {
    header h;
    layout at;
    FM_TRY(check_header(&s->map, &h, &at, err));
    s->width = (int)h.width;
    s->vocabulary = (int64_t)h.vocabulary;
    s->vocabulary_hash = h.vocabulary_hash;
    s->n_documents = (int64_t)h.documents;
    s->n_tokens = (int64_t)h.tokens;
    s->contents = h.contents;
    s->index = (const fm_shard_entry *)(const void *)(s->map.data + at.index);
    s->tokens = s->map.data + at.tokens;
    s->mask = h.flags & MASKED ? s->map.data + at.mask : NULL;
    return check_index(s, err);
}

fm_status fm_shard_open(const char *path, fm_shard *out, fm_error *err) {
    *out = (fm_shard){0};
    FM_TRY(fm_map_open(path, &out->map, err));
    fm_status status = open_mapped(out, err);
    if (status == FM_OK) return FM_OK;
    fm_shard_close(out);
    return fm_error_prefix(err, status, "%s", path);
}

void fm_shard_close(fm_shard *s) {
    fm_map_close(&s->map);
    *s = (fm_shard){0};
}

static uint64_t hash_piecewise(const char *bytes, size_t n, uint64_t hash) {
    for (size_t i = 0; i < n; i += PIECE) hash = fm_hash(bytes + i, n - i < PIECE ? n - i : PIECE, hash);
    return hash;
}

/* A section is hashed without the bytes that fill it up; those must be zero. */
static uint64_t hash_section(const char *bytes, size_t n, uint64_t hash) {
    return fm_hash(&n, sizeof n, hash_piecewise(bytes, n, hash));
}

static bool is_zero(const uint8_t *from, const uint8_t *to) {
    while (from < to)
        if (*from++) return false;
    return true;
}

fm_status fm_shard_verify(const fm_shard *s, fm_error *err) {
    size_t tokens = (size_t)s->n_tokens, index_bytes = (size_t)s->n_documents * sizeof *s->index;
    size_t token_bytes = tokens * (size_t)s->width, mask_bytes = s->mask ? tokens / 8 + (tokens % 8 != 0) : 0;
    const uint8_t *index = (const uint8_t *)s->index, *ids = s->tokens, *end = s->map.data + s->map.size;
    uint64_t hash = hash_section((const char *)index, index_bytes, VERSION);
    hash = hash_section((const char *)ids, token_bytes, hash);
    if (s->mask) hash = hash_section((const char *)s->mask, mask_bytes, hash);
    bool filled = is_zero(index + index_bytes, ids) && is_zero(ids + token_bytes, s->mask ? s->mask : end) &&
                  (!s->mask || is_zero(s->mask + mask_bytes, end));
    if (hash == s->contents && filled) return FM_OK;
    return fm_fail(err, FM_ERR_FORMAT, "its checksum is wrong: the file has been damaged; build the data "
                   "again or copy it again");
}

static fm_status outside(const fm_shard *s, int64_t document, int64_t id, fm_error *err) {
    return fm_fail(err, FM_ERR_FORMAT, "document %lld of a shard has the id %lld in a vocabulary of %lld: "
                   "the file is damaged", (long long)document, (long long)id, (long long)s->vocabulary);
}

fm_status fm_shard_copy(const fm_shard *s, int64_t document, int64_t from, int64_t count, int32_t *ids,
                        fm_error *err) {
    size_t first = (size_t)s->index[document].offset + (size_t)from;
    const uint16_t *narrow = s->tokens;
    const uint32_t *wide = s->tokens;
    for (int64_t i = 0; i < count; i++) {
        uint32_t id = s->width == 2 ? narrow[first + (size_t)i] : wide[first + (size_t)i];
        if (id >= s->vocabulary) return outside(s, document, id, err);
        ids[i] = (int32_t)id;
    }
    return FM_OK;
}

/* ---- writing -----------------------------------------------------------------------------------*/

static void put_mask(fm_shard_writer *w, const uint8_t *learn, int64_t count) {
    size_t bits = (size_t)(w->n_tokens + count), bytes = bits / 8 + (bits % 8 != 0);
    size_t more = bytes - w->mask.size;
    uint8_t *room = fm_buffer_room(&w->mask, more);
    if (w->mask.failed) return;
    if (more) memset(room, 0, more);
    uint8_t *mask = (uint8_t *)w->mask.data;
    for (int64_t i = 0; i < count; i++) {
        size_t at = (size_t)(w->n_tokens + i);
        bool learnt = !learn || learn[i];
        mask[at >> 3] |= (uint8_t)(learnt << (at & 7));
        w->masked |= !learnt;
    }
}

static void put_ids(fm_shard_writer *w, const int32_t *ids, int64_t count) {
    if (w->vocabulary > 65536) {
        fm_buffer_put(&w->tokens, ids, (size_t)count * sizeof *ids);
        return;
    }
    uint16_t *room = fm_buffer_room(&w->tokens, (size_t)count * sizeof *room);
    for (int64_t i = 0; room && i < count; i++) room[i] = (uint16_t)ids[i];
}

void fm_shard_add(fm_shard_writer *w, uint32_t source, const int32_t *ids, const uint8_t *learn,
                  int64_t count) {
    fm_shard_entry entry = {(uint64_t)w->n_tokens, (uint32_t)count, source};
    fm_buffer_put(&w->index, &entry, sizeof entry);
    put_ids(w, ids, count);
    put_mask(w, learn, count);
    w->n_documents++;
    w->n_tokens += count;
}

static fm_status put_section(fm_writer *out, const fm_buffer *section, fm_error *err) {
    static const char zeros[ALIGNMENT];
    FM_TRY(fm_writer_put(out, section->data, section->size, err));
    return fm_writer_put(out, zeros, -section->size % ALIGNMENT, err);
}

static fm_status write_all(const fm_shard_writer *w, const header *h, fm_writer *out, fm_error *err) {
    FM_TRY(fm_writer_put(out, h, sizeof *h, err));
    FM_TRY(put_section(out, &w->index, err));
    FM_TRY(put_section(out, &w->tokens, err));
    return w->masked ? put_section(out, &w->mask, err) : FM_OK;
}

fm_status fm_shard_finish(fm_shard_writer *w, const char *path, uint64_t *contents, fm_error *err) {
    header h = {.version = VERSION, .bytes = sizeof h, .width = w->vocabulary > 65536 ? 4 : 2,
                .flags = w->masked ? MASKED : 0, .vocabulary = (uint64_t)w->vocabulary,
                .vocabulary_hash = w->vocabulary_hash, .documents = (uint64_t)w->n_documents,
                .tokens = (uint64_t)w->n_tokens};
    fm_writer *out;
    FM_TRY(fm_buffer_status(&w->index, err));
    FM_TRY(fm_buffer_status(&w->tokens, err));
    FM_TRY(fm_buffer_status(&w->mask, err));
    memcpy(h.magic, MAGIC, sizeof h.magic);
    h.contents = hash_section(w->index.data, w->index.size, VERSION);
    h.contents = hash_section(w->tokens.data, w->tokens.size, h.contents);
    if (w->masked) h.contents = hash_section(w->mask.data, w->mask.size, h.contents);
    h.hash = hash_of_header(&h);
    FM_TRY(fm_writer_open(path, &out, err));
    fm_status status = write_all(w, &h, out, err);
    if (status == FM_OK)
        status = fm_writer_commit(out, err);
    else
        fm_writer_abort(out);
    if (status != FM_OK) return status;
    if (contents) *contents = h.contents;
    fm_shard_writer_clear(w);
    return FM_OK;
}

/* What it knows of the vocabulary stays. */
void fm_shard_writer_clear(fm_shard_writer *w) {
    fm_buffer_clear(&w->index);
    fm_buffer_clear(&w->tokens);
    fm_buffer_clear(&w->mask);
    *w = (fm_shard_writer){.vocabulary = w->vocabulary, .vocabulary_hash = w->vocabulary_hash};
}
