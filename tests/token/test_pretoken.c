/* Patterns and how text is cut by them; the hand-written scanners against the patterns. */
#include "token_support.h"

#include "base/unicode.h"
#include "token/charclass.h"
#include "token/known.h"
#include "token/pattern.h"

/* ---- cutting into a list ---------------------------------------------------------------------*/

/* Appends the word and a bar. */
static fm_status put_word(void *context, const char *word, size_t size, fm_error *err) {
    (void)err;
    fm_buffer_put(context, word, size);
    fm_buffer_put(context, "|", 1);
    return FM_OK;
}

static void cut(const fm_pretoken *p, const char *text, size_t size, fm_buffer *out) {
    fm_error err = {0};
    out->size = 0;
    assert_ok(fm_pretoken_run(p, text, size, put_word, out, &err));
}

static fm_pretoken *with_pattern(const char *pattern, fm_split split, bool invert) {
    fm_error err = {0};
    fm_pretoken *p;
    assert_ok(fm_pretoken_new(&p, &err));
    assert_ok(fm_pretoken_add_pattern(p, pattern, strlen(pattern), split, invert, &err));
    assert_ok(fm_pretoken_finish(p, &err));
    return p;
}

static void assert_cut(const fm_pretoken *p, const char *text, const char *want) {
    fm_buffer out = {0};
    cut(p, text, strlen(text), &out);
    assert_string_equal(fm_buffer_string(&out), want);
    fm_buffer_clear(&out);
}

/* ---- split behaviours ------------------------------------------------------------------------*/

/* The example of Hugging Face's documentation. */
static void behaviors_are_those_of_the_documentation(void **state) {
    (void)state;
    static const struct {
        fm_split split;
        const char *want;
    } cases[] = {
        {FM_SPLIT_REMOVED, "the|final|countdown|"},
        {FM_SPLIT_ISOLATED, "the|-|final|-|-|countdown|"},
        {FM_SPLIT_MERGED_WITH_PREVIOUS, "the-|final-|-|countdown|"},
        {FM_SPLIT_MERGED_WITH_NEXT, "the|-final|-|-countdown|"},
        {FM_SPLIT_CONTIGUOUS, "the|-|final|--|countdown|"},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_pretoken *p = with_pattern("-", cases[i].split, false);
        assert_cut(p, "the-final--countdown", cases[i].want);
        assert_cut(p, "", "");
        fm_pretoken_free(p);
    }
    fm_pretoken *p = with_pattern("[a-z]+", FM_SPLIT_REMOVED, true);
    assert_cut(p, "the-final--countdown", "the|final|countdown|");
    fm_pretoken_free(p);
}

static void a_literal_means_itself(void **state) {
    (void)state;
    fm_error err = {0};
    fm_pretoken *p;
    assert_ok(fm_pretoken_new(&p, &err));
    assert_ok(fm_pretoken_add_literal(p, ".+ ", 3, FM_SPLIT_ISOLATED, false, &err));
    assert_ok(fm_pretoken_add_literal(p, "", 0, FM_SPLIT_ISOLATED, false, &err));
    assert_ok(fm_pretoken_finish(p, &err));
    assert_cut(p, "a.+ b.++ ", "a|.+ |b.++ |");
    fm_pretoken_free(p);
}

static void a_later_stage_sees_only_its_piece(void **state) {
    (void)state;
    fm_error err = {0};
    fm_pretoken *p;
    assert_ok(fm_pretoken_new(&p, &err));
    assert_ok(fm_pretoken_add_pattern(p, "[0-9]", 5, FM_SPLIT_ISOLATED, false, &err));
    assert_ok(fm_pretoken_add_pattern(p, "\\s+(?!\\S)|\\s+", 13, FM_SPLIT_ISOLATED, false, &err));
    assert_ok(fm_pretoken_finish(p, &err));
    assert_cut(p, "a   1", "a|   |1|");     /* the piece ends behind the spaces */
    assert_cut(p, "a   b", "a|  | |b|");
    fm_pretoken_free(p);
    p = with_pattern("x(?=y)|(?<=y)z", FM_SPLIT_ISOLATED, false);
    assert_cut(p, "xyzxz", "x|y|z|xz|");
    fm_pretoken_free(p);
}

