/* fathom_measure.h: how fast an open model is, how well it foretells a text, how many questions it answers.
 * Conventions are those of fathom.h. While one of these works, sessions of the model must rest: both use
 * the model's threads. */
#pragma once

#include "fathom/fathom.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- speed ---------------------------------------------------------------------------------------*/

typedef struct fathom_bench_options {
    /* Tests: "prompt" tokens at once and "generate" tokens one by one, each after every "depth" of tokens.
     * Lists of lengths, read while fathom_bench runs; zeros among the first two are left out. */
    const int64_t *prompt, *generate, *depth;
    size_t n_prompt, n_generate, n_depth;
    int64_t sequences; /* that generate side by side; 0: one */
    int repeat;        /* repetitions that count; 0: 5 */
    uint64_t seed;     /* of the token ids */
    bool no_bandwidth; /* do not measure how fast memory can be read */
    bool profile;      /* time every op, which slows a test a little */
    /* Called between steps with the test under way and how far everything is. Returning false stops
     * with FATHOM_ERR_CANCELLED. May be NULL. */
    bool (*progress)(void *context, const char *test, double fraction);
    void *progress_context;
} fathom_bench_options;

/* A prompt of 512 and 128 generated tokens, at depth 0. */
FATHOM_API fathom_bench_options fathom_bench_defaults(void);

/* Measures the speed of an open model with a JSON document as the result (docs/bench.md has its
 * fields): tokens a second, bytes read a second beside what the memory gives, a fingerprint of each
 * test's logits. Fails when a repetition's logits differ from the first's. A module that guesses
 * tokens runs beside: open the model with no_mtp. *json: fathom_free. */
FATHOM_API fathom_status fathom_bench(fathom_model *model, const fathom_bench_options *options,
                                      char **json, fathom_error *err);

/* ---- perplexity ----------------------------------------------------------------------------------*/

/* Figures of a text so far, or in all; logarithms are natural. Errors are standard errors. */
typedef struct fathom_perplexity_result {
    int64_t windows, all_windows;
    int64_t tokens, scored; /* of the text; foretold */
    int64_t context;
    double perplexity, error;
    double nll;             /* mean of -log p */
    double bits_per_byte;   /* of what the scored tokens stand for */
    /* beside another run (`against`), whose p the q of this one is compared with; 0 without */
    double base_perplexity;
    double kl, kl_error;                 /* mean of sum p (log p - log q) over the vocabulary */
    double kl_median, kl_99, kl_max;     /* of the scored tokens, in the last result only */
    double same_top, same_top_error;     /* share with the same most probable token */
    double delta, delta_error;           /* mean of log q - log p of the token that came */
} fathom_perplexity_result;

typedef struct fathom_perplexity_options {
    int64_t context; /* tokens of a window; 0: 512 */
    /* 0: windows lie side by side and the second half of each is scored, as llama.cpp does. Else each
     * begins so many tokens after the last and scores what no earlier one did. */
    int64_t stride;
    int64_t limit;           /* most windows; 0: all */
    const char *save_logits; /* write the distribution at every scored token there, two bytes a token of
                                the vocabulary (docs/perplexity.md) */
    const char *against;     /* compare with a file that save_logits made of the same text */
    /* Once, before the first window, with the bytes that save_logits will have; then after each window;
     * and between steps. Returning false stops with FATHOM_ERR_CANCELLED. Each may be NULL. */
    bool (*on_plan)(void *context, int64_t windows, int64_t scored, uint64_t bytes);
    bool (*on_window)(void *context, const fathom_perplexity_result *so_far);
    bool (*progress)(void *context, double fraction);
    void *callback_context;
} fathom_perplexity_options;

FATHOM_API fathom_perplexity_options fathom_perplexity_defaults(void);

/* How well an open model foretells a UTF-8 text. No control token comes out of the text; a BOS takes the
 * place of each window's first token where the tokenizer adds one. *result holds what there is after a
 * failure too. */
FATHOM_API fathom_status fathom_perplexity(fathom_model *model, const char *text, size_t size,
                                           const fathom_perplexity_options *options,
                                           fathom_perplexity_result *result, fathom_error *err);

/* ---- questions with answers ------------------------------------------------------------------------*/

/* A mean over questions with its 95 % bootstrap interval; NaN where no question has a value. */
typedef struct fathom_eval_figure {
    double value, low, high;
    int64_t questions; /* that have a value */
} fathom_eval_figure;

enum { FATHOM_EVAL_PASSES = 16 };

/* The figures of all questions, of a domain, or of a band. */
typedef struct fathom_eval_row {
    const char *domain, *band; /* NULL: all of them */
    int64_t questions, replies, correct;
    int64_t undecided;         /* replies that could not be judged, left out of every share */
    int64_t unanswered;        /* without a final answer: wrong */
    int64_t formed;            /* with an answer that was marked as such: a box, "the answer is" */
    int64_t cut;               /* at the limit of tokens */
    fathom_eval_figure accuracy; /* pass@1: the share of a question's replies that are right */
    fathom_eval_figure majority; /* cons@k: the answer that most replies gave is right; ties in parts */
    fathom_eval_figure pass[FATHOM_EVAL_PASSES]; /* one of k replies is right, unbiased; for each k asked for */
    double right_mean, right_median, wrong_mean, wrong_median; /* tokens of a reply; NaN for none */
} fathom_eval_row;

