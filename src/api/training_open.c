/* training_open.c: the models of a training run. */
#include "api/training_run.h"

#include "api/objects.h"

#include <limits.h>
#include <string.h>
#include <sys/statvfs.h>

static const double GiB = 1 << 30;

/* ---- do they fit together ----------------------------------------------------------------------*/

static fm_status check_tokens(const fm_api_training *p, fm_error *err) {
    fathom_tokenizer *t;
    FM_TRY(fm_api_tokenizer_of_store(p->store, &t, err));
    fm_status status = FM_OK;
    if (t)
        status = fm_dataset_check_vocabulary(p->dataset, fm_tokenizer_size(t->inner),
                                             fm_tokenizer_fingerprint(t->inner), err);
    fathom_tokenizer_close(t);
    if (status != FM_OK || p->dataset->vocabulary <= p->model->config.vocab_size) return status;
    return fm_fail(err, FM_ERR_ARGUMENT, "%s has tokens up to %lld and the model %s has room for %lld",
                   p->recipe.data.train, (long long)p->dataset->vocabulary - 1, p->folder.model,
                   (long long)p->model->config.vocab_size);
}

static fm_status check_devices(const fm_api_training *p, fm_error *err) {
    int64_t devices = p->recipe.experts.devices, limit = p->recipe.experts.device_limit;
    int64_t experts = p->model->config.n_routed_experts;
    if (devices > 0 && experts > 0 && experts % devices != 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "experts.devices is %lld, which does not divide the model's %lld experts",
                       (long long)devices, (long long)experts);
    if (limit > (devices ? devices : p->model->config.n_group) && experts > 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "experts.device_limit is %lld, more than there are devices",
                       (long long)limit);
    return FM_OK;
}

/* Ids must mean the same to both: the first that does not is named. */
static fm_status compare(const fathom_tokenizer *own, const fathom_tokenizer *other, int64_t ids, const char *path,
                         fm_error *err) {
    for (int64_t i = 0; i < ids; i++) {
        size_t n, m;
        const char *a = fm_tokenizer_piece(own->inner, (fm_token)i, &n);
        const char *b = fm_tokenizer_piece(other->inner, (fm_token)i, &m);
        if (n != m || memcmp(a, b, n) != 0)
            return fm_fail(err, FM_ERR_ARGUMENT, "the teacher %s has another tokenizer than the student: token %lld is "
                           "'%.*s' there and '%.*s' here; learn from its text instead (data of its replies, and no "
                           "teacher.model)", path, (long long)i, (int)(m < 40 ? m : 40), b, (int)(n < 40 ? n : 40), a);
    }
    return FM_OK;
}

static fm_status check_tokenizers(const fm_api_training *p, fm_error *err) {
    fathom_tokenizer *own = NULL, *other = NULL;
    const char *path = p->recipe.teacher.model;
    int64_t ids = p->dataset->vocabulary;
    if (ids > p->teacher_model->config.vocab_size)
        return fm_fail(err, FM_ERR_ARGUMENT, "the teacher %s has %lld tokens and the data up to %lld: it has another "
                       "tokenizer than the student", path, (long long)p->teacher_model->config.vocab_size,
                       (long long)ids);
    fm_status status = fm_api_tokenizer_of_store(p->store, &own, err);
    if (status == FM_OK) status = fm_api_tokenizer_of_store(p->teacher_store, &other, err);
    if (status == FM_OK && !(own && other))
        status = fm_fail(err, FM_ERR_UNSUPPORTED, "%s carries no tokenizer: whether the ids of teacher and student "
                         "mean the same cannot be known", own ? path : p->folder.model);
    if (status == FM_OK) status = compare(own, other, ids, path, err);
    fathom_tokenizer_close(own);
    fathom_tokenizer_close(other);
    return status;
}

/* ---- taking ------------------------------------------------------------------------------------*/

static fm_status load(const fm_api_training *p, fm_model *model, fm_error *err) {
    uint64_t needed = fm_model_memory(model), available = fm_mem_available();
    if (available && needed > available)
        return fm_fail(err, FM_ERR_MEMORY, "%s takes %.1f GiB and %.1f GiB are available: use a smaller quantisation",
                       fm_store_path(model->store), (double)needed / GiB, (double)available / GiB);
    return fm_model_load(model, p->pool, NULL, NULL, err);
}

/* Tokens that are in memory at a time: whole rows. */
static int64_t tokens_at_a_time(const fm_api_training *p) {
    const fm_run_recipe *r = &p->recipe;
    int64_t tokens = r->batch.micro_tokens < r->batch.tokens ? r->batch.micro_tokens : r->batch.tokens;
    return tokens > r->data.context ? tokens : r->data.context;
}

static fm_status open_adapters(fm_api_training *p, fm_error *err) {
    const fm_run_recipe *r = &p->recipe;
    const fm_adapter_options o = {.rank = r->lora.rank, .targets = r->lora.targets, .seed = (uint64_t)r->run.seed,
                                  .alpha = r->lora.alpha > 0 ? r->lora.alpha : 2 * (double)r->lora.rank};
    FM_TRY(load(p, p->model, err));
    return fm_adapters_new(p->model, &o, &p->adapters, err);
}

