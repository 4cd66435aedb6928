/* fathom_tokenizer_train.c: a vocabulary learnt from files. */
#include "api/notes.h"
#include "api/objects.h"
#include "base/clock.h"
#include "base/file.h"
#include "fathom/fathom_train.h"
#include "token/learn.h"
#include "train/corpus.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { VOCABULARY = 32768, LEAST_COUNT = 2, BATCH = 32 << 20 };
/* Of the whole time, reading and counting take about a third. */
static const double READING = 0.35;

fathom_tokenizer_train_options fathom_tokenizer_train_defaults(void) {
    return (fathom_tokenizer_train_options){0};
}

/* Documents on their way to the learner: many together, so that all threads have something to count. */
typedef struct reading {
    fm_learner *learner;
    fm_buffer text, ends; /* of the batch; ends: size_t per document */
    uint64_t bytes, total; /* of all files */
    int64_t documents, empty, binary;
    fm_notes *notes;
} reading;

static fm_status count_batch(reading *r, fm_error *err) {
    const size_t *ends = (const size_t *)(const void *)r->ends.data;
    size_t n = r->ends.size / sizeof *ends;
    FM_TRY(fm_buffer_status(&r->text, err));
    FM_TRY(fm_buffer_status(&r->ends, err));
    fm_token_text *texts = fm_alloc_array(n + 1, sizeof *texts, FM_MEM_TOKENIZER);
    if (!texts) return fm_fail_memory(err, n * sizeof *texts, "a batch of documents");
    for (size_t i = 0, at = 0; i < n; at = ends[i++]) texts[i] = (fm_token_text){r->text.data + at, ends[i] - at};
    fm_status status = fm_learner_add(r->learner, texts, n, err);
    fm_free(texts);
    r->text.size = r->ends.size = 0;
    if (status == FM_OK && !fm_notes_progress(r->notes, r->total ? READING * (double)r->bytes / (double)r->total : 0))
        return fm_fail(err, FM_ERR_CANCELLED, "stopped before all files were read");
    return status;
}

static fm_status take(void *context, const fm_document *d, fm_error *err) {
    reading *r = context;
    if (d->size == 0) {
        r->empty++;
    } else if (!fm_document_is_text(d)) {
        r->binary++;
    } else {
        r->documents++;
        fm_buffer_put(&r->text, d->text, d->size);
        fm_buffer_put(&r->ends, &r->text.size, sizeof r->text.size);
    }
    return r->text.size < BATCH ? FM_OK : count_batch(r, err);
}

static fm_status read_all(reading *r, const char *const *paths, size_t n, fm_error *err) {
    fm_status status = FM_OK;
    for (size_t i = 0; i < n; i++) r->total += fm_corpus_bytes(paths[i]);
    for (size_t i = 0; i < n && status == FM_OK; i++) status = fm_corpus_walk(paths[i], take, r, &r->bytes, err);
    if (status == FM_OK) status = count_batch(r, err);
    fm_buffer_clear(&r->text);
    fm_buffer_clear(&r->ends);
    if (status == FM_OK && r->documents == 0)
        status = fm_fail(err, FM_ERR_ARGUMENT, "there is no text to learn from: %lld documents are empty and %lld "
                         "are not text", (long long)r->empty, (long long)r->binary);
    return status;
}

/* ---- options -------------------------------------------------------------------------------------*/

static bool merging(void *notes, double fraction) {
    return fm_notes_progress(notes, READING + (1 - READING) * fraction);
}

static fm_status choose(const fathom_tokenizer_train_options *o, fm_learn_options *inner, fm_learn_chat *chat,
                        fm_error *err) {
    const char *name = o->chat ? o->chat : "deepseek-v3";
    inner->vocabulary = o->vocabulary ? o->vocabulary : VOCABULARY;
    inner->least_count = o->least_count ? o->least_count : LEAST_COUNT;
    inner->merge_digits = o->merge_digits;
    inner->pre = fm_known_find(o->pre ? o->pre : "deepseek-v3");
    if (!inner->pre) {
        fm_buffer names = {0};
        fm_known_names(&names);
        fm_fail(err, FM_ERR_ARGUMENT, "there is no way of cutting text called '%.60s'; there are %s", o->pre,
                fm_buffer_string(&names));
        fm_buffer_clear(&names);
        return FM_ERR_ARGUMENT;
    }
    *chat = strcmp(name, "deepseek-r1") == 0 ? FM_LEARN_CHAT_R1 : strcmp(name, "none") == 0 ? FM_LEARN_CHAT_NONE
                                                                                           : FM_LEARN_CHAT_V3;
    if (*chat == FM_LEARN_CHAT_V3 && strcmp(name, "deepseek-v3") != 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "there is no chat template called '%.60s' to write; there are "
                       "deepseek-v3, deepseek-r1 and none", name);
    return FM_OK;
}

/* ---- the files -----------------------------------------------------------------------------------*/

