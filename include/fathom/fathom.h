/* fathom.h: models of the DeepSeek family, opened from the files people have and run on the CPU.
 *
 *     fathom_model *model;
 *     fathom_session *session;
 *     fathom_error err;
 *     if (fathom_model_open("DeepSeek-R1-Distill-Qwen-1.5B", NULL, &model, &err) != FATHOM_OK ||
 *         fathom_session_new(model, &session, &err) != FATHOM_OK) {
 *         fprintf(stderr, "%s\n", err.message);
 *         return 2;
 *     }
 *
 * Conventions. Functions that can fail return fathom_status and write one sentence into
 * `fathom_error *`, which may be NULL. Nothing here prints, exits or aborts. Option structs may be
 * passed as NULL for the defaults; to set a field, start from the matching *_defaults function, so
 * that fields added later keep their defaults. Memory that a function hands out is released with
 * fathom_free, objects with their own close or free. All text is UTF-8.
 *
 * Threads. A model, a tokenizer and a grammar may be used by any number of threads. A session belongs to
 * one thread at a time. Sessions of one model share its computing threads: calls of several threads that
 * compute at the same time are put together into the same steps, and each gets the bits that it would
 * have got alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FATHOM_API __attribute__((visibility("default")))
#else
#define FATHOM_API
#endif

typedef struct fathom_model fathom_model;
typedef struct fathom_tokenizer fathom_tokenizer;
typedef struct fathom_session fathom_session;
typedef struct fathom_grammar fathom_grammar;

/* ---- errors ----------------------------------------------------------------------------------*/

typedef enum fathom_status {
    FATHOM_OK = 0,
    FATHOM_ERR_ARGUMENT,    /* the caller asked for something that makes no sense */
    FATHOM_ERR_IO,          /* the operating system refused */
    FATHOM_ERR_FORMAT,      /* a file's bytes contradict its format or each other */
    FATHOM_ERR_UNSUPPORTED, /* valid, but not something this build can run */
    FATHOM_ERR_MEMORY,      /* an allocation failed, or the model would not fit */
    FATHOM_ERR_LIMIT,       /* longer than a stated limit, e.g. the context */
    FATHOM_ERR_CANCELLED,   /* a callback asked to stop */
} fathom_status;

typedef struct fathom_error {
    fathom_status code;
    char message[1024]; /* one sentence: what, where, what to do */
} fathom_error;

FATHOM_API const char *fathom_version(void); /* "0.1.0" */
FATHOM_API void fathom_free(void *memory);

/* ---- models ----------------------------------------------------------------------------------*/

typedef enum fathom_arith {
    FATHOM_EXACT, /* a row's bits depend on its tokens and the weights alone */
    FATHOM_FAST,  /* long prompts of MLA models materialise keys and values: other rounding */
} fathom_arith;

/* How keys and values are kept. They are read as rounded to it by every row, so exact arithmetic is
 * exact with each; what differs is how close the model is to itself in float32. */
typedef enum fathom_cache_type {
    FATHOM_CACHE_F32,  /* the yardstick */
    FATHOM_CACHE_BF16, /* half the bytes; the default */
    FATHOM_CACHE_INT8, /* a quarter and a sixteenth: bytes, with a float32 scale per 64 (of models
                          with odd shapes per 8 to 32; those that cannot are refused) */
} fathom_cache_type;

/* What products of matrices multiply the weights with. Both are exact in the sense above: a row's bits
 * depend on its tokens and the weights alone, and are the same on every processor. */
typedef enum fathom_activations {
    FATHOM_ACTIVATIONS_F32,  /* float32, one k after another: the yardstick */
    FATHOM_ACTIVATIONS_INT8, /* rounded to bytes with a scale per 32, where the weights are quantised
                                (Q4 to Q8, IQ4): several times as fast; see docs/activations.md */
    FATHOM_ACTIVATIONS_INT16, /* the same with another byte for what the first leaves: next to float32.
                                 The default */
} fathom_activations;

