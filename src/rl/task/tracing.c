/* tracing.c: what does this program print? Programs are drawn in the small language (docs/program.md), and its
 * interpreter is what decides. */
#include "rl/program/language.h"
#include "rl/program/program_builtins.h"
#include "rl/program/program_lex.h"
#include "rl/task/task.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 1500, OUTPUT_MAX = 200, EVENTS_MAX = 90 };

typedef struct tracing {
    char program[TEXT_MAX]; /* prints one line */
} tracing;

static const fm_fact facts[] = {FM_FACT_TEXT_OF(tracing, program)};

static const char *const bands[] = {
    "three to five assignments", "assignments and conditions", "a loop over a range", "loops and a list",
    "functions, recursion, loops in loops"};

static const char *const phrasings[] = {
    "What does this program print?\n\n{program}",
    "{program}\n\nWrite what this program prints.",
    "Trace the program and give its output:\n\n{program}",
    "Here is some Python.\n\n{program}\n\nWhat is printed?",
    "Run this in your head:\n\n{program}\n\nThe output is?",
    "A friend runs the following code. What appears on the screen?\n\n{program}",
};

static const fm_program_limits limits = {.steps = 4000, .memory = 1 << 16, .depth = 20, .output = OUTPUT_MAX};

/* ---- drawing programs ---------------------------------------------------------------------------- */

typedef struct drawing {
    fm_dice *dice;
    fm_buffer text;
    char names[4];  /* of variables that have values: [0, n) */
    char last;     /* the one that was given a value last */
    int n, indent;
} drawing;

/* One throw to a line: the order of throws makes the program, and C leaves open that of arguments. */
static int throw(drawing *w, int least, int most) { return (int)fm_dice_between(w->dice, least, most); }
static char any_name(drawing *w) { return w->names[throw(w, 0, w->n - 1)]; }

