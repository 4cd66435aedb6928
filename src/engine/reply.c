#include "engine/reply_impl.h"

#include "base/hash.h"

#include <math.h>

/* ---- life ------------------------------------------------------------------------------------------*/

static int64_t drawable_ids(const fm_reply *r) {
    int64_t rows = r->sequence->engine->model->config.vocab_size;
    int64_t ids = r->tokenizer ? fm_tokenizer_size(r->tokenizer) : rows;
    return ids < rows ? ids : rows;
}

static fm_status make_parts(fm_reply *r, fm_error *err) {
    const fm_reply_options *o = &r->options;
    if (o->grammar && (!r->tokenizer || !o->trie))
        return fm_fail(err, FM_ERR_ARGUMENT, "a grammar needs a tokenizer, and this model has none");
    if (o->guesses < 0 || o->guesses > FM_DRAFT_MAX)
        return fm_fail(err, FM_ERR_ARGUMENT, "from 0 to %d tokens may be guessed ahead", FM_DRAFT_MAX);
    FM_TRY(fm_sampler_new(&o->sampling, r->drawable, r->sequence->engine->options.kernels, &r->sampler, err));
    fm_transcript_options text = o->text;
    text.force_blank_line = text.force_blank_line || o->grammar;
    FM_TRY(fm_transcript_new(r->tokenizer, &text, &r->transcript, err));
    if (!o->grammar) return FM_OK;
    size_t words = fm_token_mask_words(fm_token_trie_size(o->trie));
    r->mask = fm_alloc_array(words, sizeof *r->mask, FM_MEM_OTHER);
    return r->mask ? FM_OK : fm_fail_memory(err, words * sizeof *r->mask, "a grammar's mask");
}

fm_status fm_reply_new(fm_sequence *s, const fm_tokenizer *tokenizer, const fm_reply_options *options,
                       fm_reply **out, fm_error *err) {
    *out = NULL;
    fm_reply *r = fm_alloc_zero(sizeof *r, FM_MEM_OTHER);
    if (!r) return fm_fail_memory(err, sizeof *r, "a reply");
    r->sequence = s;
    r->tokenizer = tokenizer;
    r->options = *options;
    r->options.grammar = NULL;
    r->drawable = drawable_ids(r);
    r->report.text.stop = -1;
    if (options->grammar) r->options.grammar = fm_grammar_hold(options->grammar);
    fm_status status = make_parts(r, err);
    if (status != FM_OK) {
        fm_reply_free(r);
        return status;
    }
    *out = r;
    return FM_OK;
}

void fm_reply_free(fm_reply *r) {
    if (!r) return;
    fm_constraint_clear(&r->constraint);
    fm_constraint_clear(&r->guessed);
    fm_grammar_free(r->options.grammar);
    fm_sampler_free(r->sampler);
    fm_transcript_free(r->transcript);
    fm_free(r->mask);
    fm_free(r);
}

void fm_reply_cancel(fm_reply *r) { r->cancelled = true; }
bool fm_reply_done(const fm_reply *r) { return r->done; }
fm_reply_report fm_reply_report_of(const fm_reply *r) { return r->report; }

fm_status fm_reply_failure(const fm_reply *r, fm_error *err) {
    if (r->failed != FM_OK && err) *err = r->failure;
    return r->failed;
}

/* ---- the end ---------------------------------------------------------------------------------------*/

static bool hand_out(fm_reply *r, const fm_transcript_piece *piece) {
    const fm_reply_options *o = &r->options;
    return piece->size == 0 || !o->on_text ||
           o->on_text(o->context, piece->text, piece->size, piece->thinking);
}

static fm_status finish(fm_reply *r, fm_reply_stop stop, fm_error *err) {
    fm_transcript_piece piece;
    r->report.stop = stop;
    FM_TRY(fm_transcript_finish(r->transcript, &piece, err));
    if (!hand_out(r, &piece)) r->report.stop = FM_REPLY_CALLER;
    r->report.text = fm_transcript_state(r->transcript);
    r->done = true;
    return FM_OK;
}