typedef struct fathom_model_options {
    int threads;                  /* 0: one per processor */
    const char *cpu;              /* "auto", "ref", "avx2", "avxvnni", "avx512" */
    fathom_arith arith;
    fathom_cache_type cache;
    fathom_activations activations;
    int64_t context;              /* positions per session; 0: the model's own, at most 32768 */
    int64_t rows;                 /* rows of a step, i.e. of a prefill chunk; 0: 256, of models with
                                     routed experts 512 */
    int64_t sessions;             /* so many may be as long as the context at once; 0: 1. More, shorter
                                     ones fit in the same memory. */
    bool no_sharing;              /* do not keep the beginnings of prompts for others that begin alike */
    bool no_mtp;                  /* leave out the module that guesses tokens, where the files have one */
    uint64_t memory_limit;        /* bytes; 0: what the machine has available. A model that needs
                                     more is refused before anything is taken. */
    int64_t prompt_memory;        /* fast arithmetic, MLA: bytes of what memory_limit leaves that the keys and
                                     values made of a long prompt's latents may take until it is read; beyond
                                     that they are made again for every piece of it: the same bits, later.
                                     0: half of what is left; -1: none */
    bool map_only;                /* use the file's rows in place: starts at once, runs slower */
    const char *adapter;          /* a folder with a low-rank adapter as PEFT writes it, which the model then
                                     has; NULL: none */
    bool lazy;                    /* pack routed experts when a step first chooses them, instead of all while
                                     opening: the same bits, a sooner start, slower first steps. The files must
                                     stay as they are while the model is open. The default */
    const char *panels;           /* a file of fathom_pack to map instead of packing; NULL: the one beside the model,
                                     if it is there and fits; "": none */
    /* Called while weights are packed; fraction in [0, 1]. Returning false cancels. */
    bool (*progress)(void *context, double fraction);
    void *progress_context;
} fathom_model_options;

FATHOM_API fathom_model_options fathom_model_defaults(void);

/* `path`: a GGUF file (any part of a split one), a Hugging Face folder or a .safetensors file. */
FATHOM_API fathom_status fathom_model_open(const char *path, const fathom_model_options *options,
                                           fathom_model **out, fathom_error *err);
/* Every session of the model must have been freed. */
FATHOM_API void fathom_model_close(fathom_model *model);

typedef struct fathom_model_info {
    const char *name;            /* from the file, or the last part of its path */
    const char *architecture;    /* "deepseek_v3", "llama", ... */
    const char *format;          /* "gguf", "safetensors" */
    const char *cpu;             /* level in use: "avx512" */
    const char *chat_style;      /* "r1", "chatml", ...; "none" */
    fathom_arith arith;
    fathom_activations activations;
    int threads;
    int64_t layers, hidden_size, vocabulary, context;
    uint64_t parameters, active_parameters;
    uint64_t weight_bytes;       /* packed weights in memory */
    uint64_t mapped_bytes;       /* weights in a file of panels, which the system keeps as it keeps any file */
    const char *panels;          /* that file; NULL: none. Lives as long as the model */
    const char *panels_ignored;  /* a sentence: why the file beside the model was not used; NULL */
    uint64_t plan_bytes;         /* activations and scratch */
    uint64_t cache_bytes_per_token;
    uint64_t cache_bytes;        /* most that keys and values of all sessions may take */
    uint64_t prompt_bytes;       /* most that is taken beside, while a long prompt is read: prompt_memory */
    bool mtp;                    /* a multi-token-prediction module is there to guess */
    double load_seconds;         /* what reading and packing the weights took while opening */
    uint64_t load_bytes;         /* of the files, that were read and packed for it */
    uint64_t experts_later;      /* how many were left to be packed when they are chosen, in all layers ... */
    uint64_t experts_packed;     /* ... and have been since (or been read, where panels are mapped), */
    uint64_t experts_bytes;      /* from so many bytes of the files, */
    double experts_seconds;      /* while steps waited so long */
} fathom_model_info;

