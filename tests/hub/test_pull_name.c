/* Names of models: what they stand for, and what is none. */
#include "base/mem.h"
#include "hub/folder.h"
#include "hub/pull_name.h"
#include "support.h"

static void assert_name(const char *text, const char *repository, const char *file,
                        const char *revision) {
    fm_error err;
    fm_pull_name n;
    assert_ok(fm_pull_name_parse(text, &n, &err));
    assert_string_equal(n.repository, repository);
    assert_string_equal(n.file, file);
    assert_string_equal(n.revision, revision);
}

static void assert_none(const char *text, const char *words) {
    fm_error err;
    fm_pull_name n;
    assert_int_equal(fm_pull_name_parse(text, &n, &err), FM_ERR_ARGUMENT);
    if (!strstr(err.message, words)) fail_msg("'%s' is not in '%s'", words, err.message);
}

static void a_repository_may_have_a_file_and_a_revision_behind_it(void **state) {
    (void)state;
    assert_name("owner/name", "owner/name", "", "main");
    assert_name("Owner-1/n_a.m-e", "Owner-1/n_a.m-e", "", "main");
    assert_name("owner/name:Q4_K_M", "owner/name", "Q4_K_M", "main");
    assert_name("owner/name:a/b-00001-of-00002.gguf", "owner/name", "a/b-00001-of-00002.gguf", "main");
    assert_name("owner/name@v1.0", "owner/name", "", "v1.0");
    assert_name("owner/name:Q8_0@refs/pr/1", "owner/name", "Q8_0", "refs/pr/1");
    assert_name("hf.co/owner/name:Q8_0", "owner/name", "Q8_0", "main");
    assert_name("https://huggingface.co/owner/name", "owner/name", "", "main");
}

static void every_short_name_stands_for_a_repository(void **state) {
    (void)state;
    assert_true(fm_n_short_names > 20);
    for (size_t i = 0; i < fm_n_short_names; i++) {
        fm_error err;
        fm_pull_name by_short, by_long;
        const fm_short_name *s = &fm_short_names[i];
        assert_ok(fm_pull_name_parse(s->name, &by_short, &err));
        assert_ptr_equal(by_short.short_name, s);
        assert_ok(fm_pull_name_parse(s->stands_for, &by_long, &err));
        assert_null(by_long.short_name);
        assert_string_equal(by_short.repository, by_long.repository);
        assert_string_equal(by_short.file, by_long.file);
        assert_true(*s->help);
        assert_true(fm_pull_name_likely(s->name));
    }
    assert_name("deepseek-r1:1.5b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "", "main");
    assert_name("DeepSeek-R1:1.5B@v2", "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "", "v2");
}

static void what_is_no_name_is_told_why(void **state) {
    (void)state;
    assert_none("", "neither a short name");
    assert_none("deepseek-r1", "there are deepseek-r1:1.5b, ");
    assert_none("deepseek-r1:3b", "there are deepseek-r1:1.5b, ");
    assert_none("llama", "OWNER/NAME");
    assert_none("a/b@", "no revision");
    assert_none("a/b@../c", "no revision");
    assert_none("a/b@-x", "no revision");
    assert_none("a/b@x y", "no revision");
    static const char *const none[] = {"a/",     "/b",      "a/b/c",          "a/..",        "../b",
                                       "a/b:",   ".a/b",    "a/b:../c.gguf",  "a/b:/c.gguf", "a/b:c/d",
                                       "a b/c",  "a/b?c",   "a/b#c",          "a/b%2e",      "a\n/b",
                                       "\x1b/b", "a/b:x\ny", "ä/b"};
    for (size_t i = 0; i < FM_COUNT(none); i++) assert_none(none[i], "names nothing on the hub");
    char long_name[1000];
    memset(long_name, 'a', sizeof long_name);
    long_name[500] = '/';
    long_name[sizeof long_name - 1] = 0;
    assert_none(long_name, "names nothing on the hub");
}

static void a_mistyped_path_does_not_look_like_a_name(void **state) {
    (void)state;
    static const char *const paths[] = {"/a/b", "./a", "../a/b", "~/a", "model.gguf", "a/model.gguf",
                                        "a/b/c", "model.safetensors", "config.json", "a/config.json",
                                        "model", ""};
    static const char *const names[] = {"a/b", "a/b:model.gguf", "a/b:Q4_0@v1", "deepseek-r1:nonsense",
                                        "deepseek-r1", "smollm2:135m@v1", "https://huggingface.co/x"};
    for (size_t i = 0; i < FM_COUNT(paths); i++)
        if (fm_pull_name_likely(paths[i])) fail_msg("%s", paths[i]);
    for (size_t i = 0; i < FM_COUNT(names); i++)
        if (!fm_pull_name_likely(names[i])) fail_msg("%s", names[i]);
}

static void a_safe_path_stays_in_its_folder(void **state) {
    (void)state;
    static const char *const safe[] = {"a", "a.json", "A-1_b+c=d.gguf", "a/b/c", "a..b"};
    static const char *const unsafe[] = {"", "/a", "a/", "a//b", ".", "..", "a/..", "../a", ".a",
                                         "a/.b", "-a", "a b", "a\nb", "a\\b", "a\"b", "a$b", "a\x80",
                                         "1/2/3/4/5/6/7/8/9"};
    for (size_t i = 0; i < FM_COUNT(safe); i++) assert_true(fm_safe_path(safe[i]));
    for (size_t i = 0; i < FM_COUNT(unsafe); i++)
        if (fm_safe_path(unsafe[i])) fail_msg("\"%s\"", unsafe[i]);
}

static void each_revision_but_main_has_a_folder_of_its_own(void **state) {
    (void)state;
    static const struct { const char *revision, *folder; } cases[] = {
        {"main", "/m/a/b"}, {"v1", "/m/a/b@v1"}, {"refs/pr/1", "/m/a/b@refs_pr_1"}};
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        char *folder = fm_pull_folder("/m", "a/b", cases[i].revision);
        assert_string_equal(folder, cases[i].folder);
        fm_free(folder);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repository_may_have_a_file_and_a_revision_behind_it),
        cmocka_unit_test(every_short_name_stands_for_a_repository),
        cmocka_unit_test(what_is_no_name_is_told_why),
        cmocka_unit_test(a_mistyped_path_does_not_look_like_a_name),
        cmocka_unit_test(a_safe_path_stays_in_its_folder),
        cmocka_unit_test(each_revision_but_main_has_a_folder_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
