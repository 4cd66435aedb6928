/* Pasted text: made plain, kept aside when it is long, and put back when the line is done. */
#include "cli/paste.h"
#include "support.h"

static const char *cleaned(const char *text) {
    static fm_buffer b;
    b.size = 0;
    fm_buffer_text(&b, text);
    fm_paste_clean(&b);
    return fm_buffer_string(&b);
}

static void what_comes_is_plain_text(void **state) {
    (void)state;
    assert_string_equal(cleaned("a\rb\rc\r"), "a\nb\nc");
    assert_string_equal(cleaned("a\n\n b\t\n\n"), "a\n\n b\t");
    assert_string_equal(cleaned("\033[31mx\a\177\001y"), "[31mxy");
    assert_string_equal(cleaned("größe\r日本"), "größe\n日本");
    assert_string_equal(cleaned("\r\r"), "");
    assert_string_equal(cleaned(""), "");
}

static const char *keep(fm_pastes *p, const char *text) {
    static fm_buffer mark;
    fm_buffer b = {0};
    mark.size = 0;
    fm_buffer_text(&b, text);
    fm_pastes_keep(p, &b, &mark);
    fm_buffer_clear(&b);
    return fm_buffer_string(&mark);
}

static const char *expanded(const fm_pastes *p, const char *line, size_t expect) {
    static fm_buffer out;
    out.size = 0;
    assert_int_equal(fm_pastes_expand(p, line, &out), expect);
    return fm_buffer_string(&out);
}

static void marks_become_what_they_stand_for(void **state) {
    (void)state;
    fm_pastes p = {0};
    assert_string_equal(keep(&p, "a\nb"), "[paste 1: 2 lines]");
    assert_string_equal(keep(&p, "[paste 1: 2 lines]"), "[paste 2: 18 bytes]");
    for (int i = 0; i < 20; i++) keep(&p, "x");
    assert_string_equal(expanded(&p, "[paste 1: 2 lines]", 1), "a\nb");
    assert_string_equal(expanded(&p, "< [paste 1: 2 lines][paste 1: 2 lines] >", 2), "< a\nba\nb >");
    assert_string_equal(expanded(&p, "[paste 2: 18 bytes]", 1), "[paste 1: 2 lines]");
    assert_string_equal(expanded(&p, "[paste 22: 1 bytes]", 1), "x");
    fm_pastes_clear(&p);
    assert_string_equal(expanded(&p, "[paste 1: 2 lines]", 0), "[paste 1: 2 lines]");
}

static void what_only_looks_like_a_mark_stays(void **state) {
    (void)state;
    fm_pastes p = {0};
    keep(&p, "a\nb");
    static const char *const lines[] = {
        "", "[", "[[", "no mark", "[paste", "[paste 1", "[paste 1:", "[paste 1: 2 lines", "a[b]c",
        "[paste 1: 3 lines]", "[paste 0: 2 lines]", "[paste 2: 2 lines]", "[paste -1: 2 lines]",
        "[paste 99999999999999999999999: 2 lines]", "[paste 1: 2 bytes]"};
    for (size_t i = 0; i < FM_COUNT(lines); i++)
        assert_string_equal(expanded(&p, lines[i], 0), lines[i]);
    fm_pastes_clear(&p);
}

static void without_memory_the_text_is_lost_and_nothing_else(void **state) {
    (void)state;
    for (int k = 0; k < 8; k++) {
        fm_pastes p = {0};
        fm_buffer text = {0}, mark = {0}, out = {0};
        fm_buffer_text(&text, "a\nb");
        fm_mem_fail_from(k);
        fm_pastes_keep(&p, &text, &mark);
        if (mark.size) fm_pastes_expand(&p, fm_buffer_string(&mark), &out);
        fm_mem_fail_from(-1);
        fm_buffer_clear(&text);
        fm_buffer_clear(&mark);
        fm_buffer_clear(&out);
        fm_pastes_clear(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_is_plain_text),
        cmocka_unit_test(marks_become_what_they_stand_for),
        cmocka_unit_test(what_only_looks_like_a_mark_stays),
        cmocka_unit_test(without_memory_the_text_is_lost_and_nothing_else),
    };
    return cmocka_run_group_tests_name("pastes", tests, NULL, NULL);
}
