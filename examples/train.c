/* train.c: a text in, a model out that goes on with it: vocabulary, data, a run, a sample.
 *
 *     cc train.c $(pkg-config --cflags --libs fathom) -o train
 *     ./train FOLDER TEXT... [-s optimizer.lr=0.003]...
 *
 * FOLDER/tokenizer, FOLDER/data and FOLDER/run appear; started again, the run goes on where it was. Whatever follows
 * -s is a key of the run's recipe (docs/training.md). */
#include <fathom/fathom.h>
#include <fathom/fathom_train.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 };

static char *join(const char *folder, const char *name) {
    size_t n = strlen(folder) + strlen(name) + 2;
    char *path = malloc(n);
    if (path) snprintf(path, n, "%s/%s", folder, name);
    return path;
}

static int is_there(const char *path) {
    FILE *f = fopen(path, "rb");
    if (f) fclose(f);
    return f != NULL;
}

/* After every step; false would end the run, with a checkpoint. */
static bool show(void *context, const fathom_run_progress *p) {
    (void)context;
    fprintf(stderr, "\rstep %lld of %lld, loss %.3f ", (long long)p->step, (long long)p->steps, p->loss);
    return true;
}

/* A vocabulary of these texts, and the texts as its ids; what is there already stays. */
static fathom_status prepare(const char *tokenizer, const char *data, const char *const *texts, size_t n,
                             fathom_error *err) {
    char *file = join(tokenizer, "tokenizer.json"), *manifest = join(data, "data.json");
    fathom_status status = file && manifest ? FATHOM_OK : FATHOM_ERR_MEMORY;
    if (status != FATHOM_OK) snprintf(err->message, sizeof err->message, "no memory for a path");
    if (status == FATHOM_OK && !is_there(file)) {
        fathom_tokenizer_train_options options = fathom_tokenizer_train_defaults();
        options.vocabulary = 512;
        status = fathom_tokenizer_train(texts, n, tokenizer, &options, NULL, err);
    }
    if (status == FATHOM_OK && !is_there(manifest)) {
        fathom_data_source source = {"main", -1, texts, n};
        fathom_data_options options = fathom_data_defaults();
        status = fathom_data_build(tokenizer, &source, 1, data, &options, NULL, err);
    }
    free(file);
    free(manifest);
    return status;
}

/* The run, as its defaults and `settings` say. */
static fathom_status train(const char *run, const char *data, const char **settings, size_t n, fathom_error *err) {
    char *json = NULL, key[4200];
    fathom_run_options options = fathom_run_defaults();
    snprintf(key, sizeof key, "data.train=%s", data);
    settings[n] = key;
    options.settings = settings;
    options.n_settings = n + 1;
    options.progress = show;
    fathom_status status = fathom_pretrain(run, &options, &json, err);
    fputc('\n', stderr);
    if (status == FATHOM_OK) puts(json); /* which checkpoint, how many steps and tokens, how it ended */
    fathom_free(json);
    return status;
}

int main(int argc, char **argv) {
    const char *texts[MOST], *settings[MOST + 1];
    size_t n_texts = 0, n_settings = 0;
    fathom_error err;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "-s") == 0 && i + 1 < argc && n_settings < MOST) settings[n_settings++] = argv[++i];
        else if (n_texts < MOST) texts[n_texts++] = argv[i];
    }
    if (argc < 3 || n_texts == 0) {
        fprintf(stderr, "usage: %s FOLDER TEXT... [-s SECTION.KEY=VALUE]...\n", argv[0]);
        return 2;
    }
    char *tokenizer = join(argv[1], "tokenizer"), *data = join(argv[1], "data"), *run = join(argv[1], "run");
    fathom_status status = tokenizer && data && run ? FATHOM_OK : FATHOM_ERR_MEMORY;
    if (status != FATHOM_OK) snprintf(err.message, sizeof err.message, "no memory for a path");
    if (status == FATHOM_OK) status = prepare(tokenizer, data, texts, n_texts, &err);
    if (status == FATHOM_OK) status = train(run, data, settings, n_settings, &err);
    if (status != FATHOM_OK) fprintf(stderr, "%s\n", err.message);
    free(tokenizer);
    free(data);
    free(run);
    return status == FATHOM_OK ? 0 : 2;
}
