/* known.h: the pre-tokenizers that GGUF files call by name (tokenizer.ggml.pre), and the scanners
 * that stand in for the patterns of the families we care most about. */
#pragma once

#include "token/pretoken.h"

enum { FM_KNOWN_STAGES = 6 };

typedef struct fm_known {
    const char *names;  /* the name and its aliases, separated by spaces */
    bool nfc;           /* text is normalised first */
    bool ignore_merges; /* a whole piece of the vocabulary is taken before merging */
    bool adds_bos;      /* where the file does not say */
    const char *stages[FM_KNOWN_STAGES]; /* patterns, each isolated */
} fm_known;

/* By name or alias; NULL if unknown. */
const fm_known *fm_known_find(const char *name);
/* The one that cuts, normalises and merges just so; of several the one that treats BOS alike. NULL:
 * none does. */
const fm_known *fm_known_of(const fm_pretoken *p, bool nfc, bool ignore_merges, bool adds_bos);
/* All names, for messages. */
void fm_known_names(fm_buffer *out);
fm_status fm_known_add_stages(const fm_known *known, fm_pretoken *out, fm_error *err);

/* ByteLevel's own pattern. */
fm_status fm_known_add_gpt2(fm_pretoken *out, fm_error *err);
/* If the stages are those of a family with a scanner, the scanner takes their place. */
void fm_known_use_scanner(fm_pretoken *p);
