/* stories.c: word problems of several steps, from families of templates (stories.def) with names, things and
 * sentences that have nothing to do with it. Whole families are held out for the test split. */
#include "rl/task/literal.h"
#include "rl/task/task.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS_MAX = 6, STEPS_MAX = 5, FAMILY_NAME = 24 };

typedef struct stories {
    char family[FAMILY_NAME];
    int64_t numbers[NUMBERS_MAX], n;
    int64_t first, second, thing, aside, aside_number; /* decoration: names, a thing; 0: no sentence aside */
} stories;

typedef struct family {
    const char *name;
    int held_out, band;
    const char *numbers, *text, *question, *steps;
} family;

static const family families[] = {
#define STORY(name, held_out, band, numbers, text, question, steps) \
    {#name, held_out, band, numbers, text, question, steps},
#include "rl/task/stories.def"
#undef STORY
};

static const char *const people[] = {"Anna",  "Ben",   "Carla", "David", "Emma",  "Farid", "Grace", "Hugo",
                                     "Irina", "Jamal", "Kim",   "Li",    "Maria", "Noah",  "Olga",  "Priya"};
static const char *const things[] = {"apples", "marbles", "stickers", "shells", "stamps", "cards", "pencils", "coins",
                                     "beads", "cookies"};

/* Sentences aside; {#} is a number that does not matter. */
static const char *const asides[] = {
    "", "It is {#} degrees outside.", "{A} has {#} cousins.", "The shop next door opened {#} years ago.",
    "{B} lives at number {#}.", "There are {#} windows in the house.", "{A}'s favourite number is {#}."};

static const fm_fact facts[] = {
    FM_FACT_TEXT_OF(stories, family),
    FM_FACT_INTEGERS_OF(stories, numbers, n, 1, 9999),
    FM_FACT_INTEGER_OF(stories, first, 0, FM_COUNT(people) - 1),
    FM_FACT_INTEGER_OF(stories, second, 0, FM_COUNT(people) - 1),
    FM_FACT_INTEGER_OF(stories, thing, 0, FM_COUNT(things) - 1),
    FM_FACT_INTEGER_OF(stories, aside, 0, FM_COUNT(asides) - 1),
    FM_FACT_INTEGER_OF(stories, aside_number, 0, 99),
};

static const char *const bands[] = {
    "two steps with small numbers", "two or three steps", "three steps", "four or five steps",
    "three to five steps with a sentence that does not matter"};

/* Behind the first four, families that are held out. */
static const char *const phrasings[] = {
    "{story} {question}",
    "{story}\n{question}",
    "Problem: {story} {question} Answer with a number.",
    "{question} Here is what is known: {story}",
    "{story} {question}\nGive the number alone.",
    "Think about this. {story} Now: {question}",
};

enum { HELD_OUT = 2 };

static const family *family_of(const char *name) {
    for (size_t i = 0; i < FM_COUNT(families); i++)
        if (!strcmp(families[i].name, name)) return &families[i];
    return NULL;
}

/* ---- steps --------------------------------------------------------------------------------------- */

typedef struct step {
    int64_t left, right, result;
    char sign;
    const char *what; /* up to ';' or the end */
    size_t what_size;
} step;

static int64_t operand(char name, const stories *s, const step *steps) {
    return name >= 'a' ? steps[name - 'a'].result : s->numbers[name - '0'];
}

/* A step such as "0 * 1: what it is". False: the result is no whole number above 0, or too large. */
static bool take_step(const stories *s, step *steps, int n, const char **at) {
    const char *text = *at;
    step *out = &steps[n];
    out->left = operand(text[0], s, steps);
    out->sign = text[2];
    out->right = operand(text[4], s, steps);
    out->what = text + 7;
    out->what_size = strcspn(out->what, ";");
    *at = out->what + out->what_size;
    if (**at == ';') *at += 2;
    switch (out->sign) {
    case '+': out->result = out->left + out->right; break;
    case '-': out->result = out->left - out->right; break;
    case '*': out->result = out->left * out->right; break;
    default:
        out->result = out->left / out->right;
        if (out->left % out->right) return false;
    }
    return out->result > 0 && out->result < 100000000;
}

/* All steps; returns how many, 0 where one has no meaning. */
static int take_steps(const stories *s, const family *f, step *steps) {
    int n = 0;
    for (const char *at = f->steps; *at; n++)
        if (!take_step(s, steps, n, &at)) return 0;
    return n;
}

/* ---- drawing ------------------------------------------------------------------------------------- */

/* "2-12, 20-200*0": the numbers of a family, thrown. */
static void throw_numbers(fm_dice *d, const char *ranges, stories *s) {
    for (const char *at = ranges; *at; s->n++) {
        char *end;
        int64_t least = strtoll(at, &end, 10), most = strtoll(end + 1, &end, 10), times = 1;
        if (*end == '*') times = s->numbers[strtoll(end + 1, &end, 10)];
        s->numbers[s->n] = times * fm_dice_between(d, (least + times - 1) / times, most / times);
        at = *end ? end + 2 : end;
    }
}

/* A family of this band, held out or not: the last band takes those of three steps and more. */
static const family *throw_family(fm_dice *d, int band, bool held_out) {
    for (;;) {
        const family *f = &families[fm_dice_between(d, 0, FM_COUNT(families) - 1)];
        if (f->held_out == held_out && (band < 4 ? f->band == band : f->band >= 2)) return f;
    }
}

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    stories *s = out;
    step steps[STEPS_MAX];
    const family *f = throw_family(d, band, phrasing >= (int)FM_COUNT(phrasings) - HELD_OUT);
    strcpy(s->family, f->name);
    throw_numbers(d, f->numbers, s);
    s->first = fm_dice_between(d, 0, FM_COUNT(people) - 1);
    s->second = (s->first + fm_dice_between(d, 1, FM_COUNT(people) - 1)) % (int64_t)FM_COUNT(people);
    s->thing = fm_dice_between(d, 0, FM_COUNT(things) - 1);
    if (band == 4) {
        s->aside = fm_dice_between(d, 1, FM_COUNT(asides) - 1);
        s->aside_number = fm_dice_between(d, 2, 40);
    }
    return take_steps(s, f, steps) > 0;
}

