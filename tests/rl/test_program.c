/* The small language: what programs print, how they end, and that nothing gets past its limits. (What they mean is
 * compared with Python itself in test_program_python.py.) */
#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "rl/program/language.h"

static fm_error err;

typedef struct ran {
    fm_program_result result;
    fm_buffer out;
} ran;

static ran run_watched(const char *text, size_t n, const char *input, const fm_program_limits *limits,
                       const fm_program_watch *watch) {
    ran r = {0};
    fm_program *p;
    assert_ok(fm_program_parse(text, n, &p, &r.result, &err));
    assert_true((p == NULL) == (r.result.end == FM_PROGRAM_SYNTAX));
    if (p) assert_ok(fm_program_run(p, input, strlen(input), limits, watch, &r.out, &r.result, &err));
    assert_true((r.result.end == FM_PROGRAM_DONE) == (r.result.line == 0));
    assert_true((r.result.end == FM_PROGRAM_DONE) == (r.result.message[0] == 0));
    fm_program_free(p);
    return r;
}

static ran run_text(const char *text) { return run_watched(text, strlen(text), "", NULL, NULL); }

static void expect(const char *text, fm_program_end end, int line, const char *output) {
    ran r = run_text(text);
    if (r.result.end != end || r.result.line != line || strcmp(fm_buffer_string(&r.out), output) != 0)
        fail_msg("%s\nended '%s' in line %d (%s) and printed '%s'", text, fm_program_end_name(r.result.end),
                 r.result.line, r.result.message, fm_buffer_string(&r.out));
    fm_buffer_clear(&r.out);
}

static void programs_print_what_they_compute(void **state) {
    (void)state;
    expect("", FM_PROGRAM_DONE, 0, "");
    expect("\n\n  # nothing\n", FM_PROGRAM_DONE, 0, "");
    expect("a, b = 0, 1\nwhile a < 50:\n    print(a, end=\" \")\n    a, b = b, a + b\nprint()",
           FM_PROGRAM_DONE, 0, "0 1 1 2 3 5 8 13 21 34 \n");
    expect("def gcd(a, b):\n  if b == 0: return a\n  return gcd(b, a % b)\nprint(gcd(84, 36))\r\n",
           FM_PROGRAM_DONE, 0, "12\n");
    expect("a = [3, 1, 2]\nb = a\nb.append(0)\na.sort()\nprint(a, b, len(a), a[-1], a[1:3])", FM_PROGRAM_DONE, 0,
           "[0, 1, 2, 3] [0, 1, 2, 3] 4 3 [1, 2]\n");
    expect("print(-7 // 2, -7 % 2, 7 // -2, 7 % -2, -2 ** 2, 2 ** 3 ** 2, 1 < 2 < 3)", FM_PROGRAM_DONE, 0,
           "-4 1 -4 -1 -4 512 True\n");
    expect("print(\"it's\", [\"it's\", 'a\"b', 'c\\n'], None, True + 1, sep=\"|\")", FM_PROGRAM_DONE, 0,
           "it's|[\"it's\", 'a\"b', 'c\\n']|None|2\n");
    expect("a = [1]\na.append(a)\nprint(a)", FM_PROGRAM_DONE, 0, "[1, [...]]\n");
}

