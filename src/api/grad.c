/* grad.c: one step that learns from exactly these ids, its gradients written instead of used. */
#include "api/handles.h"

#include "base/file.h"
#include "fathom/fathom_train.h"
#include "train/learning.h"

#include <limits.h>

fathom_grad_options fathom_grad_defaults(void) {
    return (fathom_grad_options){.cpu = "auto", .mtp_weight = 0.3};
}

typedef struct job {
    fm_store *store;
    fm_model *model;
    fm_pool *pool;
    fm_learning *learning;
    fm_learning_loss loss;
} job;

/* A path that cannot be written to is found out before the work, not after. */
static fm_status check_writable(const char *path, fm_error *err) {
    fm_writer *w;
    FM_TRY(fm_writer_open(path, &w, err));
    fm_writer_abort(w);
    return FM_OK;
}

static fm_status write_out(const job *j, size_t n, const char *path, fm_error *err) {
    const fm_learned_list *list = fm_learning_list(j->learning);
    fm_safetensors_item *items = fm_alloc_array(list->n + 2, sizeof *items, FM_MEM_OTHER);
    if (!items) return fm_fail_memory(err, list->n * sizeof *items, "the list of gradients");
    float loss = (float)(j->loss.nats[0] / (double)(n - 1)), of_module = 0;
    size_t count = 0;
    items[count++] = (fm_safetensors_item){.name = "loss", .dtype = FM_DTYPE_F32, .n_dims = 1, .shape = {1},
                                           .data = &loss};
    int modules = j->model->n_mtp;
    for (int d = 1; d <= modules; d++)
        of_module += (float)(j->loss.nats[d] / (double)(n - 1 - (size_t)d) / modules);
    if (modules) {
        items[count++] = (fm_safetensors_item){.name = "mtp_loss", .dtype = FM_DTYPE_F32, .n_dims = 1,
                                               .shape = {1}, .data = &of_module};
    }
    for (size_t i = 0; i < list->n; i++) {
        const fm_learned *l = &list->at[i];
        if (!l->grad) continue;
        bool vector = l->kind == FM_LEARNED_NORM || l->kind == FM_LEARNED_BIAS;
        items[count++] = (fm_safetensors_item){.name = l->name, .dtype = FM_DTYPE_F32, .n_dims = vector ? 1 : 2,
                                               .shape = {vector ? l->columns : l->rows, vector ? 1 : l->columns},
                                               .data = l->grad};
    }
    static const char *const metadata[] = {"producer", "fathom grad"};
    fm_status status = fm_safetensors_write(path, items, count, metadata, 1, err);
    fm_free(items);
    return status;
}

/* What each row foretells, and how much it counts. */
static fm_status learn(job *j, const int32_t *ids, int64_t n, const fathom_grad_options *o, fm_error *err) {
    int modules = j->model->n_mtp;
    int32_t *ahead = fm_alloc_array((size_t)n * FM_DEPTHS, sizeof *ahead, FM_MEM_OTHER);
    float *weights = fm_alloc_array((size_t)n * FM_DEPTHS, sizeof *weights, FM_MEM_OTHER);
    fm_status status = ahead && weights ? FM_OK : fm_fail_memory(err, (size_t)n * FM_DEPTHS * 8, "targets");
    fm_segment segment = {.count = n};
    fm_learning_step step = {.n_rows = n, .ids = ids, .n_segments = 1, .segments = &segment};
    for (int64_t d = 0; d <= modules && status == FM_OK; d++) {
        double counts = (d ? o->mtp_weight / modules : 1) / (double)(n - 1 - d);
        for (int64_t t = 0; t < n; t++) {
            bool there = t + d + 1 < n;
            ahead[d * n + t] = there ? ids[t + d + 1] : -1;
            weights[d * n + t] = there ? (float)counts : 0;
        }
        step.lesson.ahead[d] = ahead + d * n;
        step.lesson.weights[d] = weights + d * n;
    }
    if (status == FM_OK) status = fm_learning_run(j->learning, &step, true, &j->loss, err);
    fm_free(ahead);
    fm_free(weights);
    return status;
}

static fm_status run(job *j, const char *path, const int32_t *ids, size_t n, const fathom_grad_options *o,
                     const char *out, fm_error *err) {
    fm_cpu_level level;
    fathom_model_options options = fathom_model_defaults(), resolved;
    options.cpu = o->cpu;
    FM_TRY(fm_api_resolve(&options, &resolved, &level, err));
    if (o->mtp && !(o->mtp_weight > 0))
        return fm_fail(err, FM_ERR_ARGUMENT, "the weight of multi-token prediction is above 0, not %g",
                       o->mtp_weight);
    FM_TRY(check_writable(out, err));
    FM_TRY(fm_store_open(path, &j->store, err));
    fm_model_options what = {.arith = FM_EXACT, .mtp = o->mtp ? INT_MAX : 0};
    FM_TRY(fm_model_bind(j->store, &what, &j->model, err));
    if (n < 2 + (size_t)j->model->n_mtp || n > INT32_MAX)
        return fm_fail(err, FM_ERR_ARGUMENT, "%zu tokens leave nothing to predict%s: give %d or more", n,
                       o->mtp ? " to the module" : "", 2 + j->model->n_mtp);
    FM_TRY(fm_pool_new(o->threads, &j->pool, err));
    fm_learning_options learning = {.trainee = {.form = o->bf16 ? FM_WORDS_BF16 : FM_WORDS_F32, .pool = j->pool,
                                                .kernels = fm_kernels_get(level)},
                                    .rows = (int64_t)n, .segments = 1,
                                    .mtp = o->mtp && !j->model->n_mtp ? 1 : j->model->n_mtp,
                                    .memory_limit = resolved.memory_limit};
    FM_TRY(fm_learning_new(j->model, &learning, &j->learning, err));
    FM_TRY(learn(j, ids, (int64_t)n, o, err));
    return write_out(j, n, out, err);
}

fathom_status fathom_grad(const char *path, const int32_t *ids, size_t n, const fathom_grad_options *options,
                          const char *out_path, fathom_error *error) {
    fm_error err;
    fathom_grad_options defaults = fathom_grad_defaults();
    job j = {0};
    fm_status status = run(&j, path, ids, n, options ? options : &defaults, out_path, &err);
    fm_learning_free(j.learning);
    fm_model_free(j.model);
    fm_pool_free(j.pool);
    fm_store_close(j.store);
    return fm_api_return(status, &err, error);
}