static void put(drawing *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(drawing *w, const char *format, ...) {
    char line[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fm_buffer_format(&w->text, "%*s%s\n", 4 * w->indent, "", line);
}

/* "x + 3", "x * y", "7 - x", "x // 2": small steps with a small result. */
static void put_value(drawing *w, char *out, size_t size) {
    char a = any_name(w), b = any_name(w);
    int k = throw(w, 1, 9), small = throw(w, 2, 5);
    switch (throw(w, 0, 7)) {
    case 0: snprintf(out, size, "%c + %c", a, b); break;
    case 1: snprintf(out, size, "%c - %c", a, b); break;
    case 2: snprintf(out, size, "%c * %d", a, small); break;
    case 3: snprintf(out, size, "%c // %d", a, small); break;
    case 4: snprintf(out, size, "%c %% %d", a, small + 1); break;
    case 5: snprintf(out, size, "%d - %c", k, a); break;
    case 6: snprintf(out, size, "%c * %d + %c", a, small, b); break;
    default: snprintf(out, size, "%c + %d", a, k);
    }
}

static void put_condition(drawing *w, char *out, size_t size) {
    static const char *const relations[] = {"<", "<=", ">", ">=", "==", "!="};
    const char *relation = relations[throw(w, 0, 5)];
    char a = any_name(w), b = any_name(w);
    int form = throw(w, 0, 5), divisor = throw(w, 2, 3), bound = throw(w, 0, 12);
    if (form < 2) snprintf(out, size, "%c %% %d == %d", a, divisor, bound % 2);
    else if (form < 4) snprintf(out, size, "%c %s %c", a, relation, b);
    else snprintf(out, size, "%c %s %d", a, relation, bound);
}

static void put_begin(drawing *w, int n) {
    for (w->n = 0; w->n < n; w->n++) put(w, "%c = %d", w->names[w->n], throw(w, 1, 12));
}

static void put_assignment(drawing *w) {
    char result[60];
    static const char *const changes[] = {"+=", "-=", "*="};
    char name = any_name(w);
    int form = throw(w, 0, 11), by = throw(w, 2, 6);
    w->last = name;
    if (form < 3) {
        put(w, "%c %s %d", name, changes[form], by);
        return;
    }
    put_value(w, result, sizeof result);
    put(w, "%c = %s", name, result);
}

static void put_if(drawing *w) {
    char condition[60];
    put_condition(w, condition, sizeof condition);
    put(w, "if %s:", condition);
    w->indent++;
    put_assignment(w);
    w->indent--;
    if (throw(w, 0, 2) == 0) return;
    put(w, "else:");
    w->indent++;
    put_assignment(w);
    w->indent--;
}

static void put_print(drawing *w) {
    char other = any_name(w);
    if (other != w->last && throw(w, 0, 2)) put(w, "print(%c, %c)", w->last, other);
    else put(w, "print(%c)", w->last);
}

static void put_for(drawing *w, bool nested) {
    char i = "ijk"[w->indent % 3];
    int begin = throw(w, -3, 3), times = throw(w, 2, nested ? 3 : 5);
    if (begin <= 0) put(w, "for %c in range(%d):", i, times);
    else put(w, "for %c in range(%d, %d):", i, begin, begin + times);
    w->indent++;
    char a = w->last = any_name(w);
    switch (throw(w, 0, 3)) {
    case 0: put(w, "%c = %c + %c", a, a, i); break;
    case 1: put(w, "%c = %c - 2 * %c", a, a, i); break;
    case 2: put(w, "%c += %c * %c", a, i, i); break;
    default: put(w, "%c = %c * 2 - %c", a, a, i);
    }
    if (nested) put_for(w, false);
    else if (throw(w, 0, 1)) put_if(w);
    else if (throw(w, 0, 1)) put_assignment(w);
    w->indent--;
}

static void put_while(drawing *w) {
    char a = w->names[0], b = w->last = w->names[1];
    int form = throw(w, 0, 2), large = throw(w, 100, 9999), two = throw(w, 10, 99), small = throw(w, 4, 40);
    switch (form) {
    case 0: /* doubling */
        put(w, "while %c < %d:", a, 20 + two);
        w->indent++;
        put(w, "%c = %c * 2 + %d", a, a, small % 4);
        put(w, "%c += 1", b);
        break;
    case 1: /* the digits of a number */
        put(w, "%c = %d", a, large);
        put(w, "while %c > 0:", a);
        w->indent++;
        put(w, "%c = %c + %c %% 10", b, b, a);
        put(w, "%c = %c // 10", a, a);
        break;
    default: /* Euclid's algorithm */
        put(w, "%c, %c = %d, %d", a, b, two, small);
        put(w, "while %c != 0:", b);
        w->indent++;
        put(w, "%c, %c = %c, %c %% %c", a, b, b, a, b);
    }
    w->indent--;
}

static void put_list(drawing *w) {
    fm_buffer items = {0};
    char a = w->names[0];
    int n = throw(w, 3, 6), form = throw(w, 0, 4), place = throw(w, 0, 2), times = throw(w, 2, 4);
    for (int i = 0; i < n; i++) fm_buffer_format(&items, i ? ", %d" : "%d", throw(w, 0, 15));
    put(w, "p = [%s]", fm_buffer_string(&items));
    fm_buffer_clear(&items);
    switch (form) {
    case 0: put(w, "p.append(%c)\np[1] = p[0] + p[-1]\n%c = sum(p)", a, a); break;
    case 1: put(w, "for x in p:\n    if x > %c:\n        %c += x", a, a); break;
    case 2: put(w, "for i in range(len(p)):\n    p[i] = p[i] * 2 - i\n%c = max(p) - min(p)", a); break;
    case 3: put(w, "q = []\nfor x in p:\n    if x %% 2 == 0:\n        q.append(x + %c)\n%c = len(q)", a, a); break;
    default: put(w, "p.sort()\n%c = p[%d] * %d + p[-1]\np.pop()", a, place, times);
    }
    put(w, throw(w, 0, 1) ? "print(p, %c)" : "print(%c, p)", a);
}

static void put_function(drawing *w) {
    char a = w->last = w->names[0], b = w->names[1];
    int form = throw(w, 0, 3), k = throw(w, 1, 5), m = throw(w, 2, 4), n = throw(w, 3, 6), step = throw(w, 1, 2);
    switch (form) {
    case 0:
        put(w, "def f(x, y):\n    if x > y:\n        return x - y\n    return x * %d + y", m);
        put_begin(w, 2);
        put(w, "%c = f(%c, %c)\n%c = f(%c, %d)", a, a, b, b, a, k);
        break;
    case 1:
        put(w, "def f(n):\n    if n <= 0:\n        return %d\n    return n %s f(n - %d)", k, m > 2 ? "+" : "*", step);
        put_begin(w, 2);
        put(w, "%c = f(%d)", a, n);
        break;
    case 2:
        put(w, "def f(n):\n    if n < 2:\n        return n + %d\n    return f(n - 1) + f(n - 2)", k - 1);
        put_begin(w, 2);
        put(w, "%c = f(%d)", a, n > 5 ? 5 : n);
        break;
    default:
        put(w, "def f(x):\n    s = 0\n    for i in range(x):\n        s += i * %d\n    return s", m);
        put_begin(w, 2);
        put(w, "%c = f(%d) - %c\n%c = f(%d)", a, n - 1, b, b, k + 1);
    }
    if (throw(w, 0, 1)) put_if(w);
}

static void put_program(drawing *w, int band) {
    switch (band) {
    case 0:
        put_begin(w, throw(w, 2, 3));
        for (int i = throw(w, 1, 3); i > 0; i--) put_assignment(w);
        break;
    case 1:
        put_begin(w, throw(w, 2, 3));
        put_assignment(w);
        put_if(w);
        put_if(w);
        break;
    case 2:
        put_begin(w, throw(w, 2, 3));
        put_for(w, false);
        if (throw(w, 0, 1)) put_assignment(w);
        break;
    case 3:
        put_begin(w, 2);
        if (throw(w, 0, 1)) put_while(w);
        else {
            put_list(w);
            return;
        }
        break;
    default:
        if (throw(w, 0, 2)) put_function(w);
        else put_begin(w, 2), put_for(w, true);
    }
    put_print(w);
}

/* ---- running them -------------------------------------------------------------------------------- */

typedef struct watched {
    const char *program;
    fm_buffer *out;      /* NULL: only count */
    int events;
} watched;

/* The program's line without its spaces at both ends. */
static void put_line(const char *program, int line, fm_buffer *out) {
    for (int i = 1; i < line && program; i++) program = strchr(program, '\n') + 1;
    program += strspn(program, " ");
    fm_buffer_put(out, program, strcspn(program, "\n"));
}

static void see(void *context, const fm_program_event *e) {
    static const char *const before[] = {
        [FM_PROGRAM_ASSIGNED] = "", [FM_PROGRAM_TESTED] = "", [FM_PROGRAM_CALLED] = "call ",
        [FM_PROGRAM_RETURNED] = "", [FM_PROGRAM_PRINTED] = "prints "};
    static const char *const between[] = {
        [FM_PROGRAM_ASSIGNED] = " = ", [FM_PROGRAM_TESTED] = "", [FM_PROGRAM_CALLED] = "(",
        [FM_PROGRAM_RETURNED] = " gives ", [FM_PROGRAM_PRINTED] = ""};
    watched *w = context;
    w->events++;
    if (!w->out) return;
    fm_buffer_format(w->out, "%d. ", e->line);
    put_line(w->program, e->line, w->out);
    fm_buffer_format(w->out, " | %s%s%s%s%s\n", before[e->kind], e->name ? e->name : "", between[e->kind],
                     e->value ? e->value : "", e->kind == FM_PROGRAM_CALLED ? ")" : "");
}

/* Runs it, watched by `w` unless that is NULL; the line that it prints, without the line's end, is added to `line`. */
static fm_status run_program(const char *source, watched *w, fm_buffer *line, fm_program_result *result,
                             fm_error *err) {
    fm_program *program;
    fm_program_watch watch = {see, w};
    size_t begin = line->size;
    FM_TRY(fm_program_parse(source, strlen(source), &program, result, err));
    if (!program) return FM_OK;
    fm_status status = fm_program_run(program, "", 0, &limits, w ? &watch : NULL, line, result, err);
    fm_program_free(program);
    while (line->size > begin && strchr("\n ", line->data[line->size - 1])) line->size--;
    return status;
}

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    tracing *t = out;
    (void)phrasing;
    static const char letters[] = "abcdmnstuvwyz";
    int64_t order[sizeof letters - 1];
    drawing w = {.dice = d};
    for (size_t i = 0; i < FM_COUNT(order); i++) order[i] = letters[i];
    fm_dice_shuffle(d, order, FM_COUNT(order));
    for (int i = 0; i < 4; i++) w.names[i] = (char)order[i];
    put_program(&w, band);
    bool good = !w.text.failed && w.text.size <= TEXT_MAX;
    if (good) memcpy(t->program, w.text.data, w.text.size - 1); /* without the last line feed */
    fm_buffer_clear(&w.text);
    if (!good) return false;
    watched seen = {.program = t->program};
    fm_buffer line = {0};
    fm_program_result result;
    good = run_program(t->program, &seen, &line, &result, NULL) == FM_OK && result.end == FM_PROGRAM_DONE &&
           seen.events <= EVENTS_MAX && line.size <= 60;
    for (size_t i = 0, digits = 0; good && i < line.size; i++) { /* numbers of at most five digits */
        digits = line.data[i] >= '0' && line.data[i] <= '9' ? digits + 1 : 0;
        good = digits <= 5;
    }
    fm_buffer_clear(&line);
    return good;
}

static fm_status valid(const void *p, fm_error *err) {
    const tracing *t = p;
    fm_buffer line = {0};
    fm_program_result result;
    fm_status status = run_program(t->program, NULL, &line, &result, err);
    if (status == FM_OK && result.end != FM_PROGRAM_DONE)
        status = fm_fail(err, FM_ERR_FORMAT, "\"program\" does not run to its end: line %d: %s", result.line,
                         result.message);
    bool plain = line.size > 0;
    for (size_t i = 0; i < line.size; i++) plain &= line.data[i] >= 32 && line.data[i] < 127;
    if (status == FM_OK && !plain)
        status = fm_fail(err, FM_ERR_FORMAT, "\"program\" must print one line of plain letters");
    fm_buffer_clear(&line);
    return status;
}

/* The program's tokens, with its names in the order in which they come: layout and names mean nothing. */
static void key(const void *p, fm_buffer *out) {
    const tracing *t = p;
    fm_arena arena = {0};
    fm_program_result result = {0};
    reading r = {.arena = &arena, .result = &result};
    lexed l = {0};
    out->failed |= !fm_program_lex(&r, t->program, strlen(t->program), &l) && r.no_memory;
    int64_t *number = fm_arena_array(&arena, (size_t)l.n_names + 1, sizeof *number), names = 0;
    out->failed |= !number;
    for (size_t i = 0; number && i < l.count; i++) {
        const token *k = &l.tokens[i];
        const char *name = k->kind == TOKEN_NAME ? l.names[k->number].text : "";
        bool own = k->kind == TOKEN_NAME && strcmp(name, "print") && fm_builtin_find(name, false) < 0 &&
                   fm_builtin_find(name, true) < 0;
        if (own && !number[k->number]) number[k->number] = ++names;
        switch (k->kind) {
        case TOKEN_NAME:
            if (own) fm_buffer_format(out, "n%" PRId64 " ", number[k->number]);
            else fm_buffer_format(out, "%s ", name);
            break;
        case TOKEN_NUMBER: fm_buffer_format(out, "%" PRId64 " ", k->number); break;
        case TOKEN_TEXT: fm_buffer_format(out, "'%.*s' ", (int)k->n, k->text); break;
        case TOKEN_WORD: fm_buffer_format(out, "%s ", fm_program_word((word)k->word)); break;
        case TOKEN_SIGN: fm_buffer_text(out, fm_program_sign((sign)k->sign)); break;
        default: fm_buffer_text(out, k->kind == TOKEN_NEWLINE ? ";" : k->kind == TOKEN_INDENT ? "{" : "}");
        }
    }
    fm_arena_clear(&arena);
}

/* Line after line as it runs: what each gives, tests or calls. */
static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const tracing *t = p;
    watched seen = {.program = t->program, .out = working};
    fm_program_result result;
    if (run_program(t->program, &seen, answer, &result, NULL) != FM_OK) answer->failed = true;
    fm_buffer_format(working, "The output is %s\n", fm_buffer_string(answer));
}