static void faults_name_their_line_and_keep_what_was_printed(void **state) {
    (void)state;
    expect("print(1)\nprint(1 // 0)\nprint(2)", FM_PROGRAM_FAILED, 2, "1\n");
    expect("x = 1\n\n# a comment\ny = [1]\nprint(y[x])", FM_PROGRAM_FAILED, 5, "");
    expect("def f(n):\n    return n + \"a\"\nfor i in range(2):\n    f(i)", FM_PROGRAM_FAILED, 2, "");
    expect("print(x)", FM_PROGRAM_FAILED, 1, "");
    expect("def f():\n  x += 1\nx = 1\nf()", FM_PROGRAM_FAILED, 2, "");
    expect("f()\ndef f(): pass", FM_PROGRAM_FAILED, 1, "");
    expect("x = 9223372036854775807\nprint(x)\nprint(x + 1)", FM_PROGRAM_FAILED, 3, "9223372036854775807\n");
    expect("x = -9223372036854775807 - 1\nprint(x % -1, x)\nprint(x // -1)", FM_PROGRAM_FAILED, 3,
           "0 -9223372036854775808\n");
    expect("x = -9223372036854775807 - 1\nprint(-x)", FM_PROGRAM_FAILED, 2, "");
    expect("x = -9223372036854775807 - 1\nprint(abs(x))", FM_PROGRAM_FAILED, 2, "");
    expect("print(3 ** 40)", FM_PROGRAM_FAILED, 1, "");
    expect("print(2 ** 62, (-2) ** 63, 1 ** 999999999)\nprint(2 ** 63)", FM_PROGRAM_FAILED, 2,
           "4611686018427387904 -9223372036854775808 1\n");
    expect("int(input())", FM_PROGRAM_FAILED, 1, "");
}

static void what_is_no_program_is_refused_with_its_line(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int line;
    } cases[] = {
        {"x = 1\nif x\n  print(x)", 2}, {"if 1:\nx = 1", 2}, {"  x = 1", 1}, {"if 1:\n   x = 1\n  y = 1", 3},
        {"x = (1", 1}, {"x = 1)", 1}, {"x = [1, 2", 1}, {"x == 1 = 2", 1}, {"1 = x", 1}, {"f(x) = 1", 1},
        {"x = 'abc", 1}, {"x = 1 / 2", 1}, {"x = 1.5", 1}, {"x = 0x10", 1}, {"x = 007", 1},
        {"x = 99999999999999999999", 1}, {"import os", 1}, {"x = lambda: 1", 1}, {"def f(a, a): pass", 1},
        {"def f(): pass\ndef f(): pass", 2}, {"def f(): pass\nf = 1", 1}, {"f(1)", 1}, {"sum = 0\nsum([1])", 2},
        {"def f(a): return a\nf()", 2}, {"len(1, 2)", 1}, {"[].foo()", 1}, {"return 1", 1}, {"break", 1},
        {"if 1:\n  def f(): pass", 2}, {"print = 1", 1}, {"print(end=1)", 1}, {"print(x=1)", 1}, {"a, b = 1", 1},
        {"\tx = 1", 1}, {"x = 1\n\xc3\xa9 = 1", 2}, {"x = 'a\xc3'", 1}, {"x = not 1 + not 2", 1}, {"x y", 1},
        {"for i, j in []: pass", 1}, {"for 1 in []: pass", 1}, {"x = 1; y = 2", 1}, {"open('x')", 1},
        {"x = 'a' 'b'", 1}, {"x = {}", 1}, {"x = ()", 1}, {"x.y = 1", 1}, {"x = 5 if 1 else 2", 1},
        {"# \r x = 1", 1}, {"x = \\\n1", 1}, {"x = a[1:2:3:4]", 1}, {"eval('1')", 1}, {"__import__('os')", 1},
    };
    for (size_t i = 0; i < FM_COUNT(cases); i++) expect(cases[i].text, FM_PROGRAM_SYNTAX, cases[i].line, "");
}

static void limits_end_a_program_and_say_which(void **state) {
    (void)state;
    expect("while True: x = 1", FM_PROGRAM_STEPS, 1, "");
    expect("def f(n):\n    return f(n + 1)\nf(0)", FM_PROGRAM_DEPTH, 2, "");
    expect("a = [0]\nfor i in range(30): a += a\nprint(len(a))", FM_PROGRAM_MEMORY, 2, "");
    expect("a = 'ab' * 10000000000", FM_PROGRAM_MEMORY, 1, "");
    expect("a = [1] * 9223372036854775807", FM_PROGRAM_MEMORY, 1, "");
    expect("a = 'ab'\nfor i in range(100): a = a + a", FM_PROGRAM_MEMORY, 2, "");
    expect("a = list(range(10 ** 18))", FM_PROGRAM_STEPS, 1, "");
    expect("print(sum(range(10 ** 18)))", FM_PROGRAM_STEPS, 1, "");
    expect("a = []\nfor i in range(100): a = [a]\nb = []\nfor i in range(100): b = [b]\nprint(a == b)",
           FM_PROGRAM_DEPTH, 5, "");
    ran r = run_text("while True: print('0123456789')");
    assert_int_equal(r.result.end, FM_PROGRAM_OUTPUT);
    assert_true(r.out.size <= fm_program_usual_limits.output + 11);
    fm_buffer_clear(&r.out);
    r = run_text("for i in range(10): print('x' * 100000)");
    assert_int_equal(r.result.end, FM_PROGRAM_OUTPUT);
    assert_true(r.out.size == 0);
    fm_buffer_clear(&r.out);
    fm_program_limits few = fm_program_usual_limits;
    few.steps = 10;
    r = run_watched("x = 1\n", 6, "", &few, NULL);
    assert_int_equal(r.result.end, FM_PROGRAM_DONE);
    assert_int_equal(r.result.steps, 2);
}

