/* run_recipe.h: one file that describes a training run. All keys are in run_recipe.def, with default and help.
 *
 * A recipe file is JSON of two levels, {"optimizer": {"lr": 0.003}}; what it leaves out has its default, and
 * what it has too much is an error that names the nearest key. The whole recipe, defaults included, goes into
 * the run's folder; going on with another one is refused, naming the key. */
#pragma once

#include "base/arena.h"
#include "base/json_write.h"
#include "base/sha256.h"

typedef struct fm_recipe_texts {
    const char *const *at;
    size_t n;
} fm_recipe_texts;

typedef struct fm_run_recipe {
#define SECTION(name) struct {
#define SECTION_END(name) } name;
#define INTEGER(section, key, fallback, low, high, when, help) int64_t key;
#define REAL(section, key, fallback, low, high, when, help) double key;
#define FLAG(section, key, fallback, when, help) bool key;
#define TEXT(section, key, fallback, when, help) const char *key; /* never NULL */
#define TEXTS(section, key, fallback, when, help) fm_recipe_texts key;
#define CHOICE(section, key, fallback, choices, when, help) int key; /* number of the word in choices */
#include "train/run_recipe.def"
    fm_arena arena; /* of the texts */
} fm_run_recipe;

/* Every key at its default. Ends with fm_run_recipe_clear. */
fm_status fm_run_recipe_begin(fm_run_recipe *out, fm_error *err);
void fm_run_recipe_clear(fm_run_recipe *recipe);

/* Takes over what a recipe file says; `name` is for messages. Errors are FM_ERR_FORMAT or FM_ERR_ARGUMENT with
 * "NAME:LINE:" in front. */
fm_status fm_run_recipe_parse(fm_run_recipe *recipe, const char *text, size_t size, const char *name,
                              fm_error *err);
fm_status fm_run_recipe_read(fm_run_recipe *recipe, const char *path, fm_error *err);
/* One key, as "optimizer.lr=0.003" (a list's items are separated by '|'). */
fm_status fm_run_recipe_set(fm_run_recipe *recipe, const char *assignment, fm_error *err);

/* The whole recipe as a recipe file. */
void fm_run_recipe_put(const fm_run_recipe *recipe, fm_buffer *out);
/* Only the keys that make it this run and no other; or all of them as a member of an object. */
void fm_run_recipe_put_fixed(const fm_run_recipe *recipe, fm_buffer *out);
void fm_run_recipe_put_member(const fm_run_recipe *recipe, fm_json_writer *w, const char *key);
/* Of the keys that may not change. */
fm_status fm_run_recipe_hash(const fm_run_recipe *recipe, char hex[FM_SHA256_HEX + 1], fm_error *err);
/* FM_ERR_ARGUMENT naming the first key in which `now` is another run than `before`. */
fm_status fm_run_recipe_same(const fm_run_recipe *before, const fm_run_recipe *now, fm_error *err);
/* All keys with default and help, as text of at most 120 columns; or as a Markdown table. */
void fm_run_recipe_help(fm_buffer *out);
void fm_run_recipe_help_markdown(fm_buffer *out);

/* The word of a CHOICE: fm_recipe_word("a|b", 1) is "b", `n` bytes long. */
const char *fm_recipe_word(const char *choices, int i, size_t *n);
