/* embed.c: how alike texts are, by the model's last hidden state.
 *
 *     cc embed.c $(pkg-config --cflags --libs fathom) -lm -o embed
 *     printf 'a cat\na kitten\na tax return\n' | ./embed MODEL
 *
 * Every line of standard input is a text. Out come its embedding's cosine similarities with all texts,
 * one row a text. An embedding here is the state after the text's last token: simple, and no match for a
 * model that was trained to embed. */
#include <fathom/fathom.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TEXTS = 256, LONGEST_LINE = 4096 };

/* The state after the tokens of `text`, of length one, into vector[0..width). */
static fathom_status embed(fathom_model *model, fathom_session *session, const char *text, size_t size,
                           int64_t width, float *vector, fathom_error *err) {
    const fathom_tokenizer *tokenizer = fathom_model_tokenizer(model);
    int32_t *ids, bos = fathom_tokenizer_bos(tokenizer);
    size_t n;
    fathom_status status = fathom_tokenize(tokenizer, text, size, FATHOM_PLAIN, &ids, &n, err);
    if (status != FATHOM_OK) return status;

    /* Most models want every text to begin with their BOS token. Queued tokens are computed together. */
    bool begins = fathom_tokenizer_adds_bos(tokenizer) && bos >= 0;
    if (begins) status = fathom_session_queue(session, &bos, 1, err);
    if (status == FATHOM_OK) status = fathom_session_queue(session, ids, n, err);
    while (status == FATHOM_OK && fathom_session_waiting(session) > 0)
        status = fathom_step(&session, 1, NULL, err);
    fathom_free(ids);
    if (status != FATHOM_OK) return status;

    const float *hidden = fathom_session_hidden(session);
    double length = 0;
    for (int64_t i = 0; i < width; i++) length += (double)hidden[i] * hidden[i];
    length = length > 0 ? sqrt(length) : 1;
    for (int64_t i = 0; i < width; i++) vector[i] = (float)(hidden[i] / length);
    return FATHOM_OK;
}

static double product(const float *a, const float *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)a[i] * b[i];
    return sum;
}

static void print_similarities(const float *vectors, size_t n, int64_t width) {
    for (size_t row = 0; row < n; row++)
        for (size_t column = 0; column < n; column++)
            printf("%s%.4f%s", column ? " " : "",
                   product(vectors + row * (size_t)width, vectors + column * (size_t)width, width),
                   column + 1 == n ? "\n" : "");
}

static fathom_status embed_lines(fathom_model *model, float *vectors, size_t *n, fathom_error *err) {
    char line[LONGEST_LINE];
    int64_t width = fathom_model_describe(model).hidden_size;
    fathom_status status = FATHOM_OK;
    while (status == FATHOM_OK && *n < MOST_TEXTS && fgets(line, sizeof line, stdin)) {
        size_t size = strcspn(line, "\n");
        if (size == 0) continue;
        fathom_session *session;
        status = fathom_session_new(model, &session, err);
        if (status != FATHOM_OK) break;
        status = embed(model, session, line, size, width, vectors + *n * (size_t)width, err);
        fathom_session_free(session);
        if (status == FATHOM_OK) ++*n;
    }
    return status;
}

int main(int argc, char **argv) {
    fathom_model *model;
    fathom_error err;
    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL < texts\n", argv[0]);
        return 2;
    }
    if (fathom_model_open(argv[1], NULL, &model, &err) != FATHOM_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 2;
    }
    size_t n = 0, width = (size_t)fathom_model_describe(model).hidden_size;
    float *vectors = calloc(MOST_TEXTS * width, sizeof *vectors);
    if (!vectors) abort();
    fathom_status status = embed_lines(model, vectors, &n, &err);
    if (status == FATHOM_OK)
        print_similarities(vectors, n, (int64_t)width);
    else
        fprintf(stderr, "%s\n", err.message);
    free(vectors);
    fathom_model_close(model);
    return status == FATHOM_OK ? 0 : 2;
}