static void a_prefix_space_is_put_before_pieces_without_one(void **state) {
    (void)state;
    fm_error err = {0};
    fm_pretoken *p;
    assert_ok(fm_pretoken_new(&p, &err));
    assert_ok(fm_pretoken_add_pattern(p, "[0-9]", 5, FM_SPLIT_ISOLATED, false, &err));
    assert_ok(fm_pretoken_add_prefix_space(p, &err));
    assert_ok(fm_pretoken_finish(p, &err));
    assert_cut(p, "a1 b", " a| 1| b|");
    fm_pretoken_free(p);
}

/* As Oniguruma does: at every position, but not right behind the match before. */
static void empty_matches_do_not_loop(void **state) {
    (void)state;
    fm_pretoken *p = with_pattern("x*", FM_SPLIT_ISOLATED, false);
    assert_cut(p, "axxb\xC3\xA9", "a|xx|b|\xC3\xA9|");
    fm_pretoken_free(p);
}

static void trailing_space_is_found_in_linear_time(void **state) {
    (void)state;
    fm_pretoken *p = with_pattern("\\s+$", FM_SPLIT_ISOLATED, false);
    assert_cut(p, "a b \xC2\x85\xE3\x80\x80", "a b| \xC2\x85\xE3\x80\x80|");
    assert_cut(p, "  \n", "  \n|");
    assert_cut(p, "a \nb", "a| |\nb|"); /* `$` is in front of a line feed too */
    assert_cut(p, "   ", "   |");
    size_t n = 1 << 20; /* a backtracking matcher would take 2^39 steps */
    char *text = test_malloc(n);
    memset(text, ' ', n);
    text[n - 1] = 'x';
    fm_buffer out = {0};
    cut(p, text, n, &out);
    assert_int_equal(out.size, n + 1);
    fm_buffer_clear(&out);
    test_free(text);
    fm_pretoken_free(p);
}

static void a_pattern_that_explodes_is_an_error(void **state) {
    (void)state;
    fm_error err = {0};
    fm_buffer out = {0};
    fm_pretoken *p = with_pattern("(?:a|aa|a[ab])*[cd][e]", FM_SPLIT_ISOLATED, false);
    char text[128];
    memset(text, 'a', sizeof text);
    memcpy(text + 100, "cce", 3);
    text[100] = 'b';
    text[101] = 'z';
    memcpy(text + 120, "ce", 2);
    fm_status status = fm_pretoken_run(p, text, sizeof text, put_word, &out, &err);
    assert_int_equal(status, FM_ERR_LIMIT);
    assert_non_null(strstr(err.message, "gave up"));
    fm_buffer_clear(&out);
    fm_pretoken_free(p);
}

/* ---- patterns --------------------------------------------------------------------------------*/

#define SPACES                                                                                     \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}-\\x{2029}\\x{202f}"    \
    "\\x{205f}\\x{3000}"

