/* Strings: of a length, of a pattern, of a format. */
#include "engine/grammar/json_schema.h"

static int count_parts(const fm_schema *s, const char *keyword) {
    int n = 0;
    for (int i = 0; i < s->n; i++) n += fm_json_get(s->parts[i].schema, keyword) != NULL;
    return n;
}

/* A grammar has no "and": one pattern or one format, and lengths beside it only where it implies them. */
static fm_status check_company(fm_schema_writer *w, const fm_schema *s) {
    int patterns = count_parts(s, "pattern"), all = patterns + count_parts(s, "format");
    if (all <= 1) return FM_OK;
    const char *keyword = patterns ? "pattern" : "format";
    return fm_schema_refuse(w, fm_schema_having(s, keyword), keyword,
                            "cannot be joined with another pattern or format; say it all in one pattern");
}

static fm_status check_length(fm_schema_writer *w, const fm_schema *s, fm_schema_extent asked,
                              fm_schema_extent has) {
    const char *keyword = has.min < asked.min ? "minLength"
                          : asked.max >= 0 && (has.max < 0 || has.max > asked.max) ? "maxLength" : NULL;
    if (!keyword) return FM_OK;
    return fm_schema_refuse(w, fm_schema_having(s, keyword), keyword,
                            "is not enforced beside a pattern or format that allows other lengths; say it in "
                            "the pattern, as in ^[a-z]{1,10}$");
}

/* Written out, char{0,20000} would be 20,000 calls in each string of a schema. So long ones are counted in
 * blocks of 100 (a shared rule). These take two or three readings and nearly twice the time for a mask, so
 * short ones are not.
 *
 *     char{0,5050}   block{0,49} char{0,99} | block{50} char{0,50} */
enum { BLOCK = 100, LONG = 4000 };

static void put_exactly(fm_buffer *out, int64_t n) {
    if (n / BLOCK) fm_buffer_format(out, "block{%lld} ", (long long)(n / BLOCK));
    if (n % BLOCK) fm_buffer_format(out, "char{%lld} ", (long long)(n % BLOCK));
}

static void put_characters(fm_buffer *out, fm_schema_extent e) {
    long long more = e.max - e.min, blocks = more / BLOCK;
    put_exactly(out, e.min);
    if (e.max < 0) fm_buffer_text(out, "char*");
    else if (more < LONG) fm_buffer_format(out, "char{0,%lld}", more);
    else
        fm_buffer_format(out, "(block{0,%lld} char{0,%d} | block{%lld} char{0,%lld})", blocks - 1, BLOCK - 1,
                         blocks, more % BLOCK);
}

fm_status fm_schema_put_string(fm_schema_writer *w, const fm_schema *s, fm_buffer *out, bool *never) {
    fm_schema_extent asked = {0, -1}, has = {0, -1};
    FM_TRY(fm_schema_least(w, s, "minLength", &asked.min));
    FM_TRY(fm_schema_most(w, s, "maxLength", &asked.max));
    FM_TRY(check_company(w, s));
    *never = asked.max >= 0 && asked.max < asked.min;
    if (*never) return FM_OK;
    const fm_schema_part *pattern = fm_schema_having(s, "pattern"), *format = fm_schema_having(s, "format");
    if (!pattern && !format && asked.min == 0 && asked.max < 0) {
        fm_buffer_text(out, "string");
        return FM_OK;
    }
    fm_buffer_text(out, "\"\\\"\" ");
    if (pattern) FM_TRY(fm_schema_put_pattern(w, pattern, out, &has));
    else if (format) FM_TRY(fm_schema_put_format(w, format, out, &has));
    else put_characters(out, asked);
    fm_buffer_text(out, " \"\\\"\"");
    return pattern || format ? check_length(w, s, asked, has) : FM_OK;
}