/* The model's own list of ends, and what the tokenizer knows to end a turn. */
static bool ends(const fm_reply *r, fm_token id) {
    const fm_config *c = &r->sequence->engine->model->config;
    for (int i = 0; i < c->n_eos; i++)
        if (c->eos_token_id[i] == id) return true;
    return r->tokenizer && fm_tokenizer_is_end_of_turn(r->tokenizer, id);
}

/* ---- one token -------------------------------------------------------------------------------------*/

fm_status fm_reply_mask(fm_reply *r, const fm_constraint *c, const uint64_t **mask, int64_t *count,
                        fm_error *err) {
    *mask = NULL;
    *count = 1;
    if (!c->grammar) return FM_OK;
    *mask = r->mask;
    return fm_constraint_mask(c, r->options.trie, r->mask, count, err);
}

static fm_status pick(fm_reply *r, const float *logits, int64_t position, fm_reply_token *t, fm_error *err) {
    const uint64_t *mask;
    int64_t allowed, bits = r->mask ? fm_token_trie_size(r->options.trie) : 0;
    if (r->options.grammar && !r->constraint.grammar && fm_transcript_answering(r->transcript))
        fm_constraint_init(&r->constraint, r->options.grammar);
    t->forced = fm_transcript_forced(r->transcript, &t->id);
    if (t->forced) return FM_OK;
    FM_TRY(fm_reply_mask(r, &r->constraint, &mask, &allowed, err));
    t->id = allowed ? fm_sampler_draw(r->sampler, logits, (uint64_t)position, mask, bits) : -1;
    if (t->id >= 0 && isnan(logits[t->id])) /* drawn only where nothing else is left */
        return fm_fail(err, FM_ERR_FORMAT, "%s: the model's logits are not numbers; its weights are "
                       "damaged, or of a kind that overflows",
                       fm_store_path(r->sequence->engine->model->store));
    return FM_OK;
}

/* Tells everybody of a token that is certain. *goes_on: whether the caller wants more. */
static fm_status announce(fm_reply *r, fm_reply_token *t, const float *logits, bool end, bool *goes_on,
                          fm_error *err) {
    const fm_reply_options *o = &r->options;
    fm_transcript_piece piece = {0};
    t->thinking = fm_transcript_state(r->transcript).thinking;
    if (o->logprobs) {
        fm_sampler_logprobs(r->sampler, logits, t->id, o->n_logprobs, &r->logprobs);
        if (t->forced) r->logprobs.drawn = 0;
        t->logprobs = &r->logprobs;
    }
    r->report.tokens++;
    fm_sampler_accept(r->sampler, t->id);
    if (r->constraint.grammar) {
        bool allowed; /* it is: the mask said so */
        FM_TRY(fm_constraint_accept_token(&r->constraint, r->tokenizer, t->id, &allowed, err));
    }
    if (!end) FM_TRY(fm_transcript_push(r->transcript, t->id, &piece, err));
    *goes_on = (!o->on_token || o->on_token(o->context, t)) && hand_out(r, &piece);
    return FM_OK;
}