/* Questions that training saw too (train_data). */
typedef struct fathom_eval_overlap {
    int64_t lines;            /* of the training file; 0: none was given */
    int64_t keys, phrasings;  /* questions with a canonical key, with a template, that is in it */
    int64_t with_key, with_phrasing;
    int64_t grams_8, grams_13; /* questions that share so many words in a row, or are in it whole */
} fathom_eval_overlap;

typedef struct fathom_eval_result {
    int64_t items, done, resumed; /* questions; of them answered; of these found in `out` */
    int64_t samples, correct;     /* replies to the questions that are done */
    int64_t undecided, unanswered, formed, cut;
    double accuracy;              /* so far */
    int64_t tokens;               /* drawn in this run, the unfinished too */
    double seconds;               /* of this run */
    fathom_eval_overlap overlap;
    /* At the end; NULL while it works. The first row is of all questions. */
    const fathom_eval_row *rows;
    size_t n_rows;
    int64_t pass_at[FATHOM_EVAL_PASSES];
    size_t n_pass_at;
    void *memory; /* behind rows */
} fathom_eval_result;

/* A model behind an address that speaks OpenAI's chat completions. */
typedef struct fathom_endpoint {
    const char *url;   /* "https://host/v1"; /chat/completions is added */
    const char *model; /* as the endpoint calls it */
    const char *key;   /* sent as a bearer token, over https or to this machine only; NULL: none */
    const char *ca_file; /* certificates to trust instead of the system's; NULL */
    int seconds;       /* that a reply may take; 0: 600 */
    int attempts;      /* in a row, before a broken or busy endpoint is given up; 0: 6 */
} fathom_endpoint;

/* Problems that are made (docs/tasks.md), not read. */
typedef struct fathom_eval_task {
    const char *kind;  /* "countdown"; "all" */
    int band;          /* difficulty, from 1; 0: all, count of each */
    const char *split; /* "train", "validation", "test"; NULL: test */
    int64_t count;     /* distinct problems of each band; 0: 100 */
    uint64_t seed;
} fathom_eval_task;

typedef struct fathom_eval_options {
    int64_t samples;          /* replies to each question; 0: 1 */
    int64_t max_tokens;       /* of a reply; 0: until the context is full */
    int64_t thinking_budget;  /* tokens of reasoning; negative: none */
    int64_t limit;            /* first questions only; 0: all */
    int64_t parallel;         /* replies side by side; 0: as many as memory has room for, at most 8 */
    fathom_sampling sampling; /* for several samples DeepSeek's papers have temperature 0.6, top-p 0.95 */
    bool raw;                 /* continue the question as plain text, without a chat template */
    fathom_chat_options chat;
    const char *system;       /* NULL: none */
    const char *instruction;  /* a line behind each question, such as "Put your final answer within
                                 \\boxed{}."; NULL: none */
    const char *out;          /* results, a JSON object a line (docs/eval.md); questions that are done
                                 there are not asked again. NULL: none */
    const int64_t *pass_at;   /* the k of pass@k, at most FATHOM_EVAL_PASSES; NULL: 2, 4, ... samples */
    size_t n_pass_at;
    const char *train_data;   /* text or JSON lines that were trained on, for the overlap; NULL: none */
    const fathom_eval_task *task;      /* instead of a file of questions */
    const fathom_endpoint *endpoint;   /* instead of a model */
    /* After every step. Returning false stops with FATHOM_ERR_CANCELLED; what is done stays in `out`. May
     * be NULL. */
    bool (*progress)(void *context, const fathom_eval_result *so_far);
    void *progress_context;
} fathom_eval_options;

/* `model` may be NULL, for an endpoint. */
FATHOM_API fathom_eval_options fathom_eval_defaults(const fathom_model *model);

/* Checks every line of a file of questions (docs/eval.md has the forms); a bad one is FATHOM_ERR_FORMAT
 * with its number. No model needed. */
FATHOM_API fathom_status fathom_eval_count(const char *path, int64_t limit, int64_t *count,
                                           fathom_error *err);
/* Asks the questions of `path` (NULL where options->task is) and grades the final answers. No program
 * touches a reply before it has come to its end. In exact arithmetic the replies depend on model, options
 * and question alone, not on `parallel` or on what is resumed; intervals on the replies and the seed.
 * *result, which fathom_eval_clear empties, holds what there is after a failure too. */
FATHOM_API fathom_status fathom_eval(fathom_model *model, const char *path,
                                     const fathom_eval_options *options, fathom_eval_result *result,
                                     fathom_error *err);
FATHOM_API void fathom_eval_clear(fathom_eval_result *result);

#ifdef __cplusplus
}
#endif
