/* The report: one page, from the log alone, that holds what the log says and nothing that could act. */
#include "support.h"

#include "report/chart.h"
#include "report/page.h"
#include "report/run_history.h"

#include <math.h>

static fm_error err;

static void add(fm_buffer *log, const char *line) { fm_buffer_format(log, "%s\n", line); }

/* A run of 400 steps with experts, a spike, samples and a profile. */
static void make_log(fm_buffer *log, bool ended) {
    add(log, "{\"event\": \"start\", \"step\": 0, \"version\": \"0.1\", "
        "\"recipe\": {\"run\": {\"steps\": 400}, \"report\": "
             "{\"price\": 0.06, \"currency\": \"EUR\", \"watts\": 45}}, "
             "\"recipe_sha256\": \"abc123\", \"parameters\": "
             "11300000, \"active_parameters\": 3500000, \"peak_flops\": 9.6e11}");
    for (int i = 1; i <= 400; i++) {
        double loss = 2 + 5.6 * exp(-i / 60.0) + 0.05 * sin(i * 12.9898);
        fm_buffer_format(log, "{\"event\": \"step\", \"step\": %d, \"loss\": %.4f, "
            "\"mtp_loss\": %.4f, \"rate\": %.6g, "
                         "\"norm\": %.4f, \"tokens\": %d, \"seconds\": %.2f, "
                         "\"tokens_per_second\": %.1f, \"flops\": %.6g, "
                         "\"share_of_peak\": %.3f}\n", i, loss, loss + 0.6, i < 10 ? i * 2e-4 : 2e-3, 0.4 + 1.0 / i,
                         i * 16384, i * 1.2, 13653.0 + 300 * sin(i), i * 4.8e11, 0.41);
        if (i % 100 == 0) {
            fm_buffer_format(log, "{\"event\": \"validation\", \"step\": %d, \"loss\": %.4f}\n", i, loss + 0.1);
            fm_buffer_format(log, "{\"event\": \"sample\", \"step\": %d, "
                "\"prompt\": \"Once <b>\", \"text\": \" upon & a "
                             "time\\u001b[31m\\nthere\"}\n", i);
            fm_buffer_format(log, "{\"event\": \"checkpoint\", \"step\": %d, \"sha256\": \"feed%d\"}\n", i, i);
        }
        if (i % 20 == 0) {
            fm_buffer_format(log, "{\"event\": \"experts\", \"step\": %d, \"layers\": [", i);
            for (int l = 1; l < 8; l++) {
                fm_buffer_format(log, "%s{\"layer\": %d, \"max_violation\": %.3f, "
                    "\"entropy\": %.3f, \"dead\": %d, \"load\": [",
                                 l > 1 ? ", " : "", l, 0.2 + 3.0 / i, 1 - 1.0 / i, i < 60 ? 2 : 0);
                for (int e = 0; e < 24; e++) fm_buffer_format(log, e ? ", %d" : "%d", 600 + (e * l * 37) % 300);
                fm_buffer_text(log, "]}");
            }
            fm_buffer_text(log, "]}\n");
        }
    }
    add(log, "{\"event\": \"skip\", \"step\": 210, \"because\": \"loss\", \"loss\": 9.5, "
        "\"norm\": 3, \"deviations\": 11.5}");
    add(log, "{\"event\": \"profile\", \"step\": 400, \"ops\": [{\"op\": \"experts\", "
        "\"columns_in\": 192, \"columns_out\": "
             "192, \"calls\": 2800, \"seconds\": 3.0}, {\"op\": \"attend\", \"columns_in\": 432, "
             "\"columns_out\": 192, "
             "\"calls\": 3200, \"seconds\": 1.0}]}");
    if (ended) add(log, "{\"event\": \"end\", \"step\": 400, \"because\": \"all steps are done\"}");
}

static const char *page_of(fm_buffer *log, fm_buffer *page) {
    assert_ok(fm_report_page(&(fm_report_options){.name = "small <1>"}, log->data, log->size, page, &err));
    return fm_buffer_string(page);
}

static void has(const char *page, const char *what) {
    if (!strstr(page, what)) fail_msg("the page does not say %s", what);
}

static void the_page_says_what_the_log_says_and_marks_what_is_stated(void **state) {
    (void)state;
    fm_buffer log = {0}, page = {0};
    make_log(&log, true);
    const char *text = page_of(&log, &page);
    if (getenv("FATHOM_KEEP_REPORT")) {
        FILE *f = fopen(getenv("FATHOM_KEEP_REPORT"), "w");
        fwrite(text, 1, page.size, f), fclose(f);
    }
    static const char *const said[] = {
        "small &lt;1&gt;", "all steps are done", "6.554M", "8 min 0 s", "11.3M", "3.5M", "41.7 %",
        "0.01 EUR</b><span>cost, at a stated 0.06 an hour", "6 Wh</b><span>energy, from a stated 45 W",
        "Once &lt;b&gt;</b> upon &amp; a time [31m\nthere", "experts</td><td>192", "75.0 %", "loss 9.5, norm 3, 11.5",
        "feed400", "recipe_sha256", "layer 7, expert 23", "MaxVio"};
    for (size_t i = 0; i < FM_COUNT(said); i++) has(text, said[i]);
    fm_buffer_clear(&log);
    fm_buffer_clear(&page);
}