static void patterns_are_said_in_pcre2s_dialect(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *want; /* NULL: refused */
    } cases[] = {
        {"a|b?c*d+(e){2,3}.^$", "a|b?c*d+(e){2,3}.^$"},
        {"\\s+(?!\\S)", "[" SPACES "]+(?![^" SPACES "])"},
        {"[^\\s\\d]", "[^" SPACES "\\p{Nd}]"},
        {"[\r\n]", "[\\x{d}\\x{a}]"},
        {"[\\r\\n]", "[\\x{d}\\x{a}]"},
        {"[a-c\\-.]", "[a-c\\x{2d}\\x{2e}]"},
        {"[a-]", "[a\\x{2d}]"},
        {"[\\u4E00-\\x{9fa5}\\x41]", "[\\x{4e00}-\\x{9fa5}A]"},
        {"\xE4\xB8\x80\\.\\|#", "\\x{4e00}\\x{2e}\\x{7c}\\x{23}"},
        {"(?i:'s)(?:a)(?>b)(?<=c)(?<!d)", "(?i:\\x{27}s)(?:a)(?>b)(?<=c)(?<!d)"},
        {"\\p{Lu}\\P{Han}", "[\\p{Lu}][^\\p{Han}]"},
        {"a++b?+", "a++b?+"},
        {"\\w", NULL}, {"\\b", NULL}, {"\\h", NULL}, {"\\K", NULL}, {"\\1", NULL}, {"\\R", NULL},
        {"\\Qa\\E", NULL}, {"[[:alpha:]]", NULL}, {"[a[bc]]", NULL}, {"[a&&b]", NULL},
        {"[]", NULL}, {"[a", NULL}, {"[z-a]", NULL}, {"[a-\\s]", NULL}, {"[\\P{L}]", NULL},
        {"(?i)a", NULL}, {"(?#c)", NULL}, {"(*FAIL)", NULL}, {"(?R)", NULL}, {"(?P<n>a)", NULL},
        {"a{,3}", NULL}, {"a{2}+", NULL}, {"a{2}?", NULL}, {"a{x}", NULL}, {"a{2", NULL},
        {"\\", NULL}, {"\\pL", NULL}, {"\\p{}", NULL}, {"\\p{^L}", NULL}, {"\\x{110000}", NULL},
        {"\\x{12", NULL}, {"\\xZZ", NULL}, {"\\u12", NULL}, {"\xFF", NULL},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_error err = {0};
        fm_buffer out = {0};
        const char *pattern = cases[i].pattern;
        fm_status status = fm_pattern_translate(pattern, strlen(pattern), &out, &err);
        if (cases[i].want) {
            if (status != FM_OK) fail_msg("%s: %s", pattern, err.message);
            assert_string_equal(fm_buffer_string(&out), cases[i].want);
        } else {
            if (status != FM_ERR_UNSUPPORTED && status != FM_ERR_FORMAT)
                fail_msg("%s became %s", pattern, fm_buffer_string(&out));
            assert_true(err.message[0]);
        }
        fm_buffer_clear(&out);
    }
}

/* What the library refuses in the end is an error too, not a crash. */
static void a_pattern_that_does_not_compile_is_refused(void **state) {
    (void)state;
    static const char *const patterns[] = {"(a", "a)", "*", "\\p{Nonsense}", "(?<=a+)b", "a{70000}"};
    for (size_t i = 0; i < FM_COUNT(patterns); i++) {
        fm_error err = {0};
        fm_pretoken *p;
        assert_ok(fm_pretoken_new(&p, &err));
        assert_ok(fm_pretoken_add_pattern(p, patterns[i], strlen(patterns[i]), FM_SPLIT_ISOLATED,
                                          false, &err));
        assert_int_equal(fm_pretoken_finish(p, &err), FM_ERR_UNSUPPORTED);
        assert_non_null(strstr(err.message, "refused"));
        fm_pretoken_free(p);
    }
}

static void the_matcher_and_the_table_agree_on_every_character(void **state) {
    (void)state;
    static const struct {
        const char *pattern;
        unsigned bit;
    } cases[] = {
        {"\\s", FM_CHAR_SPACE},      {"\\p{L}", FM_CHAR_LETTER}, {"[\\p{M}]", FM_CHAR_MARK},
        {"\\p{N}", FM_CHAR_NUMBER}, {"\\p{P}", FM_CHAR_PUNCT},  {"\\p{S}", FM_CHAR_SYMBOL},
    };
    uint8_t *classes = test_malloc(FM_CODE_POINTS);
    fm_char_classes(classes);
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_pretoken *p = with_pattern(cases[i].pattern, FM_SPLIT_REMOVED, false);
        fm_buffer out = {0};
        for (uint32_t c = 0; c < FM_CODE_POINTS; c++) {
            char s[4];
            if (c >= 0xD800 && c < 0xE000) continue;
            cut(p, s, (size_t)fm_utf8_encode(c, s), &out);
            if ((out.size == 0) != !!(classes[c] & cases[i].bit))
                fail_msg("U+%04X and %s", c, cases[i].pattern);
            if (i == 0) assert_int_equal(fm_char_is_space(c), !!(classes[c] & FM_CHAR_SPACE));
        }
        fm_buffer_clear(&out);
        fm_pretoken_free(p);
    }
    assert_true(classes[0x85] & FM_CHAR_SPACE);
    assert_false(classes[0x180E] & FM_CHAR_SPACE);
    assert_false(classes[0x1F] & FM_CHAR_SPACE);
    assert_int_equal(classes['\n'], FM_CHAR_SPACE | FM_CHAR_NEWLINE);
    assert_int_equal(classes[0x4E00], FM_CHAR_LETTER | FM_CHAR_CJK);
    assert_int_equal(classes[0x323B0], 0);
    test_free(classes);
}

