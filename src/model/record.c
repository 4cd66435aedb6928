/* record.c: a whole model as a plan: embedding, blocks, final norm, head; and the MTP module. */
#include "model/block/block.h"

#include <stdio.h>

static fm_recorder recorder_of(const fm_model *m, const fm_record_options *options, fm_plan *plan) {
    return (fm_recorder){.plan = plan, .model = m, .options = options,
                         .angles = fm_rope_angles(plan, m->rope_frequencies,
                                                  fm_model_rotary_dims(&m->config) / 2,
                                                  m->rope_factor)};
}

static void observe_hidden(const fm_recorder *r, fm_value h, int64_t index) {
    char name[32];
    if (!r->options->hidden) return;
    snprintf(name, sizeof name, "hidden.%lld", (long long)index);
    fm_observe(r->plan, h, name);
}

fm_status fm_model_record(const fm_model *m, const fm_record_options *options, fm_plan *plan,
                          fm_error *err) {
    (void)err;
    fm_recorder r = recorder_of(m, options, plan);
    fm_value h = fm_embed(plan, &m->embed);
    observe_hidden(&r, h, 0);
    for (r.layer = 0; r.layer < m->config.num_hidden_layers; r.layer++) {
        h = m->config.arch->block(&r, h, &m->layers[r.layer]);
        observe_hidden(&r, h, r.layer + 1);
    }
    double eps = m->config.rms_norm_eps;
    fm_value final;
    if (options->states || options->watcher) {
        fm_value states = fm_rmsnorm(plan, h, &m->final_norm, eps);
        fm_watch_input(&r, states, FM_ROLE_HEAD);
        fm_plan_keep(plan, states, "states");
        final = fm_select_outputs(plan, states);
    } else {
        final = fm_rmsnorm(plan, fm_select_outputs(plan, h), &m->final_norm, eps);
    }
    fm_plan_keep(plan, final, "final");
    fm_plan_keep(plan, fm_linear(plan, final, &m->head, NULL), "logits");
    return FM_OK;
}

/* DeepSeek-V3, section 2.2: x = W_eh [norm(Emb(t_i+1)); norm(h_i)], one block, norm, head. The
 * embedding half comes first, as the checkpoints have it. */
fm_status fm_model_record_mtp(const fm_model *m, const fm_record_options *options, fm_plan *plan,
                              fm_error *err) {
    if (!m->mtp)
        return fm_fail(err, FM_ERR_UNSUPPORTED,
                       "%s has no multi-token-prediction module (converters usually drop it)",
                       fm_store_path(m->store));
    const fm_mtp_weights *w = m->mtp;
    double eps = m->config.rms_norm_eps;
    fm_recorder r = recorder_of(m, options, plan);
    r.layer = m->config.num_hidden_layers;
    fm_value e = fm_rmsnorm(plan, fm_embed(plan, &w->embed), &w->enorm, eps);
    fm_value h = fm_rmsnorm(plan, fm_hidden_input(plan, m->config.hidden_size), &w->hnorm, eps);
    fm_value x = fm_linear(plan, fm_concat(plan, e, h), &w->eh_proj, NULL);
    x = m->config.arch->block(&r, x, &w->layer);
    if (options->hidden) fm_observe(plan, x, "mtp.hidden");
    fm_value final = fm_rmsnorm(plan, fm_select_outputs(plan, x), &w->norm, eps);
    fm_plan_keep(plan, final, "mtp.final");
    const fm_weight *head = fm_weight_present(&w->head) ? &w->head : &m->head;
    fm_plan_keep(plan, fm_linear(plan, final, head, NULL), "mtp.logits");
    return FM_OK;
}
