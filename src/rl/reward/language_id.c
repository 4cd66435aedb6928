#include "rl/reward/language_id.h"

#include "base/unicode.h"
#include "rl/reward/parts.h"
#include "rl/reward/rules.h"

#include <string.h>

typedef enum script {
    OTHER, LATIN, GREEK, CYRILLIC, ARMENIAN, HEBREW, ARABIC, DEVANAGARI, BENGALI, TAMIL, TELUGU, THAI, GEORGIAN,
    HANGUL, KANA, HAN, SCRIPTS,
} script;

/* Blocks of letters, in order. What lies between counts as OTHER. */
static const struct {
    uint32_t from, to;
    script script;
} blocks[] = {
    {0x41, 0x24F, LATIN},        {0x250, 0x2AF, LATIN},       {0x370, 0x3FF, GREEK},        {0x400, 0x52F, CYRILLIC},
    {0x531, 0x58F, ARMENIAN},    {0x590, 0x5FF, HEBREW},      {0x600, 0x6FF, ARABIC},       {0x750, 0x77F, ARABIC},
    {0x8A0, 0x8FF, ARABIC},      {0x900, 0x97F, DEVANAGARI},  {0x980, 0x9FF, BENGALI},      {0xB80, 0xBFF, TAMIL},
    {0xC00, 0xC7F, TELUGU},      {0xE00, 0xE7F, THAI},        {0x10A0, 0x10FF, GEORGIAN},   {0x1100, 0x11FF, HANGUL},
    {0x1C80, 0x1C8F, CYRILLIC},  {0x1E00, 0x1EFF, LATIN},     {0x1F00, 0x1FFF, GREEK},      {0x2DE0, 0x2DFF, CYRILLIC},
    {0x3005, 0x3007, HAN},       {0x3040, 0x30FF, KANA},      {0x3130, 0x318F, HANGUL},     {0x31F0, 0x31FF, KANA},
    {0x3400, 0x4DBF, HAN},       {0x4E00, 0x9FFF, HAN},       {0xA640, 0xA69F, CYRILLIC},   {0xAC00, 0xD7FF, HANGUL},
    {0xF900, 0xFAFF, HAN},       {0xFB1D, 0xFB4F, HEBREW},    {0xFB50, 0xFDFF, ARABIC},     {0xFE70, 0xFEFF, ARABIC},
    {0xFF21, 0xFF5A, LATIN},     {0xFF66, 0xFF9F, KANA},      {0x1D400, 0x1D7FF, LATIN},    {0x20000, 0x323AF, HAN},
};

static script script_of(uint32_t c) {
    size_t low = 0, high = FM_COUNT(blocks);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > blocks[middle].to) low = middle + 1;
        else high = middle;
    }
    return low < FM_COUNT(blocks) && c >= blocks[low].from ? blocks[low].script : OTHER;
}

/* The Latin ones first: their places are the bits of language_words.def. */
enum { EN, DE, FR, ES, IT, PT, NL, SV, PL, TR, ID, VI, LATIN_LANGUAGES };

enum {
    IN_EN = 1 << EN, IN_DE = 1 << DE, IN_FR = 1 << FR, IN_ES = 1 << ES, IN_IT = 1 << IT, IN_PT = 1 << PT,
    IN_NL = 1 << NL, IN_SV = 1 << SV, IN_PL = 1 << PL, IN_TR = 1 << TR, IN_ID = 1 << ID, IN_VI = 1 << VI,
};

static const struct {
    const char *code;
    unsigned scripts; /* bits */
} languages[] = {
    {"en", 1 << LATIN},      {"de", 1 << LATIN},    {"fr", 1 << LATIN},   {"es", 1 << LATIN},
    {"it", 1 << LATIN},      {"pt", 1 << LATIN},    {"nl", 1 << LATIN},   {"sv", 1 << LATIN},
    {"pl", 1 << LATIN},      {"tr", 1 << LATIN},    {"id", 1 << LATIN},   {"vi", 1 << LATIN},
    {"zh", 1 << HAN},        {"ja", 1 << HAN | 1 << KANA},                {"ko", 1 << HANGUL},
    {"ru", 1 << CYRILLIC},   {"uk", 1 << CYRILLIC}, {"bg", 1 << CYRILLIC}, {"el", 1 << GREEK},
    {"hy", 1 << ARMENIAN},   {"he", 1 << HEBREW},   {"ar", 1 << ARABIC},  {"fa", 1 << ARABIC},
    {"hi", 1 << DEVANAGARI}, {"bn", 1 << BENGALI},  {"ta", 1 << TAMIL},   {"te", 1 << TELUGU},
    {"th", 1 << THAI},       {"ka", 1 << GEORGIAN},
};

int fm_language_find(const char *code) {
    for (size_t i = 0; i < FM_COUNT(languages); i++)
        if (strcmp(languages[i].code, code) == 0) return (int)i;
    return -1;
}

const char *fm_language_code(int language) {
    return language >= 0 && language < (int)FM_COUNT(languages) ? languages[language].code : NULL;
}

/* ---- small words ------------------------------------------------------------------------------*/

static const struct {
    const char *word;
    unsigned languages;
} small_words[] = {
#define FM_WORD(word, languages) {word, languages},
#include "rl/reward/language_words.def"
#undef FM_WORD
};

enum { SMALL_WORD = 16 }; /* bytes, with room for the longest */

static unsigned languages_of_word(const char *word) {
    size_t low = 0, high = FM_COUNT(small_words);
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(word, small_words[middle].word);
        if (order == 0) return small_words[middle].languages;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return 0;
}