static void input_is_read_line_by_line(void **state) {
    (void)state;
    const char *text = "n = int(input())\na = input().split()\nprint(n, a)\nprint(input())\nprint(input())";
    ran r = run_watched(text, strlen(text), " 12 \n3 4  5\n\n", NULL, NULL);
    assert_int_equal(r.result.end, FM_PROGRAM_FAILED);
    assert_int_equal(r.result.line, 5);
    assert_string_equal(fm_buffer_string(&r.out), "12 ['3', '4', '5']\n\n");
    fm_buffer_clear(&r.out);
}

static void note(void *context, const fm_program_event *e) {
    static const char *const names[] = {"=", "?", "(", "return", "print"};
    fm_buffer_format(context, "%d %s%s%s;", e->line, e->name ? e->name : "", names[e->kind], e->value ? e->value : "");
}

static void a_watcher_is_told_every_step_in_order(void **state) {
    (void)state;
    const char *text = "def f(n):\n  return n * 2\na = [1, 2]\nfor i in range(2):\n  if i == 1:\n    a[i] = f(i)\n"
                       "a.append(7)\na[0] += 5\nprint(a, 'x')\nb, c = a[0], []";
    fm_buffer seen = {0};
    ran r = run_watched(text, strlen(text), "", NULL, &(fm_program_watch){note, &seen});
    assert_int_equal(r.result.end, FM_PROGRAM_DONE);
    assert_string_equal(fm_buffer_string(&seen),
                        "3 a=[1, 2];4 i=0;5 ?False;4 i=1;5 ?True;6 f(1;2 freturn2;6 a[1]=2;7 a=[1, 2, 7];8 a[0]=6;"
                        "9 print[6, 2, 7] x;10 b=6;10 c=[];");
    assert_string_equal(fm_buffer_string(&r.out), "[6, 2, 7] x\n");
    fm_buffer_clear(&seen);
    fm_buffer_clear(&r.out);
}

/* Text that goes as deep as it can in each of the ways that recurse. */
static void nesting_is_bounded_everywhere(void **state) {
    (void)state;
    static const struct {
        const char *before, *each, *behind;
    } ways[] = {{"x = ", "(", "1"},  {"x = ", "[", "1"},     {"x = ", "-", "1"},   {"x = ", "not ", "1"},
                {"x = ", "1+", "1"}, {"x = ", "1**", "1"},   {"x = ", "a[", "1"},  {"x = ", "len(", "1"},
                {"x = ", "a and ", "1"}, {"x = a", "[0]", ""}, {"x = a", ".pop()", ""}, {"x = ", "print(", ")"},
                {"", "if 1:\n", ""}, {"if 1: pass\n", "elif 1: pass\n", ""}, {"x = 1", "<1", ""}, {"", "a,", "b=1"}};
    for (size_t i = 0; i < FM_COUNT(ways); i++) {
        fm_buffer text = {0};
        fm_buffer_text(&text, ways[i].before);
        while (text.size < 100000) fm_buffer_text(&text, ways[i].each);
        fm_buffer_text(&text, ways[i].behind);
        ran r = run_watched(text.data, text.size, "", NULL, NULL);
        assert_true(r.result.end < FM_PROGRAM_ENDS);
        fm_buffer_clear(&r.out);
        fm_buffer_clear(&text);
    }
    char *large = malloc(FM_PROGRAM_TEXT_MAX + 1);
    memset(large, '\n', FM_PROGRAM_TEXT_MAX + 1);
    ran r = run_watched(large, FM_PROGRAM_TEXT_MAX + 1, "", NULL, NULL);
    assert_int_equal(r.result.end, FM_PROGRAM_SYNTAX);
    r = run_watched(large, FM_PROGRAM_TEXT_MAX, "", NULL, NULL);
    assert_int_equal(r.result.end, FM_PROGRAM_DONE);
    free(large);
}

