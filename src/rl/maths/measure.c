#include "rl/maths/measure.h"

#include <string.h>

typedef struct unit_row {
    const char *names;
    int64_t numerator, denominator;
    int dimension[FM_UNIT_DIMENSIONS];
} unit_row;

static const unit_row table[] = {
#define UNIT(names, numerator, denominator, ...) {names, numerator, denominator, {__VA_ARGS__}},
#include "rl/maths/measure.def"
#undef UNIT
};
enum { ROWS = sizeof table / sizeof table[0], NAME_MAX_BYTES = 24 };

/* `name` among the names that bars separate; a plural "s" behind three letters and more is read
 * over. */
static bool is_named(const char *names, const char *name, size_t n) {
    for (const char *at = names; *at;) {
        size_t length = strcspn(at, "|");
        if (length == n && memcmp(at, name, n) == 0) return true;
        if (length >= 3 && n == length + 1 && name[length] == 's' && memcmp(at, name, length) == 0)
            return true;
        at += length + (at[length] == '|');
    }
    return false;
}

static const unit_row *find(const char *s, size_t n) {
    if (n == 0 || n > NAME_MAX_BYTES) return NULL;
    for (int i = 0; i < ROWS; i++)
        if (is_named(table[i].names, s, n)) return &table[i];
    return NULL;
}

bool fm_unit_known(const char *s, size_t n) { return find(s, n) != NULL; }

bool fm_unit_is_operation(const char *s, size_t n) {
    static const char words[] = "|squared|cubed|factorial|half|halves|third|thirds|fourth|fourths|"
                                "quarter|quarters|fifth|fifths|"
                                "sixth|sixths|seventh|sevenths|eighth|eighths|ninth|ninths|tenth|"
                                "tenths|hundredth|hundredths|"
                                "thousandth|thousandths|times|plus|minus|over|point|less|more|not|"
                                "wrong|double|triple|twice|mod|"
                                "hundreds|choose|divided|multiplied|least|most|";
    if (n == 0 || n > NAME_MAX_BYTES) return false;
    for (const char *at = words; (at = strchr(at, '|')) && at[1]; at++)
        if (strncmp(at + 1, s, n) == 0 && at[n + 1] == '|') return true;
    return false;
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct reader {
    const char *s, *end;
} reader;

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static bool take(reader *r, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(r->end - r->s) < n || memcmp(r->s, word, n) != 0) return false;
    if (is_letter(word[n - 1]) && r->s + n < r->end && is_letter(r->s[n])) return false;
    r->s += n;
    return true;
}

/* White space, braces, spaces of TeX and what makes letters upright mean nothing here. */
static void skip_nothing(reader *r) {
    static const char *const words[] = {
        "\\text", "\\mathrm", "\\textrm", "\\mbox", "\\operatorname", "\\rm", "\\,",
        "\\;",    "\\:",      "\\!",      "\\ ",    "\\quad"};
    for (bool moved = true; moved && r->s < r->end;) {
        moved = memchr(" \t\r\n{}~", *r->s, 8) != NULL;
        if (moved) r->s++;
        for (size_t i = 0; !moved && i < sizeof words / sizeof words[0]; i++)
            moved = take(r, words[i]);
    }
}

/* "^2", "^{-1}"; 1 where there is none; 0: not a power that units have. */
static int read_power(reader *r) {
    skip_nothing(r);
    if (!take(r, "^")) return 1;
    skip_nothing(r);
    int sign = take(r, "-") ? -1 : 1;
    if (r->s == r->end || *r->s < '1' || *r->s > '9') return 0;
    int power = *r->s++ - '0';
    if (r->s < r->end && *r->s >= '0' && *r->s <= '9') return 0;
    return sign * power;
}

static int read_prefix(reader *r) {
    skip_nothing(r);
    if (take(r, "square") || take(r, "sq.") || take(r, "sq")) return 2;
    if (take(r, "cubic") || take(r, "cu.") || take(r, "cu")) return 3;
    return 1;
}

/* One unit with its power. */
static bool read_factor(reader *r, int sign, fm_unit *unit) {
    int power = read_prefix(r);
    skip_nothing(r);
    const char *name = r->s;
    if (r->s < r->end && *r->s == '\\') r->s++; /* \% and \$ */
    if (r->s < r->end && (*r->s == '%' || *r->s == '$'))
        name = r->s++;
    else
        while (r->s < r->end && is_letter(*r->s)) r->s++;
    const unit_row *row = find(name, (size_t)(r->s - name));
    int raised = row ? read_power(r) : 0;
    if (raised == 0 || (power != 1 && raised != 1) || unit->n_factors == FM_UNIT_FACTORS)
        return false;
    power *= raised * sign;
    unit->factor[unit->n_factors].numerator = row->numerator;
    unit->factor[unit->n_factors].denominator = row->denominator;
    bool percent = *row->names == '%', number = !percent;
    for (int i = 0; i < FM_UNIT_DIMENSIONS; i++) number = number && row->dimension[i] == 0;
    unit->factor[unit->n_factors].number = number;
    unit->factor[unit->n_factors++].power = power;
    for (int i = 0; i < FM_UNIT_DIMENSIONS; i++) unit->dimension[i] += row->dimension[i] * power;
    unit->percent = unit->n_factors == 1 && percent && power == 1;
    return true;
}

bool fm_unit_read(const char *s, size_t n, fm_unit *unit) {
    reader r = {s, s + n};
    memset(unit, 0, sizeof *unit);
    for (int sign = 1;;) {
        if (!read_factor(&r, sign, unit)) return false;
        if (sign < 0)
            sign = 1; /* "m/s kg" is no habit worth reading as m kg/s: one slash, one factor */
        skip_nothing(&r);
        if (r.s == r.end || (*r.s == '.' && r.s + 1 == r.end)) return true;
        if (take(&r, "/") || take(&r, "per"))
            sign = -1;
        else if (!take(&r, "*"))
            (void)take(&r, "\\cdot");
    }
}