FATHOM_API fathom_model_info fathom_model_describe(const fathom_model *model);
/* Borrowed from the model; NULL if its files carry no tokenizer, which everything below takes: what can
 * fail then fails with a sentence, what cannot answers as a tokenizer without tokens. */
FATHOM_API const fathom_tokenizer *fathom_model_tokenizer(const fathom_model *model);

/* ---- tokenizers --------------------------------------------------------------------------------*/

/* `path`: a model as above, a folder with tokenizer.json, or a tokenizer.json. No weights needed. */
FATHOM_API fathom_status fathom_tokenizer_open(const char *path, fathom_tokenizer **out,
                                               fathom_error *err);
FATHOM_API void fathom_tokenizer_close(fathom_tokenizer *tokenizer);

typedef enum fathom_encode_mode {
    FATHOM_PLAIN,   /* text is only text: no control token can come out of it */
    FATHOM_SPECIAL, /* added tokens written in the text are recognised, as Hugging Face does */
} fathom_encode_mode;

/* No BOS is added. *ids is released with fathom_free. */
FATHOM_API fathom_status fathom_tokenize(const fathom_tokenizer *tokenizer, const char *text,
                                         size_t size, fathom_encode_mode mode, int32_t **ids,
                                         size_t *n, fathom_error *err);
/* *text is zero-terminated; bytes that are not UTF-8 are passed on as they are. */
FATHOM_API fathom_status fathom_detokenize(const fathom_tokenizer *tokenizer, const int32_t *ids,
                                           size_t n, char **text, size_t *size, fathom_error *err);
/* Bytes of one token; the pointer lives as long as the tokenizer. */
FATHOM_API const char *fathom_token_bytes(const fathom_tokenizer *tokenizer, int32_t id,
                                          size_t *size);
FATHOM_API bool fathom_token_is_added(const fathom_tokenizer *tokenizer, int32_t id);
FATHOM_API int64_t fathom_tokenizer_size(const fathom_tokenizer *tokenizer);
FATHOM_API int32_t fathom_tokenizer_bos(const fathom_tokenizer *tokenizer); /* -1: none */
FATHOM_API int32_t fathom_tokenizer_eos(const fathom_tokenizer *tokenizer); /* -1: none */
FATHOM_API bool fathom_tokenizer_adds_bos(const fathom_tokenizer *tokenizer);

/* ---- conversations -------------------------------------------------------------------------------*/

typedef struct fathom_message {
    const char *role;    /* "system", "user", "assistant" */
    const char *content; /* always plain text: it cannot contain control tokens */
    size_t size;
} fathom_message;

typedef struct fathom_chat_options {
    const char *style; /* NULL: the model's own; else "r1", "v3", "chatml", ... */
    bool thinking;     /* for templates that leave the choice (V3.1) */
} fathom_chat_options;

/* Ids of the conversation up to where the assistant answers. A model without a known template gets
 * its BOS and the last user message as plain text. `*starts_thinking` (may be NULL) tells whether
 * the prompt leaves the model inside <think>. */
FATHOM_API fathom_status fathom_chat_tokens(const fathom_tokenizer *tokenizer,
                                            const fathom_message *messages, size_t n_messages,
                                            const fathom_chat_options *options, int32_t **ids,
                                            size_t *n, bool *starts_thinking, fathom_error *err);

/* The text of a file (txt, md, csv, source code; pdf through pdftotext), as valid UTF-8, and a
 * prompt that asks about it in R1's own file template. Both results: fathom_free. */
FATHOM_API fathom_status fathom_file_prompt(const char *path, const char *question, char **prompt,
                                            size_t *size, fathom_error *err);

/* ---- sessions ------------------------------------------------------------------------------------*/

/* A session is one timeline of tokens with its keys and values. Sessions whose timelines begin alike
 * share what is alike, without noticing (in exact arithmetic: to the bit). */
FATHOM_API fathom_status fathom_session_new(fathom_model *model, fathom_session **out,
                                            fathom_error *err);
FATHOM_API void fathom_session_free(fathom_session *session);