static fm_status write_file(const char *folder, const char *name, const fm_buffer *text, fm_error *err) {
    fm_writer *w;
    char *path = fm_path_join(folder, name);
    if (!path) return fm_fail_memory(err, strlen(folder), "a path");
    fm_status status = fm_writer_open(path, &w, err);
    fm_free(path);
    if (status != FM_OK) return status;
    status = fm_writer_put(w, text->data, text->size, err);
    if (status == FM_OK) return fm_writer_commit(w, err);
    fm_writer_abort(w);
    return status;
}

/* tokenizer.json comes last: whoever sees it sees both. */
static fm_status write_folder(const char *folder, const fm_buffer *json, const fm_buffer *config, fm_error *err) {
    FM_TRY(fm_folder_make_for(folder, err));
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return fm_fail(err, FM_ERR_IO, "cannot make the folder %s: %s", folder, strerror(errno));
    FM_TRY(write_file(folder, "tokenizer_config.json", config, err));
    return write_file(folder, "tokenizer.json", json, err);
}

static void say(const reading *r, const fm_learn_options *o, const fm_learnt *made) {
    fm_buffer said = {0};
    if (r->empty || r->binary)
        fm_buffer_format(&said, "%lld empty documents and %lld that are not text (no valid UTF-8, or zero bytes) were "
                         "passed over", (long long)r->empty, (long long)r->binary);
    if (said.size) fm_notes_add(r->notes, fm_buffer_string(&said));
    said.size = 0;
    if (made->vocabulary < o->vocabulary)
        fm_buffer_format(&said, "no more pairs occur often enough (%lld): the vocabulary has %lld tokens, not "
                         "%lld", (long long)o->least_count, (long long)made->vocabulary, (long long)o->vocabulary);
    if (said.size) fm_notes_add(r->notes, fm_buffer_string(&said));
    fm_buffer_clear(&said);
}

static void report(fm_buffer *out, const char *target, const reading *r, const fm_learnt *made, double seconds) {
    fm_json_writer w = {.out = out};
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "path", target);
    fm_json_put_integer(&w, "vocabulary", made->vocabulary);
    fm_json_put_integer(&w, "merges", made->merges);
    fm_json_put_integer(&w, "bytes", (int64_t)made->bytes);
    fm_json_put_integer(&w, "documents", r->documents);
    fm_json_put_integer(&w, "empty", r->empty);
    fm_json_put_integer(&w, "binary", r->binary);
    fm_json_put_integer(&w, "pieces", made->pieces);
    fm_json_put_integer(&w, "distinct_pieces", made->distinct);
    fm_json_put_real(&w, "seconds", seconds);
    fm_notes_put(r->notes, &w);
    fm_json_close(&w, '}');
    fm_buffer_text(out, "\n");
}

static fm_status learn(reading *r, const char *const *paths, size_t n, const char *target, const fm_learn_options *o,
                       fm_learn_chat chat, fm_buffer *out, fm_error *err) {
    fm_buffer json = {0}, config = {0};
    fm_learnt made;
    double start = fm_clock_seconds();
    fm_status status;
    FM_TRY_GOTO(fm_learner_new(o, &r->learner, err), done);
    FM_TRY_GOTO(read_all(r, paths, n, err), done);
    FM_TRY_GOTO(fm_learner_finish(r->learner, chat, &json, &config, &made, err), done);
    FM_TRY_GOTO(write_folder(target, &json, &config, err), done);
    say(r, o, &made);
    report(out, target, r, &made, fm_clock_seconds() - start);
    status = fm_buffer_status(out, err);
done:
    fm_learner_free(r->learner);
    fm_buffer_clear(&json);
    fm_buffer_clear(&config);
    return status;
}

fathom_status fathom_tokenizer_train(const char *const *paths, size_t n, const char *target,
                                     const fathom_tokenizer_train_options *options, char **json,
                                     fathom_error *error) {
    fm_error err = {0};
    fathom_tokenizer_train_options defaults = fathom_tokenizer_train_defaults();
    const fathom_tokenizer_train_options *o = options ? options : &defaults;
    fm_notes notes = {.progress = o->progress, .note = o->note, .context = o->callback_context};
    fm_learn_options inner = {.progress = merging, .context = &notes};
    reading r = {.notes = &notes};
    fm_learn_chat chat;
    fm_buffer out = {0};
    if (json) *json = NULL;
    fm_status status = choose(o, &inner, &chat, &err);
    if (status == FM_OK) status = fm_pool_new(o->threads, &inner.pool, &err);
    if (status == FM_OK) status = learn(&r, paths, n, target, &inner, chat, &out, &err);
    fm_pool_free(inner.pool);
    if (status == FM_OK && json) *json = fm_buffer_take(&out);
    fm_buffer_clear(&out);
    fm_notes_clear(&notes);
    return fm_api_return(status, &err, error);
}
