#include "eval/overlap.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST = 13, SHORT = 8, RING = 16, LINES_AT_ONCE = 1 << 12 };

/* ---- words, and the last n of them --------------------------------------------------------------- */

static const uint64_t BASE = 0x9e3779b97f4a7c15u;

/* hash[n] is the sum of w[i] * BASE^i over the last n words, the newest at i = 0: one multiplication and two
 * additions a word for each n. */
typedef struct rolling {
    uint64_t hash[LONGEST + 1], power[LONGEST + 1], ring[RING];
    size_t words;
} rolling;

static void begin_text(rolling *r) {
    memset(r, 0, sizeof *r);
    r->power[0] = 1;
    for (int n = 1; n <= LONGEST; n++) r->power[n] = r->power[n - 1] * BASE;
}

static void add_word(rolling *r, uint64_t word) {
    for (size_t n = 1; n <= LONGEST; n++) {
        uint64_t oldest = r->words >= n ? r->ring[(r->words - n) % RING] : 0;
        r->hash[n] = r->hash[n] * BASE + word - oldest * r->power[n];
    }
    r->ring[r->words++ % RING] = word;
}

static uint64_t gram(const rolling *r, size_t n) { return fm_mix64(r->hash[n] + n * BASE) | 1; }

static bool is_wordy(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

/* The next word's hash, its ASCII letters in lower case; false at the end. Words of more than 64 bytes are
 * told apart by these. */
static bool next_word(const char **s, const char *end, uint64_t *hash) {
    char word[64];
    size_t n = 0;
    while (*s < end && !is_wordy((unsigned char)**s)) ++*s;
    if (*s == end) return false;
    for (; *s < end && is_wordy((unsigned char)**s); ++*s)
        if (n < sizeof word) word[n++] = **s >= 'A' && **s <= 'Z' ? (char)(**s + 32) : **s;
    *hash = fm_hash(word, n, 1);
    return true;
}

/* ---- what is looked for -------------------------------------------------------------------------- */

typedef struct table {
    uint64_t *hashes; /* [size], a power of two; 0: free */
    bool *seen;
    size_t size;
    bool used[LONGEST + 1]; /* lengths of n-grams that occur */
} table;

static size_t place(const table *t, uint64_t hash) {
    size_t i = hash & (t->size - 1);
    while (t->hashes[i] && t->hashes[i] != hash) i = (i + 1) & (t->size - 1);
    return i;
}

static void look(table *t, uint64_t hash) {
    size_t i = place(t, hash);
    if (t->hashes[i]) t->seen[i] = true;
}

static bool was_seen(const table *t, uint64_t hash) { return t->seen[place(t, hash)]; }

static uint64_t name_hash(const char *name, size_t n, uint64_t which) { return fm_mix64(fm_hash(name, n, which)) | 1; }

enum { KEY = 2, PHRASING = 3 };

typedef void (*gram_fn)(void *context, uint64_t hash, size_t n);

static void each_gram_of(const char *at, size_t size, size_t n, gram_fn fn, void *context) {
    const char *end = at + size;
    rolling r;
    uint64_t word;
    begin_text(&r);
    while (next_word(&at, end, &word)) {
        add_word(&r, word);
        if (r.words >= n) fn(context, gram(&r, n), n);
    }
    if (r.words > 0 && r.words < n) fn(context, gram(&r, r.words), r.words);
}

/* Every n-gram of a question; a shorter one is one itself. */
static void each_gram(const fm_eval_item *item, size_t n, gram_fn fn, void *context) {
    if (item->question) each_gram_of(item->question, item->question_size, n, fn, context);
    for (size_t i = 0; !item->question && i < item->n_messages; i++) {
        const fm_eval_message *m = &item->messages[i];
        if (strcmp(m->role, "user") == 0) each_gram_of(m->content, m->size, n, fn, context);
    }
}

static void count_gram(void *context, uint64_t hash, size_t n) {
    (void)hash, (void)n;
    ++*(size_t *)context;
}

static void put_gram(void *context, uint64_t hash, size_t n) {
    table *t = context;
    t->hashes[place(t, hash)] = hash;
    t->used[n] = true;
}

static fm_status make_table(const fm_eval_items *items, table *t, fm_error *err) {
    size_t n = 2 * items->n;
    for (size_t i = 0; i < items->n; i++) {
        each_gram(&items->items[i], SHORT, count_gram, &n);
        each_gram(&items->items[i], LONGEST, count_gram, &n);
    }
    for (t->size = 16; t->size < 2 * n; t->size *= 2) {}
    t->hashes = fm_alloc_array(t->size, sizeof *t->hashes, FM_MEM_OTHER);
    t->seen = fm_alloc_array(t->size, sizeof *t->seen, FM_MEM_OTHER);
    if (!t->hashes || !t->seen) return fm_fail_memory(err, t->size * sizeof *t->hashes, "a table of n-grams");
    for (size_t i = 0; i < items->n; i++) {
        const fm_eval_item *item = &items->items[i];
        each_gram(item, SHORT, put_gram, t);
        each_gram(item, LONGEST, put_gram, t);
        uint64_t key = item->key ? name_hash(item->key, strlen(item->key), KEY) : 0;
        uint64_t phrasing = item->phrasing ? name_hash(item->phrasing, strlen(item->phrasing), PHRASING) : 0;
        if (key) t->hashes[place(t, key)] = key;
        if (phrasing) t->hashes[place(t, phrasing)] = phrasing;
    }
    return FM_OK;
}

/* ---- the training file --------------------------------------------------------------------------- */

static void read_text(table *t, rolling *r, const char *s, size_t n) {
    const char *end = s + n;
    for (uint64_t word; next_word(&s, end, &word);) {
        add_word(r, word);
        for (size_t k = 1; k <= LONGEST; k++)
            if (t->used[k] && r->words >= k) look(t, gram(r, k));
    }
}

static fm_status read_member(void *context, const char *key, size_t length, const fm_json *v);

/* {"checker": "gcd", "phrasing": 2}, as `fathom tasks sample` has it. */
static void read_phrasing(table *t, const fm_json *root) {
    const char *checker = fm_json_string(fm_json_get(root, "checker"), NULL);
    const fm_json *phrasing = fm_json_get(root, "phrasing");
    char name[128];
    if (!checker || fm_json_kind_of(phrasing) != FM_JSON_INTEGER) return;
    int n = snprintf(name, sizeof name, "%s/%lld", checker, (long long)fm_json_integer(phrasing, 0));
    if (n > 0 && n < (int)sizeof name) look(t, name_hash(name, (size_t)n, PHRASING));
}

static void read_value(table *t, const fm_json *v) {
    size_t n;
    const char *s = fm_json_string_n(v, &n);
    rolling r;
    begin_text(&r);
    if (s) read_text(t, &r, s, n);
    for (size_t i = 0; fm_json_kind_of(v) == FM_JSON_ARRAY && i < fm_json_length(v); i++)
        read_value(t, fm_json_at(v, i));
    if (fm_json_kind_of(v) != FM_JSON_OBJECT) return;
    fm_json_each(v, read_member, t);
    read_phrasing(t, v);
}

static fm_status read_member(void *context, const char *key, size_t length, const fm_json *v) {
    (void)length;
    size_t n;
    const char *s = fm_json_string_n(v, &n);
    if (s && strcmp(key, "key") == 0) look(context, name_hash(s, n, KEY));
    else if (s && (strcmp(key, "phrasing") == 0 || strcmp(key, "template") == 0))
        look(context, name_hash(s, n, PHRASING));
    else read_value(context, v);
    return FM_OK;
}

static bool read_json(table *t, const char *s, size_t n) {
    fm_json *root = NULL;
    while (n > 0 && (*s == ' ' || *s == '\t')) s++, n--;
    if (n == 0 || *s != '{' || fm_json_parse(s, n, &root, NULL) != FM_OK) return false;
    read_value(t, root);
    fm_json_free(root);
    return true;
}

static fm_status read_file(table *t, const fm_map *map, bool (*go_on)(void *), void *context, int64_t *lines,
                           fm_error *err) {
    const char *s = map->data ? (const char *)map->data : "", *end = s + map->size;
    rolling r;
    begin_text(&r);
    while (s < end) {
        const char *newline = memchr(s, '\n', (size_t)(end - s));
        size_t n = (size_t)((newline ? newline : end) - s);
        if (read_json(t, s, n)) begin_text(&r);
        else read_text(t, &r, s, n);
        s += n + 1;
        if (++*lines % LINES_AT_ONCE == 0 && go_on && !go_on(context)) return fm_fail(err, FM_ERR_CANCELLED, "stopped");
    }
    return FM_OK;
}

/* ---- the figures --------------------------------------------------------------------------------- */

typedef struct search {
    const table *table;
    bool found;
} search;

static void find_gram(void *context, uint64_t hash, size_t n) {
    (void)n;
    search *s = context;
    s->found |= was_seen(s->table, hash);
}

static bool shares(const table *t, const fm_eval_item *item, size_t n) {
    search s = {.table = t};
    each_gram(item, n, find_gram, &s);
    return s.found;
}

static bool saw_name(const table *t, const char *name, uint64_t which) {
    return name && was_seen(t, name_hash(name, strlen(name), which));
}

fm_status fm_overlap_count(const fm_eval_items *items, const char *path, bool (*go_on)(void *context),
                           void *context, fm_overlap *out, fm_error *err) {
    table t = {0};
    fm_map map = {0};
    *out = (fm_overlap){0};
    fm_status status = fm_map_open(path, &map, err);
    if (status == FM_OK) status = make_table(items, &t, err);
    if (status == FM_OK) status = read_file(&t, &map, go_on, context, &out->lines, err);
    for (size_t i = 0; i < items->n && status == FM_OK; i++) {
        const fm_eval_item *item = &items->items[i];
        out->with_key += item->key != NULL;
        out->with_phrasing += item->phrasing != NULL;
        out->keys += saw_name(&t, item->key, KEY);
        out->phrasings += saw_name(&t, item->phrasing, PHRASING);
        out->grams_8 += shares(&t, item, SHORT);
        out->grams_13 += shares(&t, item, LONGEST);
    }
    fm_map_close(&map);
    fm_free(t.hashes);
    fm_free(t.seen);
    return status;
}