/* What the logits of one row are for. *id: the token; -1 where the reply has ended without it. */
static fm_status take_row(fm_reply *r, int64_t row, int64_t position, fm_token *id, fm_error *err) {
    const fm_reply_options *o = &r->options;
    const fm_engine *e = r->sequence->engine;
    const float *logits = fm_sequence_row_logits(r->sequence, row);
    fm_reply_token t = {.position = position};
    bool goes_on;
    *id = -1;
    r->report.logits_hash = fm_hash(logits, (size_t)e->model->config.vocab_size * sizeof(float),
                                    r->report.logits_hash);
    if (r->cancelled) return finish(r, FM_REPLY_CALLER, err);
    if (position >= e->options.context || (o->max_tokens > 0 && r->report.tokens >= o->max_tokens))
        return finish(r, FM_REPLY_LENGTH, err);
    FM_TRY(pick(r, logits, position, &t, err));
    if (t.id < 0) /* the grammar lets nothing follow */
        return finish(r, fm_constraint_can_end(&r->constraint) ? FM_REPLY_END : FM_REPLY_LENGTH, err);
    bool end = ends(r, t.id) && !o->ignore_end;
    FM_TRY(announce(r, &t, logits, end, &goes_on, err));
    if (end) { /* the end belongs to the timeline: the next turn's prompt begins with it */
        r->ending = true;
        r->draft.ids[0] = *id = t.id;
        return FM_OK;
    }
    if (fm_transcript_finished(r->transcript)) return finish(r, FM_REPLY_STRING, err);
    if (!goes_on) return finish(r, FM_REPLY_CALLER, err);
    r->draft.ids[0] = *id = t.id;
    return FM_OK;
}

/* ---- all tokens whose logits are there -------------------------------------------------------------*/

static void begin(fm_reply *r) {
    int64_t n;
    const int32_t *tokens = fm_sequence_tokens(r->sequence, &n);
    fm_sampler_see(r->sampler, tokens, n);
    r->begun = true;
}

static void learn(fm_reply *r, int64_t right) {
    int64_t guessed = r->draft.want;
    r->report.guessed += guessed;
    r->report.right += right;
    if (r->kind == FM_GUESS_MTP) {
        r->report.guessed_mtp += guessed;
        r->report.right_mtp += right;
    }
    if (guessed > 0 && r->kind == FM_GUESS_REPEAT) fm_draft_learn(&r->repeats, guessed, right);
    if (guessed > 0 && r->kind == FM_GUESS_MTP) fm_draft_learn(&r->mtp, guessed, right);
    r->draft.want = 0;
}

fm_status fm_reply_draw(fm_reply *r, fm_error *err) {
    if (!r->begun) begin(r);
    if (r->ending) return finish(r, FM_REPLY_END, err);
    int64_t rows = r->draft.want > 0 ? fm_sequence_rows(r->sequence) : 1, end, right = 0;
    int64_t last = fm_sequence_rows(r->sequence) - rows; /* the first row that is the reply's */
    fm_sequence_tokens(r->sequence, &end);
    fm_token id = -1;
    fm_status status = FM_OK;
    for (int64_t i = 0; i < rows; i++) {
        bool guess = i + 1 < rows;
        fm_token expected = guess ? r->draft.ids[i + 1] : -1;
        status = take_row(r, last + i, end - rows + 1 + i, &id, err);
        if (guess && id == expected && !r->ending && status == FM_OK) {
            right++;
            continue;
        }
        fm_sequence_keep_rows(r->sequence, last + i + 1);
        break;
    }
    learn(r, right);
    return status;
}

/* Guesses that the cache has no room for are left out: nothing fails for their sake. */
static void fit_guesses(fm_reply *r) {
    fm_sequence *s = r->sequence;
    fm_engine *e = s->engine;
    int64_t *want = &r->draft.want;
    pthread_mutex_lock(&e->lock);
    fm_status status = *want > 0 ? fm_sequence_reserve(s, 1 + *want, NULL) : FM_OK;
    int64_t room = s->pages.count * e->kv.page_positions - s->n - 1;
    pthread_mutex_unlock(&e->lock);
    if (status != FM_OK && *want > room) *want = room > 0 ? room : 0;
}

fm_status fm_reply_queue(fm_reply *r, fm_error *err) {
    r->report.steps++;
    fit_guesses(r);
    if (r->draft.want > 0) {
        fm_status status = fm_sequence_queue_scored(r->sequence, r->draft.ids, 1 + r->draft.want, err);
        if (status != FM_ERR_MEMORY) return status;
        r->draft.want = 0; /* their logits find no room */
    }
    return fm_sequence_queue(r->sequence, r->draft.ids, 1, err);
}
