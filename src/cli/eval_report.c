#include "cli/eval_report.h"

#include "base/json_write.h"
#include "cli/report.h"

#include <math.h>

/* ---- a table ------------------------------------------------------------------------------------- */

static const char *percent(double value, char out[32]) {
    if (isnan(value)) return "-";
    snprintf(out, 32, "%.1f %%", 100 * value);
    return out;
}

static void put_figure(fm_report *r, const char *label, const fathom_eval_figure *f, int64_t questions) {
    char value[32], remark[120] = "nothing was decided", rest[60] = "";
    if (f->questions < questions)
        snprintf(rest, sizeof rest, ", of %lld questions", (long long)f->questions);
    if (f->questions > 0)
        snprintf(remark, sizeof remark, "95 %%: %.1f to %.1f%s", 100 * f->low, 100 * f->high, rest);
    fm_report_row(r, label, percent(f->value, value), NULL, remark);
}

/* A share of the replies, and what it is a share of. */
static void put_share(fm_report *r, const char *label, int64_t part, int64_t whole, const char *what) {
    char value[32], remark[120];
    snprintf(remark, sizeof remark, "%lld of %lld%s", (long long)part, (long long)whole, what);
    fm_report_row(r, label, percent(whole > 0 ? (double)part / (double)whole : NAN, value), NULL, remark);
}

static void put_tokens(fm_report *r, const char *label, double mean, double median) {
    char value[32], remark[48];
    if (isnan(mean)) return;
    snprintf(value, sizeof value, "%.1f", mean);
    snprintf(remark, sizeof remark, "median %.0f", median);
    fm_report_row(r, label, value, NULL, remark);
}

static void put_count(fm_report *r, const char *label, int64_t n, const char *remark) {
    fm_report_row(r, label, fm_human_integer((double)n), NULL, remark);
}

static void put_all(fm_report *r, const fm_eval_about *about, const fathom_eval_result *e) {
    const fathom_eval_row *all = &e->rows[0];
    char label[40], remark[400] = "";
    int64_t k = all->questions > 0 ? all->replies / all->questions : 1;
    put_figure(r, "pass@1", &all->accuracy, all->questions);
    snprintf(label, sizeof label, "cons@%lld", (long long)k);
    if (k > 1) put_figure(r, label, &all->majority, all->questions);
    for (size_t i = 0; i < e->n_pass_at; i++) {
        snprintf(label, sizeof label, "pass@%lld", (long long)e->pass_at[i]);
        put_figure(r, label, &all->pass[i], all->questions);
    }
    put_share(r, "format", all->formed, all->replies, " replies mark their answer");
    put_share(r, "cut at the limit", all->cut, all->replies, "");
    put_share(r, "without a final answer", all->unanswered, all->replies, "");
    if (all->undecided)
        put_share(r, "undecided", all->undecided, all->replies, ", which count for nothing");
    put_tokens(r, "tokens of a right reply", all->right_mean, all->right_median);
    put_tokens(r, "tokens of a wrong reply", all->wrong_mean, all->wrong_median);
    if (e->resumed)
        snprintf(remark, sizeof remark, "%lld of them from %.300s", (long long)e->resumed,
                 about->out ? about->out : "");
    put_count(r, "questions", e->done, remark);
    put_count(r, "replies", e->samples, NULL);
    fm_report_row(r, "time", fm_human_seconds(e->seconds), NULL, NULL);
}

static void put_group(fm_report *r, const fathom_eval_row *row) {
    char label[60], one[32], two[32], remark[160], tokens[64] = "";
    if (row->band)
        snprintf(label, sizeof label, "%s%.24s%s", row->domain ? "  " : "", row->band, "");
    else
        snprintf(label, sizeof label, "%.28s", row->domain);
    if (!isnan(row->right_mean) || !isnan(row->wrong_mean))
        snprintf(tokens, sizeof tokens, "; tokens %.0f right, %.0f wrong", isnan(row->right_mean) ? 0 : row->right_mean,
                 isnan(row->wrong_mean) ? 0 : row->wrong_mean);
    snprintf(remark, sizeof remark, "%.1f to %.1f, n %lld; cut %.0f %%%s", 100 * row->accuracy.low,
             100 * row->accuracy.high, (long long)row->questions,
             row->replies > 0 ? 100 * (double)row->cut / (double)row->replies : 0.0, tokens);
    fm_report_row(r, label, percent(row->accuracy.value, one), percent(row->majority.value, two), remark);
}

