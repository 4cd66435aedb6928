#include "token/pretoken.h"

#include "base/unicode.h"
#include "token/charclass.h"
#include "token/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

enum { MAX_STAGES = 32, JIT_STACK = 16 << 20 };

typedef enum stage_kind {
    STAGE_PATTERN,
    STAGE_TRAILING_SPACE, /* \s+$, for which a backtracking matcher takes quadratic time */
    STAGE_PREFIX_SPACE,
} stage_kind;

typedef struct stage {
    stage_kind kind;
    fm_split split;
    bool invert;
    bool jit;
    char *pattern; /* in PCRE2's dialect; NULL if there is none */
    pcre2_code *code;
} stage;

struct fm_pretoken {
    pcre2_general_context *memory;
    pcre2_compile_context *compile;
    stage stages[MAX_STAGES];
    size_t n_stages;
    const fm_scanner *scanner; /* instead of the stages, or NULL */
    uint8_t *classes;          /* of every code point, for the scanner */
};

/* ---- making --------------------------------------------------------------------------------*/

static void *pcre_alloc(size_t n, void *context) {
    (void)context;
    return fm_alloc(n, FM_MEM_TOKENIZER);
}

static void pcre_free(void *p, void *context) {
    (void)context;
    fm_free(p);
}

fm_status fm_pretoken_new(fm_pretoken **out, fm_error *err) {
    fm_pretoken *p = fm_alloc_zero(sizeof *p, FM_MEM_TOKENIZER);
    *out = p;
    if (!p) return fm_fail_memory(err, sizeof *p, "a pre-tokenizer");
    p->memory = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
    p->compile = p->memory ? pcre2_compile_context_create(p->memory) : NULL;
    if (!p->compile) {
        fm_pretoken_free(p);
        *out = NULL;
        return fm_fail_memory(err, 256, "a pre-tokenizer");
    }
    pcre2_set_newline(p->compile, PCRE2_NEWLINE_LF);
    return FM_OK;
}

void fm_pretoken_free(fm_pretoken *p) {
    if (!p) return;
    for (size_t i = 0; i < p->n_stages; i++) {
        pcre2_code_free(p->stages[i].code);
        fm_free(p->stages[i].pattern);
    }
    pcre2_compile_context_free(p->compile);
    pcre2_general_context_free(p->memory);
    fm_free(p->classes);
    fm_free(p);
}

static fm_status add_stage(fm_pretoken *p, stage s, fm_error *err) {
    if (p->n_stages == MAX_STAGES)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "the pre-tokenizer has more than %d stages",
                       MAX_STAGES);
    p->stages[p->n_stages++] = s;
    return FM_OK;
}

static fm_status add_translated(fm_pretoken *p, fm_buffer *pattern, fm_split split, bool invert,
                                fm_error *err) {
    size_t size = pattern->size;
    stage s = {.split = split, .invert = invert, .pattern = fm_buffer_take(pattern)};
    if (!s.pattern) return fm_fail_memory(err, size, "a pre-tokenizer pattern");
    fm_status status = add_stage(p, s, err);
    if (status != FM_OK) fm_free(s.pattern);
    return status;
}

fm_status fm_pretoken_add_pattern(fm_pretoken *p, const char *pattern, size_t size, fm_split split,
                                  bool invert, fm_error *err) {
    fm_buffer translated = {0};
    fm_status status = fm_pattern_translate(pattern, size, &translated, err);
    if (status == FM_OK) return add_translated(p, &translated, split, invert, err);
    fm_buffer_clear(&translated);
    return status;
}

fm_status fm_pretoken_add_literal(fm_pretoken *p, const char *text, size_t size, fm_split split,
                                  bool invert, fm_error *err) {
    fm_buffer translated = {0};
    if (size == 0) return FM_OK; /* matches nothing */
    fm_pattern_literal(text, size, &translated);
    return add_translated(p, &translated, split, invert, err);
}

fm_status fm_pretoken_add_prefix_space(fm_pretoken *p, fm_error *err) {
    return add_stage(p, (stage){.kind = STAGE_PREFIX_SPACE}, err);
}

static bool is_pattern(const stage *s, const char *pattern) {
    fm_buffer translated = {0};
    bool same = s->pattern && s->split == FM_SPLIT_ISOLATED && !s->invert &&
                fm_pattern_translate(pattern, strlen(pattern), &translated, NULL) == FM_OK &&
                strcmp(fm_buffer_string(&translated), s->pattern) == 0;
    fm_buffer_clear(&translated);
    return same;
}

bool fm_pretoken_is(const fm_pretoken *p, const char *const *patterns, size_t n) {
    if (p->n_stages != n) return false;
    for (size_t i = 0; i < n; i++)
        if (!is_pattern(&p->stages[i], patterns[i])) return false;
    return true;
}

void fm_pretoken_set_scanner(fm_pretoken *p, const fm_scanner *scanner) { p->scanner = scanner; }
bool fm_pretoken_has_scanner(const fm_pretoken *p) { return p->scanner != NULL; }

