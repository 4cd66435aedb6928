/* The composed form that Qwen's tokenizer wants. */
#include "token_support.h"

#include "base/unicode.h"
#include "token/nfc.h"

static void assert_nfc(const char *text, const char *want) {
    fm_error err = {0};
    fm_buffer out = {0};
    assert_ok(fm_nfc(text, strlen(text), &out, &err));
    assert_string_equal(fm_buffer_string(&out), want);
    fm_buffer_clear(&out);
}

static void letters_and_marks_compose(void **state) {
    (void)state;
    assert_nfc("", "");
    assert_nfc("e\u0301", "\u00E9");
    assert_nfc("e\u0301\u0323", "\u1EB9\u0301"); /* the mark below goes first */
    assert_nfc("\u1100\u1161\u11A8", "\uAC01");
    assert_nfc("\u212B", "\u00C5");
    assert_nfc("\u304B\u3099", "\u304C");
}

/* U+08CC has combining class 230 since Unicode 14, and U+11938 is a composition since 13. To the
 * engine that made the vocabulary's text they are nobody's marks. */
static void characters_that_came_after_unicode_9_stay_and_separate(void **state) {
    (void)state;
    assert_nfc("t\u08CC\u0323", "t\u08CC\u0323");
    assert_nfc("e\u08CC\u0301e\u0301", "e\u08CC\u0301\u00E9");
    assert_nfc("\U00011935\U00011930", "\U00011935\U00011930");
    assert_nfc("\u08CC", "\u08CC");
}

/* The quick look may only say no where composing changes nothing: every character alone, and between
 * characters that compose to either side. */
static void the_quick_look_is_right_about_every_character(void **state) {
    (void)state;
    static const char *const around[][2] = {{"", ""}, {"e", "\u0301"}, {"\u1100", "\u11A8"}};
    fm_error err = {0};
    fm_buffer out = {0};
    for (uint32_t c = 0; c < 0x110000; c += sanitized() ? 7 : 1) {
        char middle[5] = "";
        if (c >= 0xD800 && c < 0xE000) continue;
        middle[fm_utf8_encode(c, middle)] = 0;
        for (size_t i = 0; i < FM_COUNT(around) && c; i++) {
            char text[16];
            int n = snprintf(text, sizeof text, "%s%s%s", around[i][0], middle, around[i][1]);
            if (fm_nfc_may_change(text, (size_t)n)) continue;
            out.size = 0;
            assert_ok(fm_unicode_nfc(text, (size_t)n, &out, &err));
            assert_int_equal(out.size, n);
            assert_memory_equal(out.data, text, n);
        }
    }
    fm_buffer_clear(&out);
    assert_false(fm_nfc_may_change("plain \u00E9 \u4F60\u597D \uD55C \u0416", 19));
    assert_true(fm_nfc_may_change("e\u0301", 3));
}

/* Only the stretches that need it are composed: as if the whole text were. */
static void composing_in_stretches_is_composing_the_whole(void **state) {
    (void)state;
    static const uint32_t all[] = {
        ' ',   'e',    'o',    0xE9,   0x12F,  0x301,  0x323,  0x327, 0x345,  0x3B1,  0x1F71,  0x1100,  0x1161,
        0x11A8, 0xAC00, 0xAC01, 0x304B, 0x3099, 0x915,  0x93C,  0x94D, 0x958,  0x5D0,  0x5B0,   0x5BC,   0xFB2E,
        0x644, 0x64E,  0x651,  0x653,  0x622,  0xE01,  0xE38,  0xE48, 0xE33,  0x4E00, 0xF900,  0x212B,  0x1E0B,
        0x307, 0x1109A, 0x110BA, 0x1F600, 0x2F800};
    fm_error err = {0};
    fm_buffer text = {0}, parts = {0}, whole = {0};
    draws d = {.stream = 90};
    int quiet = 0;
    for (int round = 0; round < (sanitized() ? 5000 : 200000); round++) {
        text.size = parts.size = whole.size = 0;
        for (size_t left = 1 + draw(&d, 12); left > 0; left--) {
            char c[4];
            fm_buffer_put(&text, c, (size_t)fm_utf8_encode(all[draw(&d, FM_COUNT(all))], c));
        }
        assert_ok(fm_nfc(text.data, text.size, &parts, &err));
        assert_ok(fm_unicode_nfc(text.data, text.size, &whole, &err));
        if (parts.size != whole.size || memcmp(parts.data, whole.data, whole.size) != 0)
            fail_msg("text %d: %.*s", round, (int)text.size, text.data);
        if (fm_nfc_may_change(text.data, text.size)) continue;
        assert_true(text.size == whole.size && memcmp(text.data, whole.data, whole.size) == 0);
        quiet++;
    }
    assert_true(quiet > (sanitized() ? 100 : 5000));
    fm_buffer_clear(&text), fm_buffer_clear(&parts), fm_buffer_clear(&whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_and_marks_compose),
        cmocka_unit_test(characters_that_came_after_unicode_9_stay_and_separate),
        cmocka_unit_test(the_quick_look_is_right_about_every_character),
        cmocka_unit_test(composing_in_stretches_is_composing_the_whole),
    };
    return cmocka_run_group_tests_name("nfc", tests, NULL, NULL);
}
