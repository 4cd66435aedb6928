#include "support.h"

#include "base/json.h"
#include "base/json_write.h"

#include <math.h>

static void write_sample(fm_buffer *out) {
    fm_json_writer w = {.out = out};
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "text", "a \"quote\"\n\xff");
    fm_json_put_text(&w, "none", NULL);
    fm_json_put_integer(&w, "large", INT64_MAX);
    fm_json_put_real(&w, "real", 0.1);
    fm_json_put_real(&w, "infinite", INFINITY);
    fm_json_put_float(&w, "whole", -16);
    fm_json_put_float(&w, "half", 0.5);
    fm_json_put_float(&w, "huge", 1e300);
    fm_json_put_float(&w, "endless", INFINITY);
    fm_json_open(&w, "empty", '[');
    fm_json_close(&w, ']');
    fm_json_open(&w, "list", '[');
    w.flat = true;
    for (int i = 0; i < 3; i++) fm_json_put_integer(&w, NULL, i);
    fm_json_close(&w, ']');
    w.flat = false;
    fm_json_put_bool(&w, "last", true);
    fm_json_close(&w, '}');
}

static void what_is_written_reads_back_the_same(void **state) {
    (void)state;
    fm_error err;
    fm_json *root;
    fm_buffer out = {0};
    write_sample(&out);
    assert_ok(fm_buffer_status(&out, &err));
    assert_ok(fm_json_parse(out.data, out.size, &root, &err));
    assert_string_equal(fm_json_string(fm_json_get(root, "text"), ""), "a \"quote\"\n\xEF\xBF\xBD");
    assert_int_equal(fm_json_kind_of(fm_json_get(root, "none")), FM_JSON_NULL);
    assert_int_equal(fm_json_integer(fm_json_get(root, "large"), 0), INT64_MAX);
    assert_true(fm_json_number(fm_json_get(root, "real"), 0) == 0.1);
    assert_int_equal(fm_json_kind_of(fm_json_get(root, "infinite")), FM_JSON_NULL);
    assert_int_equal(fm_json_length(fm_json_get(root, "empty")), 0);
    assert_int_equal(fm_json_integer(fm_json_at(fm_json_get(root, "list"), 2), -1), 2);
    assert_true(fm_json_bool(fm_json_get(root, "last"), false));
    fm_json_free(root);
    fm_buffer_clear(&out);
}

static void levels_are_indented_and_flat_lists_stay_on_a_line(void **state) {
    (void)state;
    fm_buffer out = {0};
    write_sample(&out);
    const char *text = fm_buffer_string(&out);
    assert_non_null(strstr(text, "{\n  \"text\": "));
    assert_non_null(strstr(text, ",\n  \"empty\": [],\n  \"list\": [0, 1, 2],\n"));
    assert_non_null(strstr(text, "\n  \"last\": true\n}\n"));
    fm_buffer_clear(&out);
}

static void a_float_has_a_point_where_an_integer_would_do(void **state) {
    (void)state;
    fm_buffer out = {0};
    write_sample(&out);
    assert_non_null(strstr(fm_buffer_string(&out), "  \"whole\": -16.0,\n  \"half\": 0.5,\n  \"huge\": 1e+300,\n"
                                                   "  \"endless\": null,\n"));
    fm_buffer_clear(&out);
}

static void running_out_of_memory_shows_in_the_buffer(void **state) {
    (void)state;
    fm_error err;
    fm_buffer out = {0};
    fm_mem_fail_from(0);
    write_sample(&out);
    fm_mem_fail_from(-1);
    assert_int_equal(fm_buffer_status(&out, &err), FM_ERR_MEMORY);
    fm_buffer_clear(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(levels_are_indented_and_flat_lists_stay_on_a_line),
        cmocka_unit_test(a_float_has_a_point_where_an_integer_would_do),
        cmocka_unit_test(running_out_of_memory_shows_in_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
