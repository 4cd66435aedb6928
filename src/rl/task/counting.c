/* counting.c: how many letters, numbers or different items there are of some sort, counted one by one. */
#include "rl/task/digits.h"
#include "rl/task/literal.h"
#include "rl/task/task.h"
#include "rl/task/word_list.h"

#include <inttypes.h>
#include <string.h>

enum { NUMBERS_MAX = 24, TEXT_MAX = 64 };

enum { LETTER, VOWELS, ABOVE, BELOW, EVEN, MULTIPLES, DIFFERENT, DIGIT, KINDS };

typedef struct counting {
    int64_t what;                    /* LETTER, ... */
    int64_t by;                      /* a letter (its place in the alphabet, from 0), a bound, a divisor, a digit */
    int64_t numbers[NUMBERS_MAX], n; /* of ABOVE to DIFFERENT */
    char text[TEXT_MAX];             /* of LETTER and VOWELS: words; of DIGIT: digits */
} counting;

static const fm_fact facts[] = {
    FM_FACT_INTEGER_OF(counting, what, LETTER, KINDS - 1),
    FM_FACT_INTEGER_OF(counting, by, -999, 999),
    FM_FACT_INTEGERS_OF(counting, numbers, n, -999, 999),
    FM_FACT_TEXT_OF(counting, text),
};

static const char *const bands[] = {
    "a letter in a word", "a letter or the vowels in two words", "numbers above, below, even: 8 to 12 of them",
    "multiples or different numbers: 10 to 16 of them", "a digit in 20 to 40, or 16 to 24 numbers"};

static const char *const phrasings[] = {
    "How many {what} are there in {items}?",
    "Count the {what} in {items}.",
    "{items}: how many {what} do you find?",
    "Find the number of {what} in {items}.",
    "Look at {items}. What is the count of {what}?",
    "I see {items}. Tell me how many {what} there are.",
};

static bool of_text(const counting *c) { return c->what == LETTER || c->what == VOWELS || c->what == DIGIT; }

static void generate_numbers(counting *c, fm_dice *d, int fewest, int most) {
    c->n = fm_dice_between(d, fewest, most);
    int64_t high = c->what == DIFFERENT ? c->n : 99;
    for (int i = 0; i < c->n; i++) c->numbers[i] = fm_dice_between(d, 1, high);
    if (c->what == ABOVE || c->what == BELOW) c->by = fm_dice_between(d, 20, 80);
    if (c->what == MULTIPLES) c->by = fm_dice_between(d, 3, 9);
}

static void generate_digits(counting *c, fm_dice *d) {
    int n = (int)fm_dice_between(d, 20, 40);
    for (int i = 0; i < n; i++) c->text[i] = (char)('0' + fm_dice_between(d, 0, 9));
    c->what = DIGIT;
    c->by = c->text[fm_dice_between(d, 0, n - 1)] - '0';
}

static bool generate(int band, int phrasing, fm_dice *d, void *out) {
    counting *c = out;
    (void)phrasing;
    switch (band) {
    case 0:
    case 1:
        c->what = band == 1 && fm_dice_chance(d, 1, 2) ? VOWELS : LETTER;
        if (!fm_task_words(d, band + 1, 5, 10, c->text, sizeof c->text)) return false;
        if (c->what == LETTER) { /* one in four does not occur */
            char letter = c->text[fm_dice_between(d, 0, (int64_t)strlen(c->text) - 1)];
            c->by = letter == ' ' || fm_dice_chance(d, 1, 4) ? fm_dice_between(d, 0, 25) : letter - 'a';
        }
        return true;
    case 2: c->what = fm_dice_between(d, ABOVE, EVEN); generate_numbers(c, d, 8, 12); return true;
    case 3: c->what = fm_dice_between(d, MULTIPLES, DIFFERENT); generate_numbers(c, d, 10, 16); return true;
    default:
        if (fm_dice_chance(d, 1, 2)) generate_digits(c, d);
        else c->what = fm_dice_between(d, ABOVE, DIFFERENT), generate_numbers(c, d, 16, NUMBERS_MAX);
        return true;
    }
}

static fm_status valid(const void *p, fm_error *err) {
    const counting *c = p;
    static const int64_t least[KINDS] = {[MULTIPLES] = 1, [ABOVE] = -999, [BELOW] = -999};
    static const int64_t most[KINDS] = {[LETTER] = 25, [ABOVE] = 999, [BELOW] = 999, [MULTIPLES] = 999, [DIGIT] = 9};
    const char *letters = c->what == DIGIT ? "0123456789" : "abcdefghijklmnopqrstuvwxyz ";
    if (c->by < least[c->what] || c->by > most[c->what])
        return fm_fail(err, FM_ERR_FORMAT, "\"by\" is from %" PRId64 " to %" PRId64 " here", least[c->what],
                       most[c->what]);
    if (of_text(c) != (c->text[0] != 0) || of_text(c) == (c->n > 0))
        return fm_fail(err, FM_ERR_FORMAT, "either \"text\" or \"numbers\" is counted in, and the other is empty");
    if (strspn(c->text, letters) != strlen(c->text))
        return fm_fail(err, FM_ERR_FORMAT, "\"text\" has small letters and blanks, or digits alone");
    return FM_OK;
}