static fm_status open_teacher(fm_api_training *p, fm_error *err) {
    const fm_run_recipe *r = &p->recipe;
    int64_t tokens = tokens_at_a_time(p);
    FM_TRY(fm_store_open(r->teacher.model, &p->teacher_store, err));
    const fm_model_options bound = {.pack = true, .expand_latents = true};
    FM_TRY(fm_model_bind(p->teacher_store, &bound, &p->teacher_model, err));
    FM_TRY(check_tokenizers(p, err));
    FM_TRY(load(p, p->teacher_model, err));
    const fm_teacher_options o = {.top = r->teacher.top, .vocabulary = p->model->config.vocab_size,
                                  .temperature = r->teacher.temperature, .weight = r->teacher.weight,
                                  .exact = r->run.precision == 0, .rows = tokens,
                                  .segments = fm_model_student_segments(tokens), .kernels = p->kernels,
                                  .pool = p->pool, .memory_limit = fm_mem_available()};
    return fm_teacher_new(p->teacher_model, &o, &p->teacher, err);
}

/* What the student has taken it has hardly touched yet: nothing is lost where the rest does not fit. */
static fm_status check_memory(const fm_api_training *p, uint64_t available, fm_error *err) {
    uint64_t needed = fm_model_student_bytes(p->student) +
                      fm_trainer_bytes(&p->recipe, &fm_model_student_face(p->student)->learned);
    if (!available || needed <= available) return FM_OK;
    return fm_fail(err, FM_ERR_MEMORY,
                   "this run needs %.2f GiB and the machine has %.2f: take a smaller batch.micro_tokens or "
                   "data.context, or a smaller model", (double)needed / GiB, (double)available / GiB);
}

/* One checkpoint: the weights and what the loop has beside them. */
static fm_status check_disk(const fm_api_training *p, fm_error *err) {
    const fm_learned_list *learned = &fm_model_student_face(p->student)->learned;
    uint64_t needed = fm_trainer_bytes(&p->recipe, learned);
    struct statvfs disk;
    for (size_t i = 0; i < learned->n; i++) needed += (uint64_t)fm_learned_elements(&learned->at[i]) * sizeof(float);
    if (statvfs(p->folder.path, &disk) != 0) return FM_OK;
    double room = (double)disk.f_bavail * (double)disk.f_frsize;
    if ((double)needed <= room) return FM_OK;
    return fm_fail(err, FM_ERR_IO, "a checkpoint of this run takes %.4f GiB and the disk of %s has %.4f GiB free: make "
                   "room, or give a folder on another disk", (double)needed / GiB, p->folder.path, room / GiB);
}

fm_status fm_api_training_open(fm_api_training *p, fm_error *err) {
    const fm_run_recipe *r = &p->recipe;
    bool adapts = r->lora.rank > 0;
    FM_TRY(fm_store_open(p->folder.model, &p->store, err));
    const fm_model_options bound = {.mtp = adapts ? 0 : INT_MAX, .pack = adapts, .expand_latents = true};
    FM_TRY(fm_model_bind(p->store, &bound, &p->model, err));
    p->parameters = fm_config_parameters(&p->model->config);
    FM_TRY(check_tokens(p, err));
    FM_TRY(check_devices(p, err));
    if (adapts) FM_TRY(open_adapters(p, err));
    if (*r->teacher.model) FM_TRY(open_teacher(p, err));
    uint64_t available = fm_mem_available();
    const fm_model_student_options o = {.bf16 = r->run.precision != 0, .recompute = r->run.recompute,
                                        .kernels = p->kernels, .pool = p->pool, .memory_limit = available,
                                        .batch_tokens = tokens_at_a_time(p), .adapters = p->adapters,
                                        .base = r->model.start, .teacher = p->teacher};
    FM_TRY(fm_model_student_new(p->model, &o, &p->student, err));
    FM_TRY(check_memory(p, available, err));
    return check_disk(p, err);
}

void fm_api_training_close(fm_api_training *p) {
    fm_model_student_free(p->student);
    fm_teacher_free(p->teacher);
    fm_model_free(p->teacher_model);
    fm_store_close(p->teacher_store);
    fm_adapters_free(p->adapters);
    fm_model_free(p->model);
    fm_store_close(p->store);
}

/* ---- figures -----------------------------------------------------------------------------------*/

int64_t fm_api_training_learnt(const fm_api_training *p) {
    const fm_learned_list *l = &fm_model_student_face(p->student)->learned;
    int64_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].grad) n += fm_learned_elements(&l->at[i]);
    return n;
}

/* Two for each multiply-add forward, two for the gradient of what it read and two for that of a weight that
 * learns; a teacher goes forward only. Attention is over half of the context on average. */
double fm_api_training_flops(const fm_api_training *p) {
    const fm_config *c = &p->model->config;
    double context = (double)p->recipe.data.context / 2, mtp = p->model->mtp ? (double)p->parameters.mtp_products : 0;
    double weights = (double)p->parameters.products + mtp;
    double flops = 6 * fm_config_attention_macs(c, context, c->mla && !c->expand_latents) +
                   (p->adapters ? 4 * weights + 6 * (double)fm_api_training_learnt(p) : 6 * weights);
    if (!p->teacher) return flops;
    const fm_config *t = &p->teacher_model->config;
    fm_parameters of_teacher = fm_config_parameters(t);
    double attention = fm_config_attention_macs(t, context, t->mla && !t->expand_latents);
    return flops + 2 * ((double)of_teacher.products + attention);
}
