/* Strings: of a length, of a pattern, of a format. */
#include "engine/json_schema.h"

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
    else {
        fm_buffer_format(out, "char{%lld,", (long long)asked.min);
        if (asked.max >= 0) fm_buffer_format(out, "%lld", (long long)asked.max);
        fm_buffer_text(out, "}");
    }
    fm_buffer_text(out, " \"\\\"\"");
    return pattern || format ? check_length(w, s, asked, has) : FM_OK;
}