/* Pieces of programs in any order, most of them wrong: whatever comes must end, and the same way twice. */
static void any_text_ends_the_same_way_twice(void **state) {
    (void)state;
    static const char *const pieces[] = {
        "x",      "y",     "f",     "=",       "+=",     "**",   "(",     ")",       "[",         "]",
        ":",      ",",     "\n",    "\n  ",    "\n    ", "if ",  "else",  "elif ",   "while ",    "for ",
        " in ",   "def ",  "return ", "print(", "range(", "9",    "0",     "-",       "*",         "//",
        "%",      "'a'",   ".append(", ".sort()", "not ", " and ", "<",    "==",      "True",      "None",
        "break",  "continue", "len(", "list(", "sorted(", "max(", "#",     "\"",      ".pop()",
    };
    int rounds = soaking() ? 1000000 : sanitized() ? 4000 : 40000;
    for (int i = 0; i < rounds; i++) {
        char text[400];
        size_t n = 0;
        for (int k = 0; k < 30; k++) {
            const char *piece = pieces[fm_rng_at(7, (uint64_t)i, (uint64_t)k).word[0] % FM_COUNT(pieces)];
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", piece);
        }
        fm_program_limits few = {.steps = 2000, .memory = 1 << 16, .depth = 20, .output = 1000};
        ran a = run_watched(text, n, "1\n2\n", &few, NULL), b = run_watched(text, n, "1\n2\n", &few, NULL);
        assert_memory_equal(&a.result, &b.result, sizeof a.result);
        assert_string_equal(fm_buffer_string(&a.out), fm_buffer_string(&b.out));
        assert_true(a.result.steps <= few.steps && a.result.memory <= few.memory);
        fm_buffer_clear(&a.out);
        fm_buffer_clear(&b.out);
    }
}

static void running_out_of_this_machines_memory_is_said(void **state) {
    (void)state;
    const char *text = "def f(a):\n    a.append('x' * 70000)\n    return str(a)\nb = []\n"
                       "print(len(f(b)), ','.join(f(b))[:5])";
    for (int64_t k = 0;; k++) {
        fm_program *p;
        fm_program_result result;
        fm_buffer out = {0};
        fm_mem_fail_from(k);
        fm_status status = fm_program_parse(text, strlen(text), &p, &result, &err);
        if (status == FM_OK) status = fm_program_run(p, "", 0, NULL, NULL, &out, &result, &err);
        fm_mem_fail_from(-1);
        assert_true(status == FM_OK || status == FM_ERR_MEMORY);
        fm_program_free(p);
        fm_buffer_clear(&out);
        if (status == FM_OK) break;
        assert_true(k < 1000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_print_what_they_compute),
        cmocka_unit_test(faults_name_their_line_and_keep_what_was_printed),
        cmocka_unit_test(what_is_no_program_is_refused_with_its_line),
        cmocka_unit_test(limits_end_a_program_and_say_which),
        cmocka_unit_test(input_is_read_line_by_line),
        cmocka_unit_test(a_watcher_is_told_every_step_in_order),
        cmocka_unit_test(nesting_is_bounded_everywhere),
        cmocka_unit_test(any_text_ends_the_same_way_twice),
        cmocka_unit_test(running_out_of_this_machines_memory_is_said),
    };
    return cmocka_run_group_tests_name("rl/program", tests, NULL, NULL);
}
