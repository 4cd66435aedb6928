/* recipe.h: which type each tensor of a quantised file gets. */
#pragma once

#include "compress/outline.h"

typedef enum fm_recipe_layers { FM_RECIPE_NONE, FM_RECIPE_FIRST, FM_RECIPE_ENDS } fm_recipe_layers;

typedef struct fm_recipe {
    const char *name;
    uint32_t file_type; /* general.file_type */
    fm_dtype usual, head, latent, more;
    fm_recipe_layers layers;
    const char *help;
} fm_recipe;

const fm_recipe *fm_recipe_at(size_t i); /* NULL past the end */
/* By name, in either case; FM_ERR_ARGUMENT names them all. */
fm_status fm_recipe_find(const char *name, const fm_recipe **out, fm_error *err);
/* The type that a file may be quantised to, by its name in either case. */
fm_status fm_recipe_type(const char *name, size_t size, fm_dtype *out, fm_error *err);

/* The recipe's wish for a tensor, whatever its rows. A tensor that is not quantised keeps F32 (vectors,
 * routers) or, where nobody knows what it is, its own type. */
fm_dtype fm_recipe_choose(const fm_recipe *recipe, const fm_config *config, const fm_outlined *item);
/* `wish`, or what takes its place where `columns` do not divide into its blocks. */
fm_dtype fm_recipe_fit(fm_dtype wish, int64_t columns);

/* "PATTERN=TYPE,PATTERN=TYPE": the type of the last pattern that a name matches. Patterns are a shell's,
 * over the whole name; one without * ? [ is sought anywhere in it. */
typedef struct fm_overrides {
    const char *text; /* NULL: none */
} fm_overrides;
/* Every pattern must have a type. */
fm_status fm_overrides_check(const fm_overrides *overrides, fm_error *err);
bool fm_overrides_find(const fm_overrides *overrides, const char *name, fm_dtype *out);
/* The first pattern that no tensor of the outline matches, into `pattern`; false if all are used. */
bool fm_overrides_unused(const fm_overrides *overrides, const fm_outline *outline, char *pattern,
                         size_t size);