static void put_what(const counting *c, fm_buffer *out) {
    switch (c->what) {
    case LETTER: fm_buffer_format(out, "letters \"%c\"", (char)('a' + c->by)); break;
    case VOWELS: fm_buffer_text(out, "vowels (a, e, i, o, u)"); break;
    case ABOVE: fm_buffer_format(out, "numbers greater than %" PRId64, c->by); break;
    case BELOW: fm_buffer_format(out, "numbers less than %" PRId64, c->by); break;
    case EVEN: fm_buffer_text(out, "even numbers"); break;
    case MULTIPLES: fm_buffer_format(out, "multiples of %" PRId64, c->by); break;
    case DIFFERENT: fm_buffer_text(out, "different numbers"); break;
    default: fm_buffer_format(out, "digits \"%" PRId64 "\"", c->by);
    }
}

static bool slot(const void *p, const char *name, fm_buffer *out) {
    const counting *c = p;
    if (!strcmp(name, "what")) put_what(c, out);
    else if (strcmp(name, "items")) return false;
    else if (of_text(c)) fm_buffer_format(out, "\"%s\"", c->text);
    else
        for (int i = 0; i < c->n; i++) fm_buffer_format(out, i ? ", %" PRId64 : "%" PRId64, c->numbers[i]);
    return true;
}

/* What the order of the items does not change. */
static void key(const void *p, fm_buffer *out) {
    const counting *c = p;
    fm_buffer_format(out, "%" PRId64 " by %" PRId64 " in ", c->what, c->by);
    if (!of_text(c)) {
        fm_digits_sorted_key(c->numbers, (size_t)c->n, ",", out);
        return;
    }
    int times[128] = {0};
    for (const char *s = c->text; *s; s++) times[(unsigned char)*s & 127]++;
    for (int letter = '0'; letter <= 'z'; letter++)
        if (times[letter]) fm_buffer_format(out, "%c%d", letter, times[letter]);
}

static int items(const counting *c) { return of_text(c) ? (int)strlen(c->text) : (int)c->n; }

/* Is item i one of those that are counted? */
static bool counts(const counting *c, int i) {
    char letter = of_text(c) ? c->text[i] : 0;
    int64_t x = of_text(c) ? 0 : c->numbers[i];
    switch (c->what) {
    case LETTER: return letter == 'a' + c->by;
    case VOWELS: return letter && strchr("aeiou", letter);
    case DIGIT: return letter == '0' + c->by;
    case ABOVE: return x > c->by;
    case BELOW: return x < c->by;
    case EVEN: return x % 2 == 0;
    case MULTIPLES: return x % c->by == 0;
    default:
        for (int k = 0; k < i; k++)
            if (c->numbers[k] == x) return false;
        return true;
    }
}

/* Each item with yes and the count so far, or no. */
static void solve(const void *p, fm_buffer *working, fm_buffer *answer) {
    const counting *c = p;
    int so_far = 0;
    for (int i = 0; i < items(c); i++) {
        if (of_text(c) && c->text[i] == ' ') continue;
        if (of_text(c)) fm_buffer_format(working, "%c: ", c->text[i]);
        else fm_buffer_format(working, "%" PRId64 ": ", c->numbers[i]);
        if (!counts(c, i)) fm_buffer_text(working, c->what == DIFFERENT ? "seen before\n" : "no\n");
        else fm_buffer_format(working, c->what == DIFFERENT ? "new, %d\n" : "yes, %d\n", ++so_far);
    }
    fm_buffer_format(working, "The count is %d\n", so_far);
    fm_buffer_format(answer, "%d", so_far);
}

static fm_verdict check(const void *p, const char *answer, size_t size) {
    const counting *c = p;
    int n = 0;
    for (int i = 0; i < items(c); i++) n += counts(c, i);
    return fm_literal_check(answer, size, 0, n, 1);
}

const fm_task_kind fm_task_counting = {
    .name = "counting",
    .answer = "a whole number",
    .bands = bands, .n_bands = FM_COUNT(bands),
    .phrasings = phrasings, .n_phrasings = FM_COUNT(phrasings), .n_held_out = 2,
    .size = sizeof(counting), .facts = facts, .n_facts = FM_COUNT(facts),
    .generate = generate, .valid = valid, .slot = slot, .key = key, .solve = solve, .check = check,
};