static fm_status compile(fm_pretoken *p, stage *s, fm_error *err) {
    int code;
    PCRE2_SIZE at;
    if (is_pattern(s, "\\s+$")) s->kind = STAGE_TRAILING_SPACE;
    s->code = pcre2_compile((PCRE2_SPTR)s->pattern, PCRE2_ZERO_TERMINATED,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NO_UTF_CHECK, &code, &at,
                            p->compile);
    if (!s->code) {
        PCRE2_UCHAR why[128];
        if (code == PCRE2_ERROR_HEAP_FAILED)
            return fm_fail_memory(err, strlen(s->pattern), "compiling a pre-tokenizer pattern");
        pcre2_get_error_message(code, why, sizeof why);
        return fm_fail(err, FM_ERR_UNSUPPORTED, "the pre-tokenizer's pattern is refused: %s (%.100s)",
                       (const char *)why, s->pattern);
    }
    /* Where code may not be generated at run time, the interpreter matches the same. */
    s->jit = pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE) == 0;
    return FM_OK;
}

fm_status fm_pretoken_finish(fm_pretoken *p, fm_error *err) {
    const fm_scanner *s = p->scanner;
    if (s) {
        p->classes = fm_alloc(FM_CODE_POINTS, FM_MEM_TOKENIZER);
        if (!p->classes) return fm_fail_memory(err, FM_CODE_POINTS, "the table of characters");
        fm_char_classes(p->classes);
        if (s->letters) fm_char_define(p->classes, FM_CHAR_LETTER, s->letters);
        if (s->punctuation) fm_char_define(p->classes, FM_CHAR_PUNCT, s->punctuation);
        if (s->cjk) fm_char_define(p->classes, FM_CHAR_CJK, s->cjk);
        return FM_OK;
    }
    for (size_t i = 0; i < p->n_stages; i++)
        if (p->stages[i].pattern) FM_TRY(compile(p, &p->stages[i], err));
    return FM_OK;
}

/* ---- running -------------------------------------------------------------------------------*/

typedef struct runner {
    const fm_pretoken *p;
    fm_word_fn word;
    void *context;
    fm_error *err;
    pcre2_match_data *found;
    pcre2_match_context *match; /* made when the small built-in stack did not do */
    pcre2_jit_stack *stack;
} runner;

static fm_status run_from(runner *r, size_t i, const char *text, size_t size);

/* Collects the matches and gaps of one stage over one piece into the pieces for the next stage. */
typedef struct splitter {
    runner *r;
    size_t stage;
    const char *text;
    size_t start, end; /* the piece that may still grow */
    bool pending, pending_is_match, after_match;
} splitter;

static fm_status flush(splitter *sp) {
    bool any = sp->pending && sp->end > sp->start;
    sp->pending = false;
    return any ? run_from(sp->r, sp->stage + 1, sp->text + sp->start, sp->end - sp->start) : FM_OK;
}

static bool grows(const splitter *sp, fm_split split, bool is_match) {
    switch (split) {
    case FM_SPLIT_CONTIGUOUS: return sp->pending_is_match == is_match;
    case FM_SPLIT_MERGED_WITH_PREVIOUS: return is_match && !sp->after_match;
    case FM_SPLIT_MERGED_WITH_NEXT: return !is_match && sp->pending_is_match;
    case FM_SPLIT_ISOLATED:
    case FM_SPLIT_REMOVED: break;
    }
    return false;
}

/* The next match or gap, [start, end). */
static fm_status take(splitter *sp, size_t start, size_t end, bool is_match) {
    const stage *s = &sp->r->p->stages[sp->stage];
    is_match ^= s->invert;
    if (sp->pending && grows(sp, s->split, is_match)) {
        sp->end = end;
    } else {
        FM_TRY(flush(sp));
        sp->start = start;
        sp->end = end;
        sp->pending = !(is_match && s->split == FM_SPLIT_REMOVED);
    }
    sp->pending_is_match = is_match;
    sp->after_match = is_match;
    return FM_OK;
}

static int match_with_larger_stack(runner *r, const stage *s, const char *text, size_t size,
                                   size_t at) {
    if (!r->match) r->match = pcre2_match_context_create(r->p->memory);
    if (r->match && !r->stack) r->stack = pcre2_jit_stack_create(64 << 10, JIT_STACK, r->p->memory);
    if (!r->stack) return PCRE2_ERROR_NOMEMORY;
    pcre2_jit_stack_assign(r->match, NULL, r->stack);
    return pcre2_jit_match(s->code, (PCRE2_SPTR)text, size, at, 0, r->found, r->match);
}