/* ---- scanners --------------------------------------------------------------------------------*/

static const char *const scanned[] = {"deepseek-v3", "deepseek-llm", "deepseek-coder", "qwen2",
                                      "llama3", "smollm", "gpt-2"};

static fm_pretoken *known_stages(const char *name, bool scanner) {
    fm_error err = {0};
    fm_pretoken *p;
    assert_ok(fm_pretoken_new(&p, &err));
    assert_ok(fm_known_add_stages(fm_known_find(name), p, &err));
    if (scanner) fm_known_use_scanner(p);
    assert_int_equal(fm_pretoken_has_scanner(p), scanner);
    assert_ok(fm_pretoken_finish(p, &err));
    return p;
}

static void cut_long(const char *name, bool scanner, const char *text, size_t size) {
    fm_buffer out = {0};
    fm_pretoken *p = known_stages(name, scanner);
    cut(p, text, size, &out);
    assert_true(out.size > size);
    fm_buffer_clear(&out);
    fm_pretoken_free(p);
}

/* Nor more than linear time: quadratic time would show as a test that does not end. */
static void long_runs_need_no_stack(void **state) {
    (void)state;
    static const char *const runs[] = {" ", "a", "7", "\n", "!", "\xE4\xB8\x80", "\x01", "' ",
                                       "\xE3\x80\x80 ", "\xE2\x80\x83 "};
    size_t n = sanitized() ? 1 << 16 : 1 << 21;
    char *text = test_malloc(n + 8);
    for (size_t i = 0; i < FM_COUNT(runs); i++) {
        size_t unit = strlen(runs[i]), size = n / unit * unit;
        for (size_t at = 0; at < size; at += unit) memcpy(text + at, runs[i], unit);
        static const char *const names[] = {"deepseek-v3", "deepseek-llm", "qwen2", "default"};
        for (size_t k = 0; k < FM_COUNT(names); k++) cut_long(names[k], false, text, size);
        for (size_t k = 0; k < FM_COUNT(scanned); k++) cut_long(scanned[k], true, text, size);
    }
    test_free(text);
}

static uint32_t random_code_point(draws *d) {
    static const uint32_t edges[] = {
        '\'', 's', 'T', 0x17F, 'r', 'E', 'v', 'l', 'L', 'd', 'm', ' ', ' ', '\n', '\r', '\t', '0', '9',
        0x85, 0xA0, 0x1680, 0x180E, 0x2028, 0x200B, 0x3000, 0xFEFF, 0x301, 0x93F, 0x200D, 0xB2, 0xBD,
        0x660, 0x2160, 0x3007, 0x1D7D8, 0x4E00, 0x9FA5, 0x9FA6, 0x3040, 0x3042, 0x3099, 0x30A0, 0x30FB,
        0x30FF, 0x3100, 0x3400, 0x3001, 0x2003, 0x2018, 0x201D, 0x0966, 0x0905, 0x3B1, 0x1BB, 0xFF01,
        0xFF10, 0x7FF, 0x800, 0xD7FF, 0x20000, 0xAC00, 0x1F600, 0, 1, 0x1F, 0x7F, 0xAD, 0x378, 0xE000,
        '!', '/', ':', '@', '[', '`', '{', '~', '$', '+', '<', '_', 'a', 'Z', 'A' - 1, 'Z' + 1, 'z' + 1};
    uint32_t kind = draw(d, 8), c;
    if (kind < 5) return edges[draw(d, FM_COUNT(edges))];
    if (kind < 7) return draw(d, 0x80);
    do c = draw(d, draw(d, 2) ? 0x3200 : FM_CODE_POINTS);
    while (c >= 0xD800 && c < 0xE000);
    return c;
}

static size_t random_text(draws *d, char *text) {
    size_t size = 0, length = 1 + draw(d, 24);
    for (size_t i = 0; i < length; i++) {
        uint32_t c = random_code_point(d);
        size_t repeat = draw(d, 6) ? 1 : 1 + draw(d, 5);
        while (repeat--) size += (size_t)fm_utf8_encode(c, text + size);
    }
    return size;
}

