#include "train/teacher.h"

struct fm_teacher {
    const fm_model *model;
    fm_teacher_options options;
    fm_plan *plan;
    fm_step_pages pages;
    fm_segment *segments;
    uint64_t bytes;
};

static fm_status check(const fm_model *m, const fm_teacher_options *o, fm_error *err) {
    int64_t least = m->config.vocab_size < o->vocabulary ? m->config.vocab_size : o->vocabulary;
    if (o->top >= 1 && o->top < least) return FM_OK;
    return fm_fail(err, FM_ERR_ARGUMENT, "a teacher tells 1 to %lld tokens apart here, not %lld", (long long)least - 1,
                   (long long)o->top);
}

static fm_status make_plan(fm_teacher *t, size_t *bytes, fm_error *err) {
    const fm_teacher_options *o = &t->options;
    const fm_plan_options p = {.rows = o->rows, .outputs = 1, .routed = t->model->config.num_experts_per_tok,
                               .activations = o->exact ? FM_ACTIVATIONS_F32 : FM_ACTIVATIONS_INT16,
                               .kernels = o->kernels, .pool = o->pool};
    FM_TRY(fm_plan_new(&p, &t->plan, err));
    FM_TRY(fm_model_record_teaching(t->model, o->top, o->vocabulary, o->temperature, t->plan, err));
    return fm_plan_place(t->plan, bytes, err);
}

static fm_status start(fm_teacher *t, fm_error *err) {
    const fm_teacher_options *o = &t->options;
    fm_kv_shape kv;
    size_t of_plan;
    FM_TRY(check(t->model, o, err));
    FM_TRY(fm_model_kv_shape(t->model, o->exact ? FM_KV_F32 : FM_KV_BF16, &kv, err));
    FM_TRY(make_plan(t, &of_plan, err));
    t->bytes = of_plan + fm_step_pages_bytes(&kv, o->rows, o->segments);
    if (o->memory_limit && t->bytes > o->memory_limit)
        return fm_fail(err, FM_ERR_MEMORY, "asking the teacher about steps of %lld tokens takes %.1f GiB and %.1f GiB "
                       "are available: use fewer tokens in a micro-batch", (long long)o->rows,
                       (double)t->bytes / (1 << 30), (double)o->memory_limit / (1 << 30));
    FM_TRY(fm_plan_allocate(t->plan, err));
    FM_TRY(fm_step_pages_new(&kv, o->rows, o->segments, &t->pages, err));
    t->segments = fm_alloc_array((size_t)o->segments, sizeof *t->segments, FM_MEM_OTHER);
    return t->segments ? FM_OK : fm_fail_memory(err, (size_t)o->segments * sizeof *t->segments, "segments");
}

fm_status fm_teacher_new(const fm_model *model, const fm_teacher_options *options, fm_teacher **out, fm_error *err) {
    *out = NULL;
    fm_teacher *t = fm_alloc_zero(sizeof *t, FM_MEM_OTHER);
    if (!t) return fm_fail_memory(err, sizeof *t, "a teacher");
    t->model = model;
    t->options = *options;
    fm_status status = start(t, err);
    if (status == FM_OK) *out = t;
    else fm_teacher_free(t);
    return status;
}

void fm_teacher_free(fm_teacher *t) {
    if (!t) return;
    fm_plan_free(t->plan);
    fm_step_pages_clear(&t->pages);
    fm_free(t->segments);
    fm_free(t);
}

uint64_t fm_teacher_bytes(const fm_teacher *t) { return t->bytes; }

fm_status fm_teacher_ask(fm_teacher *t, int64_t n_rows, const int32_t *ids, const fm_segment *segments, int n_segments,
                         const float *weights, fm_teaching *out, fm_error *err) {
    const fm_teacher_options *o = &t->options;
    if (n_rows > o->rows || n_segments > o->segments)
        return fm_fail(err, FM_ERR_ARGUMENT, "a step of %lld rows in %d segments is more than a teacher was made for",
                       (long long)n_rows, n_segments);
    for (int64_t i = 0; i < n_rows; i++)
        if (ids[i] < 0 || ids[i] >= t->model->config.vocab_size)
            return fm_fail(err, FM_ERR_ARGUMENT, "token %d is not one of the teacher's %lld", ids[i],
                           (long long)t->model->config.vocab_size);
    for (int i = 0; i < n_segments; i++) t->segments[i] = segments[i];
    fm_step_pages_lay(&t->pages, t->segments, n_segments);
    const fm_lesson lesson = {.weights = {weights}};
    const fm_step step = {.n_rows = n_rows, .ids = ids, .n_segments = n_segments, .segments = t->segments,
                          .kv = &t->pages.kv, .lesson = &lesson};
    FM_TRY(fm_plan_run(t->plan, &step, err));
    *out = (fm_teaching){.top = o->top, .ids = fm_plan_data(t->plan, fm_plan_find(t->plan, "likeliest.ids")),
                         .shares = fm_plan_floats(t->plan, fm_plan_find(t->plan, "likeliest.shares")),
                         .temperature = o->temperature, .weight = o->weight};
    return FM_OK;
}