/* First match at or after `at`: *start, *end, or *start = SIZE_MAX if there is none. */
static fm_status find(runner *r, const stage *s, const char *text, size_t size, size_t at,
                      size_t *start, size_t *end) {
    int n = s->jit ? pcre2_jit_match(s->code, (PCRE2_SPTR)text, size, at, 0, r->found, r->match)
                   : pcre2_match(s->code, (PCRE2_SPTR)text, size, at, PCRE2_NO_UTF_CHECK, r->found,
                                 NULL);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT && !r->stack)
        n = match_with_larger_stack(r, s, text, size, at);
    *start = SIZE_MAX;
    if (n == PCRE2_ERROR_NOMATCH) return FM_OK;
    if (n == PCRE2_ERROR_NOMEMORY)
        return fm_fail_memory(r->err, size, "matching a pre-tokenizer pattern");
    if (n < 0)
        return fm_fail(r->err, FM_ERR_LIMIT,
                       "the pre-tokenizer's pattern %.100s gave up on a piece of %zu bytes (PCRE2 "
                       "error %d)", s->pattern, size, n);
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(r->found);
    *start = offsets[0];
    *end = offsets[1];
    if (*end < *start || *start < at) /* \K and look-behind tricks; translation refuses them */
        return fm_fail(r->err, FM_ERR_UNSUPPORTED, "a pre-tokenizer pattern matches backwards");
    return FM_OK;
}

static size_t next_char(const char *text, size_t size, size_t at) {
    do at++;
    while (at < size && ((unsigned char)text[at] & 0xC0) == 0x80);
    return at;
}

static fm_status run_pattern(runner *r, size_t i, const char *text, size_t size) {
    splitter sp = {.r = r, .stage = i, .text = text};
    size_t at = 0, done = 0, start, end = SIZE_MAX;
    bool matched = false;
    while (at <= size) {
        FM_TRY(find(r, &r->p->stages[i], text, size, at, &start, &end));
        if (start == SIZE_MAX) break;
        if (start == end && matched && end == done) { /* empty, right behind the last match */
            at = next_char(text, size, at);
            continue;
        }
        if (start > done) FM_TRY(take(&sp, done, start, false));
        FM_TRY(take(&sp, start, end, true));
        at = done = end;
        matched = true;
    }
    if (done < size) FM_TRY(take(&sp, done, size, false));
    return flush(&sp);
}

static fm_status run_trailing_space(runner *r, size_t i, const char *text, size_t size) {
    size_t at = size;
    while (at > 0) {
        size_t back = 1;
        uint32_t c;
        while (back < at && ((unsigned char)text[at - back] & 0xC0) == 0x80) back++;
        fm_utf8_decode(text + at - back, back, &c);
        if (!fm_char_is_space(c)) break;
        at -= back;
    }
    if (at > 0) FM_TRY(run_from(r, i + 1, text, at));
    return at < size ? run_from(r, i + 1, text + at, size - at) : FM_OK;
}

static fm_status run_prefix_space(runner *r, size_t i, const char *text, size_t size) {
    if (text[0] == ' ') return run_from(r, i + 1, text, size);
    char *copy = fm_alloc(size + 1, FM_MEM_TOKENIZER);
    if (!copy) return fm_fail_memory(r->err, size, "a piece of text");
    copy[0] = ' ';
    memcpy(copy + 1, text, size);
    fm_status status = run_from(r, i + 1, copy, size + 1);
    fm_free(copy);
    return status;
}

static fm_status run_from(runner *r, size_t i, const char *text, size_t size) {
    if (i == r->p->n_stages) return r->word(r->context, text, size, r->err);
    switch (r->p->stages[i].kind) {
    case STAGE_PREFIX_SPACE: return run_prefix_space(r, i, text, size);
    case STAGE_TRAILING_SPACE:
        /* `$` is also in front of a line feed; only the matcher knows what that means here. */
        if (!memchr(text, '\n', size)) return run_trailing_space(r, i, text, size);
        break;
    case STAGE_PATTERN: break;
    }
    return run_pattern(r, i, text, size);
}

static fm_status run_scanner(const fm_pretoken *p, const char *text, size_t size, fm_word_fn word,
                             void *context, fm_error *err) {
    fm_scan_fn scan = p->scanner->scan;
    while (size) {
        size_t n = scan(p->classes, (const unsigned char *)text, size);
        FM_TRY(word(context, text, n, err));
        text += n;
        size -= n;
    }
    return FM_OK;
}

fm_status fm_pretoken_run(const fm_pretoken *p, const char *text, size_t size, fm_word_fn word,
                          void *context, fm_error *err) {
    if (size == 0) return FM_OK;
    if (p->scanner) return run_scanner(p, text, size, word, context, err);
    runner r = {.p = p, .word = word, .context = context, .err = err};
    r.found = pcre2_match_data_create(1, p->memory);
    if (!r.found) return fm_fail_memory(err, size, "matching a pre-tokenizer pattern");
    fm_status status = run_from(&r, 0, text, size);
    pcre2_match_data_free(r.found);
    pcre2_match_context_free(r.match);
    pcre2_jit_stack_free(r.stack);
    return status;
}