static void scanners_agree_with_the_patterns_on_random_text(void **state) {
    (void)state;
    size_t rounds = sanitized() ? 4000 : 40000;
    for (size_t k = 0; k < FM_COUNT(scanned); k++) {
        fm_pretoken *fast = known_stages(scanned[k], true), *slow = known_stages(scanned[k], false);
        draws d = {.stream = k};
        fm_buffer a = {0}, b = {0};
        char text[24 * 5 * 4];
        for (size_t i = 0; i < rounds; i++) {
            size_t size = random_text(&d, text);
            cut(fast, text, size, &a);
            cut(slow, text, size, &b);
            if (a.size != b.size || memcmp(a.data, b.data, a.size) != 0)
                fail_msg("%s, text %zu: %.*s and %.*s", scanned[k], i, (int)a.size, a.data,
                         (int)b.size, b.data);
        }
        fm_buffer_clear(&a);
        fm_buffer_clear(&b);
        fm_pretoken_free(fast);
        fm_pretoken_free(slow);
    }
}

/* Every string of up to four characters over an alphabet that has each kind. */
static void scanners_agree_with_the_patterns_on_all_short_texts(void **state) {
    (void)state;
    static const char *const alphabet[] = {"'", "s", "l", "E", " ", "\n", "\t", "1", "!", "$", "\x01",
                                           "\xCC\x81", "\xC3\xA9", "\xE4\xB8\x80", "\xE3\x83\xBB",
                                           "\xC2\xA0", "\xC5\xBF", "\xD9\xA3", "\xE3\x80\x80",
                                           "\xE2\x80\x83", "\xE2\x80\x98"};
    enum { N = FM_COUNT(alphabet) };
    size_t total = sanitized() ? N * N * N : N * N * N * N;
    for (size_t k = 0; k < FM_COUNT(scanned); k++) {
        fm_pretoken *fast = known_stages(scanned[k], true), *slow = known_stages(scanned[k], false);
        fm_buffer a = {0}, b = {0};
        for (size_t i = 1; i < total; i++) {
            char text[32] = "";
            for (size_t rest = i; rest; rest /= N) strcat(text, alphabet[rest % N]);
            cut(fast, text, strlen(text), &a);
            cut(slow, text, strlen(text), &b);
            if (a.size != b.size || memcmp(a.data, b.data, a.size) != 0)
                fail_msg("%s: %.*s and %.*s", scanned[k], (int)a.size, a.data, (int)b.size, b.data);
        }
        fm_buffer_clear(&a);
        fm_buffer_clear(&b);
        fm_pretoken_free(fast);
        fm_pretoken_free(slow);
    }
}

static void other_pattern_lists_get_no_scanner(void **state) {
    (void)state;
    fm_error err = {0};
    fm_pretoken *p;
    assert_ok(fm_pretoken_new(&p, &err));
    assert_ok(fm_known_add_stages(fm_known_find("qwen2"), p, &err));
    assert_ok(fm_pretoken_add_pattern(p, "x", 1, FM_SPLIT_ISOLATED, false, &err));
    fm_known_use_scanner(p);
    assert_false(fm_pretoken_has_scanner(p));
    fm_pretoken_free(p);
    assert_null(fm_known_find("qwen"));
    assert_null(fm_known_find("llama-bpe llama3"));
    assert_ptr_equal(fm_known_find("llama-bpe"), fm_known_find("llama-v3"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaviors_are_those_of_the_documentation),
        cmocka_unit_test(a_literal_means_itself),
        cmocka_unit_test(a_later_stage_sees_only_its_piece),
        cmocka_unit_test(a_prefix_space_is_put_before_pieces_without_one),
        cmocka_unit_test(empty_matches_do_not_loop),
        cmocka_unit_test(trailing_space_is_found_in_linear_time),
        cmocka_unit_test(a_pattern_that_explodes_is_an_error),
        cmocka_unit_test(long_runs_need_no_stack),
        cmocka_unit_test(patterns_are_said_in_pcre2s_dialect),
        cmocka_unit_test(a_pattern_that_does_not_compile_is_refused),
        cmocka_unit_test(the_matcher_and_the_table_agree_on_every_character),
        cmocka_unit_test(scanners_agree_with_the_patterns_on_random_text),
        cmocka_unit_test(scanners_agree_with_the_patterns_on_all_short_texts),
        cmocka_unit_test(other_pattern_lists_get_no_scanner),
    };
    return cmocka_run_group_tests_name("pretoken", tests, NULL, NULL);
}