/* Makes the timeline equal to ids[0..n): keeps the longest common prefix of what is there and
 * computes the rest. `*reused` (may be NULL) receives the tokens that were not computed, its own and
 * those found in the cache of beginnings. At least one token is computed, so that the logits belong to
 * the last. A prompt longer than the context is FATHOM_ERR_LIMIT and changes nothing. When the cache is
 * full, beginnings that no session uses are given up first; then it is FATHOM_ERR_MEMORY, and the
 * timeline ends with what was computed. */
FATHOM_API fathom_status fathom_session_sync(fathom_session *session, const int32_t *ids, size_t n,
                                             size_t *reused, fathom_error *err);
/* Appends one token and computes its logits. */
FATHOM_API fathom_status fathom_session_push(fathom_session *session, int32_t id,
                                             fathom_error *err);
/* A second session with the same past, which costs almost nothing until they part. */
FATHOM_API fathom_status fathom_session_fork(const fathom_session *session, fathom_session **out,
                                             fathom_error *err);
FATHOM_API const int32_t *fathom_session_tokens(const fathom_session *session, size_t *n);
/* Logits after the last token, `vocabulary` floats; NULL before the first. Valid until the next
 * call that computes. */
FATHOM_API const float *fathom_session_logits(const fathom_session *session);
/* Last hidden state (after the final norm), `hidden_size` floats; same lifetime. */
FATHOM_API const float *fathom_session_hidden(const fathom_session *session);

/* Many sessions, step by step. fathom_session_queue appends tokens without computing them;
 * fathom_step computes one step for up to `n` sessions of one model: rows of those that have few tokens
 * waiting first, then of the others as far as a step goes. A session's logits are there when nothing of
 * it waits. */
FATHOM_API fathom_status fathom_session_queue(fathom_session *session, const int32_t *ids, size_t n,
                                              fathom_error *err);
FATHOM_API size_t fathom_session_waiting(const fathom_session *session);
/* Forgets what waits. */
FATHOM_API void fathom_session_cancel(fathom_session *session);

typedef struct fathom_step_report {
    int64_t rows, sessions; /* computed, and of how many */
    double seconds;
} fathom_step_report;
/* `report` may be NULL. FATHOM_ERR_MEMORY (the cache is full) changes no session. */
FATHOM_API fathom_status fathom_step(fathom_session *const *sessions, size_t n,
                                     fathom_step_report *report, fathom_error *err);

/* Writes the timeline with its keys, values and logits to a file that appears complete or not at all,
 * and reads one back, to go on with the very same bits. The file fits the model, its arithmetic, its
 * activations and its type of cache, and is refused elsewhere. */
FATHOM_API fathom_status fathom_session_save(const fathom_session *session, const char *path,
                                             fathom_error *err);
FATHOM_API fathom_status fathom_session_load(fathom_model *model, const char *path,
                                             fathom_session **out, fathom_error *err);

/* ---- sampling ------------------------------------------------------------------------------------*/

typedef struct fathom_logit_bias {
    int32_t id;
    float bias; /* added to the logit; -INFINITY: never */
} fathom_logit_bias;

/* docs/sampling.md says what each does, and in which order. */
typedef struct fathom_sampling {
    float temperature;  /* 0: the most probable token */
    float top_p;        /* 1: off */
    int top_k;          /* 0: off */
    float min_p;        /* 0: off */
    float repetition_penalty; /* 1 or 0: off; over prompt and reply */
    float presence_penalty, frequency_penalty; /* 0: off; over the reply */
    const fathom_logit_bias *bias; /* borrowed for the call */
    size_t n_bias;
    uint64_t seed, sequence; /* a draw depends on these two, the position and the logits alone;
                                `sequence` tells several replies to one prompt apart */
} fathom_sampling;

/* The model's generation_config, else DeepSeek's advice: temperature 0.6, top-p 0.95. */
FATHOM_API fathom_sampling fathom_sampling_defaults(const fathom_model *model);
/* Draws from the logits; ids that the tokenizer does not have are never drawn. Penalties need to know
 * the reply and are left out here. -1 before there are logits, or where every token is banned. */
