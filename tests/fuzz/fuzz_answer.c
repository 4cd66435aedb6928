/* Answers: the first line is the gold, the rest is given; and all of it as a reply whose final
 * answer is looked for.
 *
 * Promises: never a crash or a hang; an answer is right for itself or undecided, unless it is not
 * in the grammar or has no value; the verdict is one of three; the final answer lies within the
 * reply. */
#include "fuzz.h"

#include "rl/maths/equivalence.h"
#include "rl/maths/final.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data, *answer, *why;
    size_t n;
    fm_final found = fm_final_answer(text, size, &answer, &n);
    FUZZ_CHECK((found == FM_FINAL_FOUND) == (n > 0) && n <= FM_FINAL_MAX);
    FUZZ_CHECK(n == 0 || (answer >= text && answer + n <= text + size));
    FUZZ_CHECK(fm_final_reason(found)[0]);
    const char *line = size ? memchr(text, '\n', size) : NULL;
    size_t gold = line ? (size_t)(line - text) : size;
    fm_maths_options options = {
        .any_form = size & 1, .lowest_terms = size & 2, .ordered = size & 4};
    fm_verdict v = fm_maths_equivalent(text, gold, text + gold, size - gold, &options, &why);
    FUZZ_CHECK(v == FM_RIGHT || v == FM_WRONG || v == FM_UNDECIDED);
    FUZZ_CHECK(why && (v == FM_RIGHT) == !*why);
    return 0;
}
