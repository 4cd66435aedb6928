/* Conversations on disk and back, and histories of lines: what goes in comes out, or nothing changes. */
#include "cli/history.h"
#include "cli/talk_file.h"
#include "support.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/mem.h"

#include <sys/stat.h>

/* ---- transcripts -----------------------------------------------------------------------------*/

static void say(fm_conversation *c, const char *role, const char *text) {
    fm_error err;
    assert_ok(fm_conversation_add(c, role, text, strlen(text), &err));
}

static void make(fm_conversation *c) {
    fm_error err;
    assert_ok(fm_conversation_system(c, "Be \"kind\".\n", &err));
    for (int i = 0; i < 20; i++) {
        say(c, "user", "größe \\ \"quoted\"\n\tand a tab");
        say(c, "assistant", i ? "an answer" : "");
        assert_ok(fm_conversation_think(c, "hm\nhm", 5, &err));
    }
}

static void same(const fm_conversation *a, const fm_conversation *b) {
    assert_int_equal(a->n, b->n);
    assert_string_equal(a->system, b->system);
    for (size_t i = 0; i < a->n; i++) {
        assert_string_equal(a->messages[i].role, b->messages[i].role);
        assert_int_equal(a->messages[i].size, b->messages[i].size);
        assert_memory_equal(a->messages[i].content, b->messages[i].content, a->messages[i].size + 1);
        assert_int_equal(!a->thoughts[i], !b->thoughts[i]);
        if (a->thoughts[i]) assert_string_equal(a->thoughts[i], b->thoughts[i]);
    }
}

static void what_is_saved_is_what_is_loaded(void **state) {
    (void)state;
    fm_error err;
    fm_conversation a = {0}, b = {0};
    make(&a);
    assert_ok(fm_talk_save(&a, "a model", scratch_path("talk.json"), &err));
    assert_ok(fm_talk_load(&b, scratch_path("talk.json"), &err));
    same(&a, &b);
    assert_string_equal(fm_conversation_thoughts(&b), "hm\nhm");
    fm_conversation_free(&a);
    fm_conversation_free(&b);
}

static void without_memory_the_conversation_at_hand_stays(void **state) {
    (void)state;
    fm_error err;
    fm_conversation kept = {0}, other = {0}, a = {0};
    make(&kept);
    make(&a);
    say(&other, "user", "another");
    assert_ok(fm_talk_save(&other, "m", scratch_path("other.json"), &err));
    fm_status status = FM_ERR_MEMORY;
    int k = 0;
    for (; status != FM_OK; k++) {
        fm_mem_fail_from(k);
        status = fm_talk_load(&a, scratch_path("other.json"), &err);
        fm_mem_fail_from(-1);
        if (status == FM_OK) break;
        assert_int_equal(status, FM_ERR_MEMORY);
        same(&a, &kept);
    }
    assert_true(k > 2);
    assert_int_equal(a.n, 1);
    assert_null(a.system);
    for (status = FM_ERR_MEMORY, k = 0; status != FM_OK; k++) {
        fm_mem_fail_from(k);
        status = fm_talk_save(&kept, "m", scratch_path("new.json"), &err);
        fm_mem_fail_from(-1);
        assert_int_equal(fm_file_exists(scratch_path("new.json")), status == FM_OK);
    }
    fm_conversation_free(&a);
    fm_conversation_free(&kept);
    fm_conversation_free(&other);
}

static void a_file_cut_anywhere_is_refused(void **state) {
    (void)state;
    fm_error err;
    fm_conversation a = {0}, b = {0};
    char *text;
    size_t size;
    say(&a, "user", "größe");
    say(&a, "assistant", "\"");
    assert_ok(fm_talk_save(&a, "m", scratch_path("talk.json"), &err));
    assert_ok(fm_file_read(scratch_path("talk.json"), 1 << 20, &text, &size, &err));
    for (size_t n = 0; n + 1 < size; n++) { /* the last byte is a newline */
        FILE *f = fopen(scratch_path("cut.json"), "w");
        fwrite(text, 1, n, f);
        fclose(f);
        assert_int_equal(fm_talk_load(&b, scratch_path("cut.json"), &err), FM_ERR_FORMAT);
        assert_int_equal(b.n, 0);
    }
    fm_free(text);
    fm_conversation_free(&a);
}

/* ---- history ---------------------------------------------------------------------------------*/

static void collect(void *context, const char *line) {
    fm_buffer_text(context, line);
    fm_buffer_text(context, "|");
}

static const char *history(const char *path) {
    static fm_buffer out;
    out.size = 0;
    fm_history_load(path, collect, &out);
    return fm_buffer_string(&out);
}

static void lines_come_back_as_they_were_typed(void **state) {
    (void)state;
    const char *path = scratch_path("a/b/history");
    assert_string_equal(history(path), "");
    fm_history_append(path, "one");
    fm_history_append(path, "two\nlines");
    fm_history_append(path, "\\n is no newline \\\\");
    fm_history_append(path, "日本\\");
    assert_string_equal(history(path), "one|two\nlines|\\n is no newline \\\\|日本\\|");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(scratch_path("a/b"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void any_bytes_are_a_history(void **state) {
    (void)state;
    static const char *const files[][2] = {
        {"no newline", "no newline|"}, {"\n\n\na\n\n", "a|"}, {"\\", "\\|"}, {"a\\\nb", "a\\|b|"}};
    for (size_t i = 0; i < FM_COUNT(files); i++) {
        FILE *f = fopen(scratch_path("odd"), "w");
        fputs(files[i][0], f);
        fclose(f);
        assert_string_equal(history(scratch_path("odd")), files[i][1]);
    }
    fm_history_append(scratch_path("odd/below"), "x"); /* no place: no harm */
    fm_history_append(NULL, "x");
    assert_string_equal(history(NULL), "");
    assert_string_equal(history(scratch_path("")), "");
}

static void the_place_follows_the_environment(void **state) {
    (void)state;
    static const char *const cases[][4] = {{"/f", "/s", "/h", "/f/history"},
                                           {"", "/s", "/h", "/s/fathom/history"},
                                           {"", "", "/h", "/h/.local/state/fathom/history"},
                                           {"", "", "", NULL}};
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        setenv("FATHOM_HOME", cases[i][0], 1);
        setenv("XDG_STATE_HOME", cases[i][1], 1);
        setenv("HOME", cases[i][2], 1);
        char *path = fm_history_path();
        if (cases[i][3])
            assert_string_equal(path, cases[i][3]);
        else
            assert_null(path);
        fm_free(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_is_what_is_loaded),
        cmocka_unit_test(without_memory_the_conversation_at_hand_stays),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(lines_come_back_as_they_were_typed),
        cmocka_unit_test(any_bytes_are_a_history),
        cmocka_unit_test(the_place_follows_the_environment),
    };
    return cmocka_run_group_tests_name("transcripts and histories", tests, NULL, NULL);
}
