/* record_learning.c: a whole model with its losses, to learn from; or with what it tells others, to teach. */
#include "model/block/block.h"

#include <stdio.h>

static fm_value model_of(fm_recorder *r) {
    const fm_model *m = r->model;
    fm_value h = fm_embed(r->plan, &m->embed);
    for (r->layer = 0; r->layer < m->config.num_hidden_layers; r->layer++)
        h = m->config.arch->block(r, h, &m->layers[r->layer]);
    return fm_rmsnorm(r->plan, h, &m->final_norm, m->config.rms_norm_eps);
}

/* Embedding and head are the main model's: their gradients hold all parts. Every row takes part, so rows without
 * a token that far behind them are such that nobody else sees: the last of their segment. */
static fm_value module_of(fm_recorder *r, int depth, fm_value states) {
    const fm_mtp_weights *w = &r->model->mtp[depth - 1];
    const fm_config *c = &r->model->config;
    fm_plan *p = r->plan;
    r->layer = c->num_hidden_layers + depth - 1;
    fm_value e = fm_rmsnorm(p, fm_embed_ahead(p, &r->model->embed, depth), &w->enorm, c->rms_norm_eps);
    fm_value h = fm_rmsnorm(p, states, &w->hnorm, c->rms_norm_eps);
    fm_value x = fm_linear(p, fm_cheap(r, fm_concat(p, e, h)), &w->eh_proj, NULL);
    return fm_rmsnorm(p, c->arch->block(r, x, &w->layer), &w->norm, c->rms_norm_eps);
}

static fm_recorder recorder_of(const fm_model *m, const fm_record_options *options, fm_plan *plan) {
    fm_recorder r = {.plan = plan, .model = m, .options = options};
    r.angles = fm_rope_angles(plan, m->rope_frequencies, fm_model_rotary_dims(&m->config) / 2, m->rope_factor);
    return r;
}

fm_status fm_model_record_learning(const fm_model *m, const fm_record_options *options, int modules, fm_plan *plan,
                                   fm_error *err) {
    if (modules > 0 && !m->mtp)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "%s has no multi-token-prediction module that could learn",
                       fm_store_path(m->store));
    if (modules > m->n_mtp || modules >= FM_DEPTHS)
        return fm_fail(err, FM_ERR_UNSUPPORTED, "%s has %d modules of multi-token prediction, and %d can learn at a "
                       "time", fm_store_path(m->store), m->n_mtp, FM_DEPTHS - 1);
    fm_recorder r = recorder_of(m, options, plan);
    fm_value states = model_of(&r);
    if (options->taught) {
        fm_value facts;
        fm_plan_keep(plan, fm_distil(plan, states, &m->head, &facts), "loss.0");
        fm_plan_keep(plan, facts, "facts.0");
    } else {
        fm_plan_keep(plan, fm_xent(plan, states, &m->head, 0), "nll.0");
    }
    for (int d = 1; d <= modules; d++) {
        char name[16];
        snprintf(name, sizeof name, "nll.%d", d);
        states = module_of(&r, d, states);
        fm_plan_keep(plan, fm_xent(plan, states, &m->head, d), name);
    }
    return FM_OK;
}

fm_status fm_model_record_teaching(const fm_model *m, int64_t top, int64_t vocabulary, double temperature,
                                   fm_plan *plan, fm_error *err) {
    (void)err;
    const fm_record_options options = {0};
    fm_recorder r = recorder_of(m, &options, plan);
    fm_value shares, ids = fm_likeliest(plan, model_of(&r), &m->head, top, vocabulary, temperature, &shares);
    fm_plan_keep(plan, ids, "likeliest.ids");
    fm_plan_keep(plan, shares, "likeliest.shares");
    return FM_OK;
}
