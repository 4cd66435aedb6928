/* Functions that models write (api/eval_program.h), graded in the jail; cli/eval_endpoint asks for the same through
 * the program. Here the sanitizers see it, with several threads grading at once. */
#include "support.h"

#include "api/eval_program.h"

#include <pthread.h>

static const fm_eval_item add = {
    .kind = FM_ITEM_PROGRAM,
    .program = {.prompt = "from typing import List\n\n\n"
                          "def add(numbers: List[int]) -> int:\n    \"\"\" The sum. \"\"\"\n",
                .test = "def check(candidate):\n    assert candidate([]) == 0\n    assert candidate([1, 2, 3]) == 6\n",
                .entry_point = "add"}};

#define WHOLE "def add(numbers: List[int]) -> int:\n    return sum(numbers)\n"

typedef struct reply {
    const char *text;
    bool right, formed;
} reply;

static const reply replies[] = {
    {"Here:\n\n```python\n" WHOLE "```\nDone.", true, true},
    {"```\n    return sum(numbers)\n```\n", true, true},
    {"    return sum(numbers)", true, false},
    {WHOLE, true, false},
    {"```python\nx = 1\n```\n\n```python\n" WHOLE "```", true, true},
    {"```\n" WHOLE "```\n```python\nnot closed", true, true},
    {"", false, false},
    {"```\n```", false, true},
    {"I cannot.", false, false},
    {"```\n    return 6\n```\n", false, true},
    {"```\nimport os\nos._exit(0)\n" WHOLE "```\n", false, true},
    {"```\nraise SystemExit\n" WHOLE "```\n", false, true},
};

static void check_reply(const reply *r) {
    fm_error err;
    fm_grade grade;
    fm_span text = {r->text, strlen(r->text)};
    fm_status status = fm_program_grade(&add, text, &grade, &err);
    if (status != FM_OK) fail_msg("%s", err.message);
    if ((grade.verdict == FM_RIGHT) != r->right || grade.formed != r->formed) fail_msg("%s", r->text);
    const char *end = text.s + text.n;
    assert_true(grade.answer.n == 0 || (grade.answer.s >= text.s && grade.answer.s + grade.answer.n <= end));
}

#define NEED_JAIL()                                                                                                   \
    do {                                                                                                              \
        fm_error none;                                                                                                \
        if (fm_program_available(&none) != FM_OK) skip_because("%s", none.message);                                   \
    } while (0)

static void functions_are_graded_by_their_tests(void **state) {
    (void)state;
    NEED_JAIL();
    for (size_t i = 0; i < FM_COUNT(replies); i++) check_reply(&replies[i]);
}

static void bytes_that_are_no_program_are_wrong(void **state) {
    (void)state;
    fm_error err;
    fm_grade grade;
    static const char zero[] = "```\nreturn 1\0\n```\n";
    size_t n = (size_t)70 << 10;
    char *long_text = malloc(n);
    assert_non_null(long_text);
    memset(long_text, ' ', n);
    assert_ok(fm_program_grade(&add, (fm_span){zero, sizeof zero - 1}, &grade, &err));
    assert_int_equal(grade.verdict, FM_WRONG);
    assert_ok(fm_program_grade(&add, (fm_span){long_text, n}, &grade, &err));
    assert_int_equal(grade.verdict, FM_WRONG);
    assert_int_equal(grade.answer.n, 0);
    free(long_text);
}

static void *grade_all(void *context) {
    size_t first = (size_t)(uintptr_t)context;
    for (size_t i = 0; i < 4; i++) check_reply(&replies[(first + i) % 6]);
    return NULL;
}

static void threads_may_grade_at_once(void **state) {
    (void)state;
    NEED_JAIL();
    pthread_t threads[3];
    for (uintptr_t i = 0; i < FM_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, grade_all, (void *)i), 0);
    for (size_t i = 0; i < FM_COUNT(threads); i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_graded_by_their_tests),
        cmocka_unit_test(bytes_that_are_no_program_are_wrong),
        cmocka_unit_test(threads_may_grade_at_once),
    };
    return cmocka_run_group_tests_name("eval_program", tests, NULL, NULL);
}