FATHOM_API int32_t fathom_session_sample(const fathom_session *session,
                                         const fathom_sampling *sampling);

/* What an answer has to look like. Made once, used by any number of replies. docs/grammar.md describes
 * both languages. Errors name the place in the text. */
FATHOM_API fathom_status fathom_grammar_gbnf(const char *text, size_t size, fathom_grammar **out,
                                             fathom_error *err);
FATHOM_API fathom_status fathom_grammar_json_schema(const char *schema, size_t size,
                                                    fathom_grammar **out, fathom_error *err);
/* Any JSON object. */
FATHOM_API fathom_status fathom_grammar_json(fathom_grammar **out, fathom_error *err);
FATHOM_API void fathom_grammar_free(fathom_grammar *grammar);

/* ---- replies -------------------------------------------------------------------------------------*/

enum { FATHOM_LOGPROBS_TOP = 20, FATHOM_GUESSES_MAX = 15 };

typedef struct fathom_logprob {
    int32_t id;
    float logprob; /* natural logarithm, of the model's own distribution */
} fathom_logprob;

/* A token of a reply. Lives as long as the call that shows it. */
typedef struct fathom_token {
    int32_t id;
    bool thinking;       /* part of the reasoning */
    bool forced;         /* put there by the thinking budget */
    float logprob;       /* with `logprobs`: of the model's own distribution */
    float drawn_logprob; /* of the distribution that it was drawn from, after all sampling options */
    const fathom_logprob *top; /* the most probable ones */
    int n_top;
} fathom_token;

typedef struct fathom_generate_options {
    fathom_sampling sampling;
    int64_t max_tokens;     /* 0: until the context is full */
    bool ignore_end;        /* go on after end-of-turn tokens */
    bool starts_thinking;   /* the prompt ended inside <think> */
    int64_t thinking_budget; /* tokens of reasoning after which it is closed; 0: none at all; negative:
                                as many as it takes */
    const char *const *stops; /* strings that end the answer where they appear, and are not shown */
    size_t n_stops;
    fathom_grammar *grammar;  /* the answer, after the reasoning, is held to it; NULL: free */
    int64_t guesses;        /* most tokens guessed ahead, where that pays; 0: none. The reply is the same
                               with and without. */
    bool logprobs;          /* fill the log-probabilities of on_token */
    int n_logprobs;         /* and so many of the most probable tokens, at most FATHOM_LOGPROBS_TOP */
    /* Text as it becomes complete; never half a character. `thinking` tells reasoning from answer
     * (the tags themselves are not passed on). Returning false stops cleanly. May be NULL. */
    bool (*on_text)(void *context, const char *text, size_t size, bool thinking);
    /* Every token, before its text. Returning false stops. May be NULL. */
    bool (*on_token)(void *context, const fathom_token *token);
    /* Called between chunks of the prompt, `done` of the `total` tokens that must be computed.
     * Returning false stops with FATHOM_STOP_CALLER before anything is generated. May be NULL. */
    bool (*on_prompt)(void *context, int64_t done, int64_t total);
    void *context;
} fathom_generate_options;

typedef enum fathom_stop {
    FATHOM_STOP_END,    /* the model ended its turn, or the grammar was complete */
    FATHOM_STOP_LENGTH, /* max_tokens, or the context is full */
    FATHOM_STOP_CALLER,
    FATHOM_STOP_STRING, /* one of `stops` */
} fathom_stop;

typedef struct fathom_generation {
    fathom_stop stop;
    int stop_string;        /* which; -1: none */
    int64_t prompt_tokens, reused_tokens, generated_tokens;
    int64_t reasoning_tokens; /* of the generated ones */
    bool unanswered;        /* it ended inside the reasoning */
    int64_t guessed_tokens, right_guesses; /* tokens guessed ahead, and those that were right */
    int64_t steps;          /* that the generated tokens took */
    double prompt_seconds, generate_seconds;
    uint64_t logits_hash;   /* fingerprint of the logits of every token, for comparing runs */
    fathom_arith arith;     /* that it was computed with */
    fathom_activations activations;
} fathom_generation;