static int count_numbers(const family *f) {
    int n = 1;
    for (const char *at = f->numbers; (at = strchr(at, ',')); at++) n++;
    return n;
}

static fm_status valid(const void *p, fm_error *err) {
    const stories *s = p;
    step steps[STEPS_MAX];
    const family *f = family_of(s->family);
    if (!f) return fm_fail(err, FM_ERR_FORMAT, "there is no \"family\" %s", s->family);
    if (s->n != count_numbers(f))
        return fm_fail(err, FM_ERR_FORMAT, "%s has %d \"numbers\"", f->name, count_numbers(f));
    if (s->first == s->second) return fm_fail(err, FM_ERR_FORMAT, "\"first\" and \"second\" are one person");
    if (!take_steps(s, f, steps))
        return fm_fail(err, FM_ERR_FORMAT, "a step of %s gives no whole number above 0 with these numbers", f->name);
    return FM_OK;
}

/* ---- words --------------------------------------------------------------------------------------- */

static void fill(const stories *s, const char *text, size_t n, fm_buffer *out) {
    for (const char *end = text + n; text < end;) {
        if (*text != '{') {
            fm_buffer_put(out, text++, 1);
            continue;
        }
        char name = text[1];
        text += 3;
        if (name == 'A') fm_buffer_text(out, people[s->first]);
        else if (name == 'B') fm_buffer_text(out, people[s->second]);
        else if (name == 'x') fm_buffer_text(out, things[s->thing]);
        else fm_buffer_format(out, "%" PRId64, name == '#' ? s->aside_number : s->numbers[name - '0']);
    }
}

static bool slot(const void *p, const char *name, fm_buffer *out) {
    const stories *s = p;
    const family *f = family_of(s->family);
    bool question = !strcmp(name, "question");
    if (!question && strcmp(name, "story")) return false;
    if (!question && s->aside) {
        fill(s, asides[s->aside], strlen(asides[s->aside]), out);
        fm_buffer_text(out, " ");
    }
    const char *text = question ? f->question : f->text;
    fill(s, text, strlen(text), out);
    return true;
}

/* Names, things and what stands aside are decoration. */
static void key(const void *p, fm_buffer *out) {
    const stories *s = p;
    fm_buffer_text(out, s->family);
    for (int i = 0; i < s->n; i++) fm_buffer_format(out, ",%" PRId64, s->numbers[i]);
}

static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const stories *s = p;
    step steps[STEPS_MAX];
    int n = take_steps(s, family_of(s->family), steps);
    for (int i = 0; i < n; i++) {
        fm_buffer_format(working, "%" PRId64 " %c %" PRId64 " = %" PRId64 " (", steps[i].left, steps[i].sign,
                         steps[i].right, steps[i].result);
        fill(s, steps[i].what, steps[i].what_size, working);
        fm_buffer_text(working, ")\n");
    }
    fm_buffer_format(working, "The answer is %" PRId64 "\n", steps[n - 1].result);
    fm_buffer_format(answer, "%" PRId64, steps[n - 1].result);
}

static fm_verdict check(const void *p, const char *answer, size_t size) {
    const stories *s = p;
    step steps[STEPS_MAX];
    int n = take_steps(s, family_of(s->family), steps);
    return fm_literal_check(answer, size, 0, steps[n - 1].result, 1);
}

const fm_task_kind fm_task_stories = {
    .name = "stories",
    .answer = "a whole number, without its unit",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = HELD_OUT,
    .size = sizeof(stories), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .slot = slot, .key = key, .solve = solve, .check = check,
};
