/* program_builtins.h: the functions that the language brings. */
#pragma once

#include "rl/program/program_value.h"

typedef struct builtin {
    const char *name;
    uint8_t fewest, most;
    bool (*call)(run *r, value self, const value *arguments, size_t n, value *out);
    bool method;  /* written behind a dot, on `self` */
    bool changes; /* self, a list */
} builtin;

/* Its place in the table; -1: there is none of this name. */
int fm_builtin_find(const char *name, bool method);
const builtin *fm_builtin_at(int place);

/* left op right, op being SIGN_PLUS .. SIGN_POWER. */
bool fm_value_operate(run *r, int operation, value a, value b, value *out);
/* right in left's items. */
bool fm_value_contains(run *r, value all, value one, bool *contains);
