/* dedup.h: whether a document has been seen before, or nearly.
 *
 * Both look at its normalised text: ASCII letters small, white space one space. Exact copies have the same
 * 128-bit hash. Near copies share most of their shingles, runs of five words (of CJK: characters): their
 * Jaccard similarity is estimated from a signature of 128 minima, by one permutation with empty places
 * filled from others (Li, Owen and Zhang 2012; Shrivastava 2017), 16 bits of each. Candidates are documents
 * that agree in one of 16 bands of 8; at a true similarity of 0.8 a pair is one with probability 0.95, at
 * 0.9 with 0.9999, and the estimate's standard error there is 0.035. */
#pragma once

#include "base/buffer.h"

enum { FM_NEAR_MINIMA = 128, FM_NEAR_BANDS = 16, FM_NEAR_SHINGLE = 5, FM_NEAR_LEAST_WORDS = 40 };

typedef struct fm_print {
    uint64_t hash[2]; /* of the normalised text */
    bool near;        /* long enough for a signature: FM_NEAR_LEAST_WORDS */
    uint16_t minima[FM_NEAR_MINIMA];
} fm_print;

/* A document's print. `scratch` is anybody's buffer, to be used again; false: no memory for it. */
bool fm_print_of(const char *text, size_t size, bool near, fm_buffer *scratch, fm_print *out);

/* Share of equal minima: the estimated similarity. */
double fm_print_similarity(const fm_print *a, const fm_print *b);

typedef enum fm_seen { FM_SEEN_NEW, FM_SEEN_SAME, FM_SEEN_NEARLY } fm_seen;

/* All prints so far. A zeroed one with `threshold` set (0: near copies are not looked for) is ready. */
typedef struct fm_prints {
    double threshold;
    fm_buffer hashes; /* uint64_t [2], open addressing; zeros are free */
    size_t n_hashes;
    fm_buffer minima; /* uint16_t [FM_NEAR_MINIMA] each */
    fm_buffer bands;  /* open addressing: key and document + 1; those of one key follow each other */
    size_t n_bands;
} fm_prints;

/* What the document is, given those before it; if it is new, it is one of them from now on. */
fm_status fm_prints_add(fm_prints *prints, const fm_print *print, fm_seen *out, fm_error *err);
void fm_prints_clear(fm_prints *prints);
