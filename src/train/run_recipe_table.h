/* run_recipe_table.h: the rows of run_recipe.def as data; for the recipe's own files. */
#pragma once

#include "train/run_recipe.h"

typedef enum fm_recipe_kind {
    FM_RECIPE_INTEGER, FM_RECIPE_REAL, FM_RECIPE_FLAG, FM_RECIPE_TEXT, FM_RECIPE_TEXTS, FM_RECIPE_CHOICE,
} fm_recipe_kind;

typedef struct fm_recipe_key {
    fm_recipe_kind kind;
    const char *section, *key, *fallback;
    size_t offset;        /* in fm_run_recipe */
    double low, high;     /* INTEGER, REAL */
    const char *choices;  /* CHOICE */
    bool fixed;
    const char *help;
} fm_recipe_key;

extern const fm_recipe_key fm_recipe_keys[];
extern const size_t fm_recipe_key_count;

/* The value as one would write it after `=`; lists with '|' between their items. */
void fm_recipe_value_text(const fm_run_recipe *recipe, const fm_recipe_key *key, fm_buffer *out);
/* The other way; the message says what the key takes. */
fm_status fm_recipe_value_set(fm_run_recipe *recipe, const fm_recipe_key *key, const char *text, fm_error *err);
fm_status fm_recipe_set_number(fm_run_recipe *recipe, const fm_recipe_key *key, double number, fm_error *err);
fm_status fm_recipe_set_texts(fm_run_recipe *recipe, const fm_recipe_key *key, const char *const *items,
                              size_t n, fm_error *err);
fm_status fm_recipe_refuse(const fm_recipe_key *key, const char *got, fm_error *err);