/* Single blanks, and none beside commas and brackets. */
static void squeeze(const char *s, size_t n, fm_buffer *out) {
    bool gap = false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == ' ' || s[i] == '\t') {
            gap = true;
            continue;
        }
        bool apart = gap && out->size && !strchr(",[]", s[i]) && !strchr(",[]", out->data[out->size - 1]);
        if (apart) fm_buffer_text(out, " ");
        fm_buffer_put(out, s + i, 1);
        gap = false;
    }
}

static fm_verdict check(const void *p, const char *answer, size_t size) {
    const tracing *t = p;
    fm_buffer line = {0}, printed = {0}, given = {0};
    fm_program_result result;
    fm_status status = run_program(t->program, NULL, &line, &result, NULL);
    if (size > 2 * OUTPUT_MAX) size = 0; /* longer than anything that is printed */
    squeeze(fm_buffer_string(&line), line.size, &printed);
    squeeze(answer, size, &given);
    bool decided = status == FM_OK && !line.failed && !printed.failed && !given.failed;
    bool right = decided && !strcmp(fm_buffer_string(&printed), fm_buffer_string(&given));
    fm_buffer_clear(&line);
    fm_buffer_clear(&printed);
    fm_buffer_clear(&given);
    return !decided ? FM_UNDECIDED : right ? FM_RIGHT : FM_WRONG;
}

const fm_task_kind fm_task_tracing = {
    .name = "tracing",
    .answer = "what is printed, one line; blanks beside commas and brackets do not count",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 2,
    .size = sizeof(tracing), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .slot = NULL, .key = key, .solve = solve, .check = check,
};
