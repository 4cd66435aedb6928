/* Random JSON schemas against a validator that knows nothing of grammars: what is taken, and what is written
 * from nothing but masks. */
#include "engine/random_schema.h"

#define DIGITS JSON_REAL_PRECISION(15) /* jansson writes 3.2 as it was */

static fm_status compile(const char *schema, fm_grammar **out, fm_error *err) {
    return fm_grammar_from_json_schema(schema, strlen(schema), FM_JSON_PRETTY, out, err);
}

typedef struct tally {
    int schemas, documents, accepted, answers, given_up;
} tally;

/* A grammar takes nothing that is not valid; where the schema combines little, it takes all that is
 * valid as grammars write it. */
static void compare_documents(dice *d, const json_t *schema, fm_grammar *g, bool simple, tally *t) {
    for (int i = 0; i < 12; i++) {
        json_t *x = document_near(d, schema, schema, 12);
        char *text = json_dumps(x, DIGITS | JSON_ENCODE_ANY);
        bool taken = judge(g, text) == COMPLETE, ok = is_valid(schema, x, false), written = is_valid(schema, x, true);
        if ((taken && !ok) || (simple && written != taken)) {
            char *s = json_dumps(schema, DIGITS);
            fail_msg("%s is %s, and %s by\n%s", text, ok ? "valid" : "not valid", taken ? "taken" : "refused", s);
        }
        t->documents++;
        t->accepted += taken;
        free(text);
        json_decref(x);
    }
}

static fm_token_trie *trie_of_bytes(void) {
    static char bytes[256];
    static fm_token_text pieces[256];
    fm_error err = {0};
    fm_token_trie *trie;
    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        pieces[i] = (fm_token_text){&bytes[i], 1};
    }
    assert_ok(fm_token_trie_from_pieces(pieces, 256, NULL, 0, &trie, &err));
    return trie;
}

/* A byte that the mask allows: any, but later in the answer one that leads to its end. */
static int choose_byte(dice *d, const uint64_t *bits, int step) {
    const char *closing = "}]\"ntfe1234567890:,";
    if (fm_token_mask_has(bits, '}') && fm_token_mask_has(bits, '#')) closing = "\""; /* inside a string */
    bool hurry = step > 200 || roll(d, 3) == 0;
    for (const char *c = closing; hurry && *c; c++)
        if (fm_token_mask_has(bits, *c)) return *c;
    for (int tries = 0; tries < 40; tries++) {
        int b = hurry && roll(d, 2) ? "abA-0"[roll(d, 5)] : (int)roll(d, roll(d, 4) ? 128 : 256);
        if (fm_token_mask_has(bits, b)) return b;
    }
    for (int b = (int)roll(d, 256), i = 0; i < 256; i++, b = (b + 1) % 256)
        if (fm_token_mask_has(bits, b)) return b;
    return -1;
}

/* An answer from nothing but masks: there is always a next byte. False where it is given up, because
 * choices that are blind to it let a recursion grow. */
static bool write_answer(dice *d, fm_grammar *g, const fm_token_trie *trie, const char *schema, fm_buffer *out) {
    fm_error err = {0};
    fm_constraint c;
    fm_constraint_init(&c, g);
    out->size = 0;
    int step = 0;
    for (; step < 5000 && !(fm_constraint_can_end(&c) && (step > 200 || roll(d, 2))); step++) {
        uint64_t bits[4];
        int64_t count;
        bool allowed;
        assert_ok(fm_constraint_mask(&c, trie, bits, &count, &err));
        int byte = count ? choose_byte(d, bits, step) : -1;
        if (byte < 0) {
            if (fm_constraint_can_end(&c)) break;
            fail_msg("nothing may follow %s in\n%s", fm_buffer_string(out), schema);
        }
        assert_ok(fm_constraint_accept(&c, &(char){(char)byte}, 1, &allowed, &err));
        assert_true(allowed);
        fm_buffer_put(out, &(char){(char)byte}, 1);
    }
    fm_constraint_clear(&c);
    return step < 5000;
}

