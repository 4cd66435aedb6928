/* three_valued.h: what a checker says of an answer. Every checker of the house has these three results; the
 * third is not a fault of the answer, and whoever rewards or counts must leave such a sample out
 * instead of scoring it 0. */
#pragma once

typedef enum fm_verdict {
    FM_WRONG,
    FM_RIGHT,
    FM_UNDECIDED, /* the checker reached a limit of its own, or its means do not decide the question */
} fm_verdict;