static void the_page_is_one_file_without_scripts_or_addresses(void **state) {
    (void)state;
    fm_buffer log = {0}, page = {0};
    make_log(&log, true);
    const char *text = page_of(&log, &page);
    static const char *const not_said[] = {"<script", "http:", "https:", "src=", "href=", "url(", "@import", "onload",
                                           "\033", "nan", "inf"};
    for (size_t i = 0; i < FM_COUNT(not_said); i++)
        if (strstr(text, not_said[i])) fail_msg("the page holds %s", not_said[i]);
    has(text, "prefers-color-scheme:dark");
    has(text, "lang=\"en\"");
    /* Every picture has a name and says in words what it shows. */
    size_t pictures = 0, named = 0;
    for (const char *at = text; (at = strstr(at, "<svg ")); at++, pictures++)
        named += strstr(at, "role=\"img\"><title>") < strstr(at, "</svg>");
    assert_int_equal(pictures, 9);
    assert_int_equal(named, pictures);
    has(text, "training: 7");
    fm_buffer_clear(&log);
    fm_buffer_clear(&page);
}

static void a_log_that_ends_anywhere_gives_a_page_or_a_clear_error(void **state) {
    (void)state;
    fm_buffer log = {0};
    make_log(&log, false);
    size_t step = sanitized() ? 4001 : 997;
    for (size_t n = 0; n <= log.size; n += n < 2000 ? 13 : step) {
        fm_buffer page = {0};
        fm_status status = fm_report_page(&(fm_report_options){.name = "x"}, log.data, n, &page, &err);
        if (status == FM_OK) has(fm_buffer_string(&page), "</html>");
        else assert_int_equal(status, FM_ERR_FORMAT);
        fm_buffer_clear(&page);
    }
    static const char *const none[] = {"", "\n\n", "hello\n", "{\"event\": \"step\"", "[1, 2]\n"};
    for (size_t i = 0; i < FM_COUNT(none); i++) {
        fm_buffer page = {0};
        fm_report_options o = {.name = "x"};
        assert_int_equal(fm_report_page(&o, none[i], strlen(none[i]), &page, &err), FM_ERR_FORMAT);
        fm_buffer_clear(&page);
    }
    fm_buffer_clear(&log);
}

static void strange_numbers_and_shapes_in_a_log_do_no_harm(void **state) {
    (void)state;
    static const char *const logs[] = {
        "{\"event\": \"step\", \"step\": 1, \"loss\": null}\n",
        "{\"event\": \"step\", \"step\": 1, \"loss\": 1e308}\n{\"event\": \"step\", \"step\": 2, \"loss\": -1e308}\n",
        "{\"event\": \"step\", \"step\": 9223372036854775807, \"loss\": 1}\n",
        "{\"event\": \"step\", \"step\": 1, \"loss\": \"x\", \"seconds\": -5}\n",
        "{\"event\": \"start\", \"step\": 1, \"recipe\": [1, {\"a\": {\"b\": [[]]}}]}\n",
        "{\"event\": \"experts\", "
        "\"layers\": [{}, {\"load\": [0, 0]}, {\"load\": {}}]}\n{\"event\": \"step\", \"loss\": 1}\n",
        "{\"event\": \"start\"}\n{\"event\": \"profile\", \"ops\": [{}, 3, {\"seconds\": 1}]}\n",
    };
    for (size_t i = 0; i < FM_COUNT(logs); i++) {
        fm_buffer page = {0};
        assert_ok(fm_report_page(&(fm_report_options){.name = "x"}, logs[i], strlen(logs[i]), &page, &err));
        fm_buffer_clear(&page);
    }
}

static void without_memory_a_page_is_an_error_and_nothing_leaks(void **state) {
    (void)state;
    fm_buffer log = {0};
    make_log(&log, true);
    size_t live = fm_mem_statistics().live_bytes[FM_MEM_OTHER];
    fm_status status = FM_ERR_MEMORY;
    for (int64_t k = 0; status != FM_OK; k += 1 + k / 8) {
        fm_buffer page = {0};
        fm_mem_fail_from(k);
        status = fm_report_page(&(fm_report_options){.name = "x"}, log.data, log.size, &page, &err);
        fm_mem_fail_from(-1);
        fm_buffer_clear(&page);
        assert_true(status == FM_OK || status == FM_ERR_MEMORY);
        assert_int_equal(fm_mem_statistics().live_bytes[FM_MEM_OTHER], live);
    }
    fm_buffer_clear(&log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_says_what_the_log_says_and_marks_what_is_stated),
        cmocka_unit_test(the_page_is_one_file_without_scripts_or_addresses),
        cmocka_unit_test(a_log_that_ends_anywhere_gives_a_page_or_a_clear_error),
        cmocka_unit_test(strange_numbers_and_shapes_in_a_log_do_no_harm),
        cmocka_unit_test(without_memory_a_page_is_an_error_and_nothing_leaks),
    };
    return cmocka_run_group_tests_name("report/page", tests, NULL, NULL);
}