/* ---- walking over words -----------------------------------------------------------------------*/

typedef struct word {
    script script;       /* of its first letter */
    size_t letters;
    bool command;        /* \frac */
    char small[SMALL_WORD]; /* in small letters; "" if it is longer */
} word;

/* Small letters of what the lists need: ASCII and the letters of Latin-1. */
static uint32_t lower(uint32_t c) {
    bool capital = (c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7);
    return capital ? c + 0x20 : c;
}

static bool writes_without_blanks(script s) { return s == HAN || s == KANA || s == THAI; }

static bool next_letter(const char *text, size_t size, size_t at, uint32_t *c, size_t *length) {
    int n = fm_utf8_decode(text + at, size - at, c);
    *length = n > 0 ? (size_t)n : 1;
    return n > 0 && fm_unicode_is_letter(*c);
}

/* Moves *at behind the next word; false: there is none. */
static bool next_word(const char *text, size_t size, size_t *at, word *w) {
    uint32_t c;
    size_t n;
    while (*at < size && !next_letter(text, size, *at, &c, &n)) *at += n;
    if (*at >= size) return false;
    *w = (word){.script = script_of(c), .command = *at > 0 && text[*at - 1] == '\\'};
    size_t used = 0;
    bool fits = true;
    do {
        char bytes[4];
        int k = fm_utf8_encode(lower(c), bytes);
        fits = fits && used + (size_t)k < SMALL_WORD;
        if (fits) memcpy(w->small + used, bytes, (size_t)k);
        used += (size_t)k;
        w->letters++;
        *at += n;
    } while (!writes_without_blanks(w->script) && *at < size && next_letter(text, size, *at, &c, &n) &&
             !writes_without_blanks(script_of(c)));
    if (fits) w->small[used] = 0;
    else w->small[0] = 0;
    return true;
}

static bool counts(const word *w) {
    return !w->command && (w->letters > 1 || writes_without_blanks(w->script) || w->script == HANGUL);
}

/* ---- stretches of Latin words -----------------------------------------------------------------*/

enum { STRETCH = 24 };

typedef struct stretch {
    size_t words;
    size_t hits[LATIN_LANGUAGES];
} stretch;

static void add_word(stretch *s, const word *w) {
    s->words++;
    unsigned in = w->small[0] ? languages_of_word(w->small) : 0;
    for (int l = 0; l < LATIN_LANGUAGES; l++) s->hits[l] += in >> l & 1;
}

static size_t most_hits(const stretch *s) {
    size_t most = 0;
    for (int l = 0; l < LATIN_LANGUAGES; l++)
        if (s->hits[l] > most) most = s->hits[l];
    return most;
}

static size_t end_stretch(stretch *s, int language) {
    size_t ours = s->hits[language] == most_hits(s) ? s->words : 0;
    *s = (stretch){0};
    return ours;
}

fm_language_share fm_language_share_of(const char *text, size_t size, int language) {
    size_t ours = 0, all = 0;
    stretch s = {0};
    word w;
    for (size_t at = 0; next_word(text, size, &at, &w);) {
        if (!counts(&w)) continue;
        all++;
        if (!(languages[language].scripts >> w.script & 1)) continue;
        if (w.script != LATIN) {
            ours++;
        } else {
            add_word(&s, &w);
            if (s.words == STRETCH) ours += end_stretch(&s, language);
        }
    }
    if (s.words) ours += end_stretch(&s, language);
    return (fm_language_share){all ? (double)ours / (double)all : 1, all};
}

int fm_language_of(const char *text, size_t size) {
    size_t count[SCRIPTS] = {0};
    stretch s = {0};
    word w;
    for (size_t at = 0; next_word(text, size, &at, &w);) {
        if (!counts(&w)) continue;
        count[w.script]++;
        if (w.script == LATIN) add_word(&s, &w);
    }
    script most = OTHER;
    for (int i = 0; i < SCRIPTS; i++)
        if (i != OTHER && count[i] > count[most]) most = (script)i;
    if (count[most] == 0 || most == OTHER) return -1;
    /* A tenth of kana makes Han Japanese; a question in Latin letters may quote a formula's worth of any other. */
    if (most == HAN && count[KANA] * 10 >= count[HAN]) most = KANA;
    if (most == LATIN)
        for (int l = 0; l < LATIN_LANGUAGES; l++)
            if (s.hits[l] == most_hits(&s)) return l;
    for (size_t i = LATIN_LANGUAGES; i < FM_COUNT(languages); i++)
        if (languages[i].scripts >> most & 1) return (int)i;
    return -1;
}

/* ---- the rule ---------------------------------------------------------------------------------*/

/* The share of the thinking's words that are in the language asked (R1, section 2.3.2). A problem whose language
 * cannot be told leaves its replies undecided. */
fm_status fm_reward_language(const fm_reward_rules *rules, const fm_reward_group *g, fm_reward_value *values,
                             fm_error *err) {
    const fm_reward_problem *p = g->problem;
    int language = p->language ? fm_language_find(p->language) : fm_language_of(p->prompt, p->prompt_size);
    if (p->language && language < 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "the language '%.16s' is not known; it is a code such as en or zh",
                       p->language);
    for (size_t i = 0; i < g->n; i++) {
        fm_reply_part thinking = fm_reply_take_apart(&g->replies[i], rules->form).thinking;
        if (language < 0) values[i].undecided = true;
        else values[i].value = fm_language_share_of(thinking.text, thinking.size, language).share;
    }
    return FM_OK;
}
