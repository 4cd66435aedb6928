#include "api/run_samples.h"

#include "api/objects.h"

#include <string.h>

typedef struct sampling {
    fathom_model *model;
    const fm_run_recipe *recipe;
    fm_run_log *log;
    int64_t step;
    fm_buffer text;
} sampling;

static fm_status said(fathom_status status, const fathom_error *from, fm_error *err) {
    return status == FATHOM_OK ? FM_OK : fm_fail(err, (fm_status)status, "%s", from->message);
}

static bool keep_text(void *context, const char *text, size_t size, bool thinking) {
    (void)thinking;
    fm_buffer_put(&((sampling *)context)->text, text, size);
    return true;
}

/* The prompt's ids, behind the token that begins a text where there is one. */
static fm_status prompt_ids(const fathom_tokenizer *t, const char *prompt, fm_buffer *out, fm_error *err) {
    fathom_error why;
    int32_t *ids, bos = fathom_tokenizer_bos(t);
    size_t n;
    FM_TRY(said(fathom_tokenize(t, prompt, strlen(prompt), FATHOM_PLAIN, &ids, &n, &why), &why, err));
    if (bos >= 0) fm_buffer_put(out, &bos, sizeof bos);
    fm_buffer_put(out, ids, n * sizeof *ids);
    fathom_free(ids);
    if (out->size == 0 && !out->failed) fm_buffer_put(out, &(int32_t){0}, sizeof(int32_t));
    return fm_buffer_status(out, err);
}

static fm_status write_on(sampling *s, const char *prompt, uint64_t number, fm_error *err) {
    fathom_error why;
    fathom_session *session;
    fm_buffer ids = {0};
    fathom_generate_options o = fathom_generate_defaults(s->model);
    o.sampling = (fathom_sampling){.temperature = (float)s->recipe->samples.temperature, .top_p = 1,
                                   .seed = (uint64_t)s->recipe->run.seed, .sequence = number};
    o.max_tokens = s->recipe->samples.tokens;
    o.on_text = keep_text;
    o.context = s;
    fm_buffer_clear(&s->text);
    FM_TRY(said(fathom_session_new(s->model, &session, &why), &why, err));
    fm_status status = prompt_ids(fathom_model_tokenizer(s->model), prompt, &ids, err);
    if (status == FM_OK)
        status = said(fathom_generate(session, (const int32_t *)(const void *)ids.data, ids.size / sizeof(int32_t), &o,
                                      NULL, &why), &why, err);
    fathom_session_free(session);
    fm_buffer_clear(&ids);
    FM_TRY(status);
    fm_json_writer *w = fm_run_log_event(s->log, "sample", s->step);
    fm_json_put_text(w, "prompt", prompt);
    fm_json_put_text(w, "text", fm_buffer_string(&s->text));
    return fm_run_log_end(s->log, err);
}

fm_status fm_api_run_samples(const char *model, const char *adapter, int64_t step, const fm_run_recipe *recipe,
                             fm_run_log *log, fm_error *err) {
    static const char *const nothing[] = {""};
    fathom_error why;
    fathom_model_options o = fathom_model_defaults();
    sampling s = {.recipe = recipe, .log = log, .step = step};
    fm_recipe_texts prompts = recipe->samples.prompts;
    if (prompts.n == 0) prompts = (fm_recipe_texts){nothing, 1};
    o.threads = (int)recipe->run.threads;
    o.activations = FATHOM_ACTIVATIONS_F32;
    o.no_mtp = true;
    o.adapter = adapter;
    FM_TRY(said(fathom_model_open(model, &o, &s.model, &why), &why, err));
    fm_status status = FM_OK;
    for (size_t i = 0; fathom_model_tokenizer(s.model) && i < prompts.n && status == FM_OK; i++)
        status = write_on(&s, prompts.at[i], (uint64_t)i, err);
    fm_buffer_clear(&s.text);
    fathom_model_close(s.model);
    return status;
}