/* No budget, no stops, no grammar; guesses where they pay. */
FATHOM_API fathom_generate_options fathom_generate_defaults(const fathom_model *model);
/* Syncs to the prompt and generates. The session then holds prompt and reply, token for token, but for
 * the last token of a reply that did not end by itself. */
FATHOM_API fathom_status fathom_generate(fathom_session *session, const int32_t *prompt, size_t n,
                                         const fathom_generate_options *options,
                                         fathom_generation *result, fathom_error *err);

/* One of several replies that are generated together. */
typedef struct fathom_request {
    fathom_session *session; /* each its own; all of one model */
    const int32_t *prompt;
    size_t n;
    fathom_generate_options options; /* on_prompt is not called */
    fathom_generation result;        /* filled: the times are those of the whole company */
    fathom_status status;            /* how this one went; its sentence is in `error` */
    fathom_error error;
} fathom_request;

/* All of them, step by step together: as many times faster than one after the other as the weights are
 * read less often. Each reply is what it would be alone. The cache must hold all of them (`sessions` of
 * fathom_model_options): one that finds no room fails, as one with bad options does, and harms no other.
 * The status of the call is FATHOM_OK unless nothing could be done at all. */
FATHOM_API fathom_status fathom_generate_many(fathom_request *requests, size_t n, fathom_error *err);

/* ---- models from the hub -------------------------------------------------------------------------*/

/* Short names such as "deepseek-r1:1.5b". Static storage. */
typedef struct fathom_short_name {
    const char *name;
    const char *stands_for; /* "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B" */
    const char *help;
} fathom_short_name;

/* The index-th of them, from 0; false past the end. */
FATHOM_API bool fathom_short_name_at(size_t index, fathom_short_name *out);

typedef struct fathom_pull_file {
    const char *name;   /* its path in the repository, and in the folder */
    uint64_t size;
    const char *sha256; /* 64 hex digits; NULL for small files, of which the hub has none */
    bool here;          /* already there, complete and checked */
} fathom_pull_file;

/* What fathom_pull is about to do. Lives as long as the call to on_plan. */
typedef struct fathom_pull_plan {
    const char *repository, *revision;
    const char *commit;      /* what the revision stands for now; every file is of this commit */
    const char *folder;
    const char *path;        /* what fathom_model_open takes when all is done */
    const fathom_pull_file *files;
    size_t n_files;
    uint64_t total_bytes;
    uint64_t missing_bytes;  /* still to come */
} fathom_pull_plan;

typedef enum fathom_pull_phase {
    FATHOM_PULL_FETCHING,
    FATHOM_PULL_CHECKING, /* reading what an earlier run left; `done` and `total` are of this file */
    FATHOM_PULL_WAITING,  /* for another attempt, `seconds` more; `why` is what went wrong */
} fathom_pull_phase;

typedef struct fathom_pull_progress {
    fathom_pull_phase phase;
    const char *file;      /* NULL before the first */
    size_t index, n_files; /* this file among those to fetch, from 0 */
    uint64_t done, total;  /* bytes of these files */
    const char *why;
    double seconds;
} fathom_pull_progress;

typedef struct fathom_pull_options {
    const char *folder;   /* exactly there; NULL: OWNER/NAME in the folder of pulled models */
    const char *endpoint; /* NULL: $HF_ENDPOINT, else "https://huggingface.co" */
    const char *token;    /* NULL: $HF_TOKEN, if it is set. Goes to the endpoint and nobody else. */
    int stall_seconds;    /* a connection that says nothing for so long is given up; 0: 60 */
    int attempts;         /* in a row without progress; 0: 6 */
    /* Called once, before anything is fetched or changed. Returning false declines. May be NULL. */
    bool (*on_plan)(void *context, const fathom_pull_plan *plan);
    /* Called at least once a second. Returning false stops; what came stays for the next call. */
    bool (*on_progress)(void *context, const fathom_pull_progress *progress);
    void *context;
} fathom_pull_options;

