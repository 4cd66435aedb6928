/* What Tab makes of a word, and paths as people type them. */
#include "cli/complete.h"
#include "support.h"

#include "base/mem.h"

#include <sys/stat.h>

static void expect(fm_complete_kind kind, const char *word, size_t n, const char *insert,
                   const char *list) {
    static const char *const words[] = {"save", "set", "stats", "system", "größe", "größte"};
    fm_complete_place place = {kind, 0, words, FM_COUNT(words)};
    fm_completion c;
    fm_complete(&place, word, strlen(word), &c);
    assert_int_equal(c.n, n);
    assert_string_equal(fm_buffer_string(&c.insert), insert);
    if (list) assert_string_equal(fm_buffer_string(&c.list), list);
    fm_completion_clear(&c);
}

static void a_word_grows_as_far_as_it_is_certain(void **state) {
    (void)state;
    expect(FM_COMPLETE_WORDS, "sa", 1, "ve ", "save\n");
    expect(FM_COMPLETE_WORDS, "save", 1, " ", "save\n");
    expect(FM_COMPLETE_WORDS, "s", 4, "", "save\nset\nstats\nsystem\n");
    expect(FM_COMPLETE_WORDS, "x", 0, "", "");
    expect(FM_COMPLETE_WORDS, "", 6, "", NULL);
    expect(FM_COMPLETE_NOTHING, "s", 0, "", "");
}

static void no_character_is_cut(void **state) {
    (void)state;
    static const char *const words[] = {"aß", "aä"}; /* the same first byte */
    fm_complete_place place = {FM_COMPLETE_WORDS, 0, words, 2};
    fm_completion c;
    fm_complete(&place, "", 0, &c);
    assert_string_equal(fm_buffer_string(&c.insert), "a");
    fm_completion_clear(&c);
    expect(FM_COMPLETE_WORDS, "g", 2, "röß", "größe\ngrößte\n");
}

static void touch(const char *name) {
    FILE *f = fopen(scratch_path(name), "w");
    assert_non_null(f);
    fclose(f);
}

static void expect_file(const char *beside, size_t n, const char *insert, const char *list) {
    char word[4096];
    snprintf(word, sizeof word, "%s%s", scratch_path(""), beside);
    expect(FM_COMPLETE_FILES, word, n, insert, list);
}

static void files_are_found_with_their_blanks_escaped(void **state) {
    (void)state;
    touch("one file.txt");
    touch("one more.txt");
    touch("it's");
    touch(".hidden");
    assert_int_equal(mkdir(scratch_path("folder"), 0700), 0);
    touch("folder/inside");
    expect_file("/o", 2, "ne\\ ", "one file.txt\none more.txt\n");
    expect_file("/one\\ f", 1, "ile.txt ", NULL);
    expect_file("/i", 1, "t\\'s ", "it's\n");
    expect_file("/fo", 1, "lder/", "folder/\n");
    expect_file("/folder/", 1, "inside ", NULL);
    expect_file("/.h", 1, "idden ", NULL);
    expect_file("/", 4, "", NULL);
    expect_file("/none", 0, "", "");
    expect_file("/none/", 0, "", "");
    char quoted[4096];
    snprintf(quoted, sizeof quoted, "\"%s/one f", scratch_path(""));
    expect(FM_COMPLETE_FILES, quoted, 1, "ile.txt\" ", NULL);
}

static void unquoted_is(const char *text, const char *path, const char *rest) {
    const char *after;
    char *s = fm_complete_unquote(text, &after);
    assert_string_equal(s, path);
    assert_string_equal(after, rest);
    fm_free(s);
}

static void paths_are_read_as_a_shell_would(void **state) {
    (void)state;
    setenv("HOME", "/nest", 1);
    unquoted_is("a.txt", "a.txt", "");
    unquoted_is("a.txt  What is it?", "a.txt", "What is it?");
    unquoted_is("a\\ b.txt What?", "a b.txt", "What?");
    unquoted_is("'a b' What?", "a b", "What?");
    unquoted_is("\"a\\b", "a\\b", "");
    unquoted_is("~/x y", "/nest/x", "y");
    unquoted_is("'~/x'", "~/x", "");
    unquoted_is("~x", "~x", "");
    unquoted_is("a\\", "a\\", "");
    unquoted_is("", "", "");
}

static void without_memory_nothing_is_completed(void **state) {
    (void)state;
    static const char *const words[] = {"save", "set"};
    for (int kind = FM_COMPLETE_WORDS; kind <= FM_COMPLETE_FILES; kind++)
        for (int k = 0; k < 24; k++) {
            fm_complete_place place = {(fm_complete_kind)kind, 0, words, 2};
            fm_completion c;
            fm_mem_fail_from(k);
            fm_complete(&place, kind == FM_COMPLETE_FILES ? "/" : "s", 1, &c);
            fm_mem_fail_from(-1);
            fm_completion_clear(&c);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_grows_as_far_as_it_is_certain),
        cmocka_unit_test(no_character_is_cut),
        cmocka_unit_test(files_are_found_with_their_blanks_escaped),
        cmocka_unit_test(paths_are_read_as_a_shell_would),
        cmocka_unit_test(without_memory_nothing_is_completed),
    };
    return cmocka_run_group_tests_name("completion", tests, NULL, NULL);
}