static void check_answers(dice *d, const json_t *schema, fm_grammar *g, const fm_token_trie *trie, tally *t) {
    char *text = json_dumps(schema, DIGITS);
    fm_buffer answer = {0};
    for (int i = 0; i < 3; i++) {
        json_error_t e;
        if (!write_answer(d, g, trie, text, &answer)) {
            t->given_up++;
            continue;
        }
        json_t *x = json_loadb(answer.data, answer.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
        if (!x && strstr(e.text, "NUL byte in object key")) continue; /* jansson's own limit */
        if (!x) fail_msg("%s: %s", e.text, fm_buffer_string(&answer));
        if (!is_valid(schema, x, false)) fail_msg("%s is not valid by\n%s", fm_buffer_string(&answer), text);
        json_decref(x);
        t->answers++;
    }
    fm_buffer_clear(&answer);
    free(text);
}

/* No mistake is in a random schema but that nothing fits it. */
static bool may_be_refused(fm_status status, const char *why) {
    static const char *const reasons[] = {"no value is valid", "leads back to itself", "is the whole again",
                                          "can never end"};
    bool known = status == FM_ERR_UNSUPPORTED && strstr(why, "#") && strstr(why, ": keyword \"");
    for (size_t i = 0; i < FM_COUNT(reasons); i++)
        known |= status == FM_ERR_FORMAT && strstr(why, reasons[i]);
    return known;
}

static void random_schemas_take_and_write_only_what_is_valid(void **state) {
    (void)state;
    dice d = {.seed = 20201202};
    fm_token_trie *trie = trie_of_bytes();
    tally t = {0};
    int tried = 0, wanted = soaking() ? 100000 : sanitized() ? 300 : 3000;
    for (; t.schemas < wanted; tried++) {
        bool simple = tried % 2;
        json_t *schema = random_root(&d, simple);
        char *text = json_dumps(schema, DIGITS);
        fm_error err = {0};
        fm_grammar *g = NULL;
        fm_status status = compile(text, &g, &err);
        if (status == FM_OK) {
            t.schemas++;
            compare_documents(&d, schema, g, simple, &t);
            check_answers(&d, schema, g, trie, &t);
        } else if (!may_be_refused(status, err.message))
            fail_msg("%s for %s", err.message, text);
        fm_grammar_free(g);
        free(text);
        json_decref(schema);
    }
    printf("# %d of %d schemas, %d of %d documents taken, %d answers, %d given up\n", t.schemas, tried, t.accepted,
           t.documents, t.answers, t.given_up);
    assert_true(t.given_up * 100 <= t.answers);
    assert_true(t.accepted > t.documents / 8 && t.accepted < t.documents * 7 / 8 && t.schemas > tried / 3);
    fm_token_trie_free(trie);
}

/* Bounds of all kinds against decimals near them. */
static void random_bounds_are_kept_to_the_digit(void **state) {
    (void)state;
    static const char *const kinds[] = {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"};
    dice d = {.seed = 7};
    for (int i = 0; i < (sanitized() ? 300 : 3000); i++) {
        json_t *schema = json_pack("{s:s}", "type", roll(&d, 2) ? "number" : "integer");
        double near[2];
        char text[64];
        for (int k = 0; k < 2; k++) {
            double n = (int)roll(&d, 20000) - 10000;
            snprintf(text, sizeof text, "%.*f", (int)roll(&d, 4), n / pow(10, roll(&d, 5)));
            near[k] = strtod(text, NULL);
            json_object_set_new(schema, kinds[2 * k + (int)roll(&d, 2)], json_real(near[k]));
        }
        char *dumped = json_dumps(schema, DIGITS);
        fm_error err = {0};
        fm_grammar *g = NULL;
        fm_status status = compile(dumped, &g, &err);
        if (status != FM_OK && !strstr(err.message, "no value")) fail_msg("%s for %s", err.message, dumped);
        for (int n = 0; n < 60; n++) {
            double away = ((int)roll(&d, 21) - 10) / pow(10, roll(&d, 5));
            snprintf(text, sizeof text, "%.*f", (int)roll(&d, 5), near[roll(&d, 2)] + away);
            if (text[0] == '-' && strtod(text, NULL) == 0) continue; /* -0 is not always written */
            bool integer = !strcmp(json_string_value(key_of(schema, "type")), "integer");
            bool whole = !strchr(text, '.');
            json_t *x = json_loads(text, JSON_DECODE_ANY, NULL);
            bool wanted = is_valid(schema, x, false) && (whole || !integer);
            if ((g && judge(g, text) == COMPLETE) != wanted) fail_msg("%s is judged wrongly by %s", text, dumped);
            json_decref(x);
        }
        fm_grammar_free(g);
        free(dumped);
        json_decref(schema);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_schemas_take_and_write_only_what_is_valid),
        cmocka_unit_test(random_bounds_are_kept_to_the_digit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