FATHOM_API fathom_pull_options fathom_pull_defaults(void);

/* Fetches a model from a hub with Hugging Face's interface. `name`: a short name, OWNER/NAME,
 * OWNER/NAME:QUANTISATION or OWNER/NAME:FILE.gguf, each with @REVISION behind it or not. Goes on where
 * an earlier call stopped; fetches nothing that is there. A file has its name only once it is complete
 * and its sha256 is the hub's. *path (fathom_free) is what fathom_model_open takes.
 *
 * The folder of pulled models is $FATHOM_HOME/models, else $XDG_DATA_HOME/fathom/models, else
 * ~/.local/share/fathom/models. $SSL_CERT_FILE names certificates to trust instead of the system's;
 * proxies are those of https_proxy, http_proxy and no_proxy.
 *
 * FATHOM_ERR_IO: network, access, disk; FATHOM_ERR_FORMAT: the hub contradicts itself;
 * FATHOM_ERR_ARGUMENT: the name fits nothing, or several; FATHOM_ERR_CANCELLED. */
FATHOM_API fathom_status fathom_pull(const char *name, const fathom_pull_options *options,
                                     char **path, fathom_error *err);

/* The path of a model given as people give it: a path that exists, or a path that cannot be a name,
 * stays what it is; a name that was pulled before becomes what fathom_pull returned (models pulled
 * into a folder of their own excepted). No network. *path: fathom_free. */
FATHOM_API fathom_status fathom_model_path(const char *name, char **path, fathom_error *err);

/* ---- looking into models ---------------------------------------------------------------------------*/

typedef struct fathom_logits_options {
    const char *cpu;
    int threads;
    fathom_arith arith;
    fathom_cache_type cache; /* F32 unless told otherwise */
    fathom_activations activations;
    bool hidden, experts;    /* also write hidden.N, experts.N and expert_weights.N */
    bool mtp;                /* also run the multi-token-prediction module: mtp.logits, mtp.hidden */
    const char *adapter;     /* as in fathom_model_options */
    /* As in fathom_model_options, while weights are packed. Cancelled: nothing is written. */
    bool (*progress)(void *context, double fraction);
    void *progress_context;
} fathom_logits_options;

FATHOM_API fathom_logits_options fathom_logits_defaults(void);
/* One prefill of exactly these ids, in float32 from the dequantised weights unless told otherwise; writes `out_path`
 * (safetensors): logits [T, V]; hidden.N [T, D] for N = 0 (embedding) to L (after layer N); final
 * [T, D]; experts.N and expert_weights.N [T, K] for MoE layers, ascending by id. */
FATHOM_API fathom_status fathom_logits(const char *path, const int32_t *ids, size_t n,
                                       const fathom_logits_options *options, const char *out_path,
                                       fathom_error *err);

/* What is in a model's files, what it would need to run, and whether it fits: a JSON document (see
 * docs/inspect.md for its fields). Reads headers only. */
FATHOM_API fathom_status fathom_inspect(const char *path, const fathom_model_options *options,
                                        char **json, fathom_error *err);

typedef struct fathom_cost_options {
    double train_tokens;        /* pre-training tokens; 0: the report's figure where one is known */
    double gpu_hours_per_trillion; /* 0: V3's 180,000 H800 hours per 10^12 tokens, for other shapes
                                      in proportion to the arithmetic of a token */
    double extension_gpu_hours, post_training_gpu_hours; /* < 0: the report's where known, else 0 */
    double dollars_per_gpu_hour;   /* 0: 2 */
    int64_t context;               /* for the cache; 0: the config's maximum */
} fathom_cost_options;

FATHOM_API fathom_cost_options fathom_cost_defaults(void);

/* Parameters, active parameters, FLOPs, cache bytes, GPU hours and money of a config.json (or a
 * model), with the working shown: a JSON document. No weights needed. */
FATHOM_API fathom_status fathom_cost(const char *config_path, const fathom_cost_options *options,
                                     char **json, fathom_error *err);

#ifdef __cplusplus
}
#endif