static void put_overlap(fm_report *r, const fm_eval_about *about, const fathom_eval_result *e) {
    const fathom_eval_overlap *v = &e->overlap;
    char remark[80];
    fm_report_section(r, "questions that training saw", NULL, NULL);
    snprintf(remark, sizeof remark, "of %lld that have one", (long long)v->with_key);
    if (v->with_key) put_count(r, "by canonical key", v->keys, remark);
    snprintf(remark, sizeof remark, "of %lld that have one", (long long)v->with_phrasing);
    if (v->with_phrasing) put_count(r, "by template", v->phrasings, remark);
    put_count(r, "by 13 words in a row", v->grams_13, "or all of a shorter one");
    put_count(r, "by 8 words in a row", v->grams_8, "or all of a shorter one");
    put_count(r, "lines of training data", v->lines, about->train_data);
}

fm_status fm_eval_print_table(const fm_eval_about *about, const fathom_eval_result *e, fm_error *err) {
    fm_report r;
    char majority[40];
    fm_report_begin(&r);
    fm_report_title(&r, about->model, about->questions);
    put_all(&r, about, e);
    int64_t k = e->rows[0].questions > 0 ? e->rows[0].replies / e->rows[0].questions : 1;
    snprintf(majority, sizeof majority, "cons@%lld", (long long)k);
    if (e->n_rows > 1) fm_report_section(&r, "by domain and band", "pass@1", majority);
    for (size_t i = 1; i < e->n_rows; i++) put_group(&r, &e->rows[i]);
    if (about->train_data) put_overlap(&r, about, e);
    return fm_report_end(&r, err);
}

/* ---- JSON ---------------------------------------------------------------------------------------- */

static void write_figure(fm_json_writer *w, const char *key, const fathom_eval_figure *f) {
    fm_json_open(w, key, '{');
    fm_json_put_real(w, "value", f->value);
    fm_json_put_real(w, "low", f->low);
    fm_json_put_real(w, "high", f->high);
    fm_json_put_integer(w, "questions", f->questions);
    fm_json_close(w, '}');
}

static void write_row(fm_json_writer *w, const fathom_eval_result *e, const fathom_eval_row *row) {
    char key[40];
    fm_json_open(w, NULL, '{');
    fm_json_put_text(w, "domain", row->domain);
    fm_json_put_text(w, "band", row->band);
    fm_json_put_integer(w, "questions", row->questions);
    fm_json_put_integer(w, "replies", row->replies);
    fm_json_put_integer(w, "correct", row->correct);
    fm_json_put_integer(w, "undecided", row->undecided);
    fm_json_put_integer(w, "unanswered", row->unanswered);
    fm_json_put_integer(w, "formed", row->formed);
    fm_json_put_integer(w, "cut", row->cut);
    write_figure(w, "pass@1", &row->accuracy);
    write_figure(w, "cons", &row->majority);
    for (size_t i = 0; i < e->n_pass_at; i++) {
        snprintf(key, sizeof key, "pass@%lld", (long long)e->pass_at[i]);
        if (e->pass_at[i] > 1) write_figure(w, key, &row->pass[i]);
    }
    fm_json_put_real(w, "right_tokens_mean", row->right_mean);
    fm_json_put_real(w, "right_tokens_median", row->right_median);
    fm_json_put_real(w, "wrong_tokens_mean", row->wrong_mean);
    fm_json_put_real(w, "wrong_tokens_median", row->wrong_median);
    fm_json_close(w, '}');
}

static void write_overlap(fm_json_writer *w, const fm_eval_about *about, const fathom_eval_overlap *v) {
    fm_json_open(w, "overlap", '{');
    fm_json_put_text(w, "train_data", about->train_data);
    fm_json_put_integer(w, "lines", v->lines);
    fm_json_put_integer(w, "with_key", v->with_key);
    fm_json_put_integer(w, "keys", v->keys);
    fm_json_put_integer(w, "with_phrasing", v->with_phrasing);
    fm_json_put_integer(w, "phrasings", v->phrasings);
    fm_json_put_integer(w, "grams_8", v->grams_8);
    fm_json_put_integer(w, "grams_13", v->grams_13);
    fm_json_close(w, '}');
}

fm_status fm_eval_print_json(const fm_eval_about *about, const fathom_eval_result *e, fm_error *err) {
    fm_buffer out = {0};
    fm_json_writer w = {.out = &out};
    fm_json_open(&w, NULL, '{');
    fm_json_put_text(&w, "model", about->model);
    fm_json_put_text(&w, "questions", about->questions);
    fm_json_put_integer(&w, "items", e->items);
    fm_json_put_integer(&w, "done", e->done);
    fm_json_put_integer(&w, "resumed", e->resumed);
    fm_json_put_integer(&w, "samples", e->samples);
    fm_json_put_integer(&w, "tokens", e->tokens);
    fm_json_put_real(&w, "seconds", e->seconds);
    if (about->train_data) write_overlap(&w, about, &e->overlap);
    fm_json_open(&w, "rows", '[');
    for (size_t i = 0; i < e->n_rows; i++) write_row(&w, e, &e->rows[i]);
    fm_json_close(&w, ']');
    fm_json_close(&w, '}');
    return fm_output_buffer(&out, err);
}
