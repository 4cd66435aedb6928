/* Recipes of strangers. The lowest bit of the first byte says what the rest is: a recipe file, or lines of
 * SECTION.KEY=VALUE as -s takes them. Whatever was taken over is written, read again and is the same run. */
#include "fuzz.h"

#include "train/run_recipe.h"

#include <stdlib.h>
#include <string.h>

static void set_lines(fm_run_recipe *recipe, char *text) {
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        fm_error err = {0};
        fm_status status = fm_run_recipe_set(recipe, line, &err);
        FUZZ_CHECK(status == FM_OK || (status == FM_ERR_ARGUMENT && err.code == status && err.message[0]));
    }
}

static void check_written(const fm_run_recipe *recipe) {
    char first[FM_SHA256_HEX + 1], second[FM_SHA256_HEX + 1];
    fm_run_recipe again;
    fm_buffer text = {0}, twice = {0};
    fm_error err;
    fm_run_recipe_put(recipe, &text);
    FUZZ_CHECK(fm_buffer_status(&text, &err) == FM_OK);
    FUZZ_CHECK(fm_run_recipe_begin(&again, &err) == FM_OK);
    FUZZ_CHECK(fm_run_recipe_parse(&again, text.data, text.size, "recipe.json", &err) == FM_OK);
    FUZZ_CHECK(fm_run_recipe_same(recipe, &again, &err) == FM_OK);
    FUZZ_CHECK(fm_run_recipe_hash(recipe, first, &err) == FM_OK && fm_run_recipe_hash(&again, second, &err) == FM_OK);
    FUZZ_CHECK(strcmp(first, second) == 0);
    fm_run_recipe_put(&again, &twice);
    FUZZ_CHECK(text.size == twice.size && memcmp(text.data, twice.data, text.size) == 0);
    fm_run_recipe_clear(&again);
    fm_buffer_clear(&text);
    fm_buffer_clear(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fm_run_recipe recipe;
    fm_error err = {0};
    if (size < 1 || fm_run_recipe_begin(&recipe, &err) != FM_OK) return 0;
    char *text = malloc(size);
    FUZZ_CHECK(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    if (data[0] & 1) {
        set_lines(&recipe, text);
    } else {
        fm_status status = fm_run_recipe_parse(&recipe, text, size - 1, "recipe.json", &err);
        FUZZ_CHECK(status == FM_OK || (err.code == status && strncmp(err.message, "recipe.json", 11) == 0));
    }
    check_written(&recipe); /* also what a file had said before its first mistake */
    fm_run_recipe_clear(&recipe);
    free(text);
    return 0;
}
