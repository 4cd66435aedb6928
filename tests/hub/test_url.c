/* Addresses: who is the same server, and what is written into them. */
#include "hub/human.h"
#include "hub/url.h"
#include "support.h"

static void the_same_server_is_scheme_host_and_port(void **state) {
    (void)state;
    static const struct { const char *a, *b; bool same; } cases[] = {
        {"https://hub.co", "https://hub.co/x?y#z", true},
        {"https://hub.co", "https://HUB.co:443/", true},
        {"https://hub.co", "https://user:word@hub.co/", true},
        {"http://hub.co", "http://hub.co:80", true},
        {"https://hub.co", "http://hub.co", false},
        {"https://hub.co", "https://hub.co:444", false},
        {"https://hub.co", "https://hub.co.evil.org", false},
        {"https://hub.co", "https://hub.co@evil.org", false},
        {"https://hub.co", "https://evil.org/hub.co", false},
        {"https://hub.co", "https://evil.org?https://hub.co", false},
        {"https://hub.co", "https://cdn.hub.co", false},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        fm_origin a, b;
        assert_true(fm_origin_of(cases[i].a, &a));
        assert_true(fm_origin_of(cases[i].b, &b));
        if (fm_origin_equal(&a, &b) != cases[i].same) fail_msg("%s", cases[i].b);
    }
}

static void only_whole_web_addresses_are_origins(void **state) {
    (void)state;
    static const char *const none[] = {"", "hub.co", "/x", "//hub.co", "ftp://hub.co", "file:///etc",
                                       "https://", "http://hub.co:99999", "javascript:x",
                                       "ht tp://x", "http://a b"};
    fm_origin o;
    for (size_t i = 0; i < FM_COUNT(none); i++)
        if (fm_origin_of(none[i], &o)) fail_msg("%s", none[i]);
}

static void what_could_end_a_path_is_escaped(void **state) {
    (void)state;
    fm_buffer b = {0};
    fm_url_listing(&b, "https://hub.co/base", "owner/na me", "refs/pr/1?x#y");
    assert_string_equal(fm_buffer_string(&b),
                        "https://hub.co/base/api/models/owner/na%20me/revision/"
                        "refs%2Fpr%2F1%3Fx%23y?blobs=true");
    fm_buffer_clear(&b);
    fm_url_file(&b, "http://h", "o/n", "abc", "dir/a+b=%.gguf");
    assert_string_equal(fm_buffer_string(&b), "http://h/o/n/resolve/abc/dir/a%2Bb%3D%25.gguf");
    fm_buffer_clear(&b);
}

static void bytes_are_told_in_three_digits(void **state) {
    (void)state;
    static const struct { double bytes; const char *text; } cases[] = {
        {0, "0 bytes"}, {1023, "1023 bytes"}, {1024, "1.00 KiB"}, {1048575, "1.00 MiB"},
        {97517568, "93.0 MiB"}, {3554214621.0, "3.31 GiB"}, {688586727753.0, "641 GiB"},
        {1e30, "888178419700125 PiB"}};
    for (size_t i = 0; i < FM_COUNT(cases); i++) {
        char text[FM_HUMAN];
        assert_string_equal(fm_human(text, cases[i].bytes), cases[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_server_is_scheme_host_and_port),
        cmocka_unit_test(only_whole_web_addresses_are_origins),
        cmocka_unit_test(what_could_end_a_path_is_escaped),
        cmocka_unit_test(bytes_are_told_in_three_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
