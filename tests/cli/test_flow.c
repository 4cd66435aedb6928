/* Text on a terminal: broken between words, and unable to command it. */
#include "cli/flow.h"
#include "cli/screen.h"
#include "support.h"

#include <unistd.h>

/* What a text becomes, fed in pieces of `step` bytes; static storage. */
static const char *flowed(const char *text, int width, size_t step) {
    static char out[4096];
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    FILE *file = tmpfile();
    assert_non_null(file);
    dup2(fileno(file), STDOUT_FILENO);
    fm_flow flow = {.width = width};
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i += step)
        fm_flow_put(&flow, text + i, n - i < step ? n - i : step);
    fm_flow_end(&flow);
    fm_output_flush();
    dup2(saved, STDOUT_FILENO);
    close(saved);
    rewind(file);
    out[fread(out, 1, sizeof out - 1, file)] = 0;
    fclose(file);
    return out;
}

static void lines_break_between_words(void **state) {
    (void)state;
    assert_string_equal(flowed("one two three", 8, 99), "one two \nthree");
    assert_string_equal(flowed("one two three", 7, 99), "one two\nthree");
    assert_string_equal(flowed("one two three", 6, 99), "one \ntwo \nthree");
    assert_string_equal(flowed("one two", 0, 99), "one two");
    assert_string_equal(flowed("a\nb c\n\nd", 3, 99), "a\nb c\n\nd");
}

static void it_does_not_matter_in_which_pieces_text_comes(void **state) {
    (void)state;
    const char *text = "The quick brown fox jumps, over the lazy dog; and\nthen again it does.";
    for (int width = 5; width < 60; width++) {
        char whole[4096];
        strcpy(whole, flowed(text, width, 999));
        for (size_t step = 1; step < 12; step++)
            assert_string_equal(flowed(text, width, step), whole);
    }
}

static void no_line_begins_with_the_space_that_broke_it(void **state) {
    (void)state;
    const char *text = "aa bbb cccc ddddd eeeeee fffffff g hh iii jjjj kkkkk llllll mmmmmmm n";
    for (int width = 8; width < 40; width++) {
        const char *out = flowed(text, width, 3);
        assert_null(strstr(out, "\n "));
        int column = 0;
        for (const char *s = out; *s; s++) {
            column = *s == '\n' ? 0 : column + 1;
            assert_true(column <= width);
        }
    }
}

static void a_word_longer_than_the_line_is_left_to_the_terminal(void **state) {
    (void)state;
    assert_string_equal(flowed("ab abcdefghijkl xy", 5, 99), "ab abcdefghijkl\nxy");
}

static void wide_characters_may_break_anywhere(void **state) {
    (void)state;
    assert_string_equal(flowed("日本語日本", 6, 99), "日本語\n日本");
    assert_string_equal(flowed("a日本語", 5, 99), "a日本\n語");
}

static void control_characters_become_pictures(void **state) {
    (void)state;
    assert_string_equal(flowed("a\033[2Jb\a\177", 40, 99), "a␛[2Jb␇\xef\xbf\xbd");
    assert_string_equal(flowed("\xc2\x9b", 40, 99), "\xef\xbf\xbd");
    assert_string_equal(flowed("\xff", 40, 99), "\xef\xbf\xbd");
}

/* The rows that a text goes down, against a count of where its cells must lie. */
static void rows_are_counted_where_the_terminal_breaks_too(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int width, rows;
        bool unsure;
    } cases[] = {
        {"", 10, 0, false},           {"one", 10, 0, false},        {"one\n", 10, 1, false},
        {"one\n\ntwo", 10, 2, false}, {"one two three", 8, 1, false}, {"abcdefghij", 10, 0, false},
        {"abcdefghijk", 10, 1, false}, {"abcdefghij\nk", 10, 1, false},
        {"ab abcdefghijklmnopqrstu", 10, 2, false}, {"日本語日本", 6, 1, false},
        {"übcdefghijk", 10, 1, true}, {"übcdefghij", 10, 0, false}};
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_flow flow = {.width = cases[i].width};
        fm_flow_put(&flow, cases[i].text, strlen(cases[i].text));
        fm_flow_flush(&flow);
        printf("\n");
        assert_int_equal(flow.rows, cases[i].rows);
        assert_int_equal(flow.unsure, cases[i].unsure);
        fm_flow_end(&flow);
        assert_int_equal(flow.rows, 0);
        assert_false(flow.unsure);
    }
}

static void a_window_that_shrinks_leaves_the_column_inside(void **state) {
    (void)state;
    fm_flow flow = {.width = 80};
    fm_flow_put(&flow, "twenty five cells of text ", 26);
    fm_flow_resize(&flow, 10);
    printf("\n");
    assert_true(flow.column <= 10 && flow.unsure);
    fm_flow_end(&flow);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_break_between_words),
        cmocka_unit_test(it_does_not_matter_in_which_pieces_text_comes),
        cmocka_unit_test(no_line_begins_with_the_space_that_broke_it),
        cmocka_unit_test(a_word_longer_than_the_line_is_left_to_the_terminal),
        cmocka_unit_test(wide_characters_may_break_anywhere),
        cmocka_unit_test(control_characters_become_pictures),
        cmocka_unit_test(rows_are_counted_where_the_terminal_breaks_too),
        cmocka_unit_test(a_window_that_shrinks_leaves_the_column_inside),
    };
    return cmocka_run_group_tests_name("flowing text", tests, NULL, NULL);
}
