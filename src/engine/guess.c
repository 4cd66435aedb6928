/* guess.c: what a reply guesses ahead, and how far. */
#include "engine/reply_impl.h"

/* Seconds of steps of 1 to 1 + FM_DRAFT_MAX rows: as measured, where they have been; from there on each
 * row costs what it does in a prompt, or, before there was one, a quarter of a step. */
static void expect_seconds(const fm_engine_speed *speed, double *seconds) {
    seconds[1] = speed->step[1] > 0 ? speed->step[1] : speed->row > 0 ? 4 * speed->row : 1;
    double row = speed->row > 0 ? speed->row : seconds[1] / 4;
    for (int r = 2; r <= 1 + FM_DRAFT_MAX; r++) {
        seconds[r] = speed->step[r] > 0 ? speed->step[r] : seconds[r - 1] + row;
        if (seconds[r] < seconds[r - 1]) seconds[r] = seconds[r - 1]; /* noise */
    }
}

/* The module is one layer more, and the head once more. */
static double price_of_module(const fm_engine *e) {
    return 1.5 / (double)e->model->config.num_hidden_layers;
}

/* Guesses that there is a use for: the text may end before. */
static int64_t most_guesses(const fm_reply *r) {
    const fm_reply_options *o = &r->options;
    int64_t n, most = o->guesses;
    fm_sequence_tokens(r->sequence, &n);
    int64_t room = r->sequence->engine->options.context - n - 1;
    if (o->max_tokens > 0 && o->max_tokens - r->report.tokens < room) room = o->max_tokens - r->report.tokens;
    if (most > room) most = room;
    fm_token forced; /* what is known to come need not be guessed, nor what comes behind it */
    return most < 0 || r->ending || fm_transcript_forced(r->transcript, &forced) ? 0 : most;
}

static int64_t how_many(const fm_reply *r, fm_draft_pace *pace, const double *seconds, double each,
                        int64_t most) {
    return r->options.guess_always ? most : fm_draft_length(pace, seconds, each, most);
}

/* The module's guess is drawn the way the reply will draw: same seed, same place, same penalties and
 * grammar, as if the guesses before it were right. */
static int32_t draw_guess(void *context, const float *logits, int64_t ahead) {
    fm_reply *r = context;
    int64_t n, allowed;
    const uint64_t *mask;
    fm_sequence_tokens(r->sequence, &n);
    int32_t id = 0; /* where the grammar lets nothing follow, any guess is wrong */
    if (fm_reply_mask(r, &r->guessed, &mask, &allowed, NULL) == FM_OK && allowed > 0)
        id = fm_sampler_draw(r->sampler, logits, (uint64_t)(n + ahead), mask,
                             mask ? fm_token_trie_size(r->options.trie) : 0);
    fm_sampler_accept(r->sampler, id);
    r->accepted++;
    bool goes_on;
    if (mask && fm_constraint_accept_token(&r->guessed, r->tokenizer, id, &goes_on, NULL) != FM_OK)
        fm_constraint_clear(&r->guessed);
    return id;
}

void fm_reply_guessed(fm_reply *r) {
    for (int64_t i = 1; i <= r->accepted; i++) fm_sampler_retract(r->sampler, r->draft.ids[i]);
    r->accepted = 0;
    fm_constraint_clear(&r->guessed);
}

/* True where the caller's guesses, or a repeat, will do. */
static bool guess_without_model(fm_reply *r, const double *seconds, int64_t most) {
    int64_t n;
    const int32_t *tokens = fm_sequence_tokens(r->sequence, &n);
    int32_t *out = r->draft.ids + 1;
    if (r->options.guess) {
        r->kind = FM_GUESS_CALLER;
        r->draft.want = r->options.guess(r->options.context, tokens, n, most, out);
        return true;
    }
    int64_t length = how_many(r, &r->repeats, seconds, 0, most);
    r->kind = FM_GUESS_REPEAT;
    r->draft.want = length > 0 ? fm_draft_repeat(tokens, n, r->draft.ids[0], length, out) : 0;
    return r->draft.want > 0;
}

void fm_reply_guess(fm_reply *r) {
    fm_engine *e = r->sequence->engine;
    int64_t most = most_guesses(r);
    r->draft.want = 0;
    r->kind = FM_GUESS_NONE;
    if (most == 0) return;
    fm_engine_speed speed = fm_engine_speed_of(e);
    double seconds[2 + FM_DRAFT_MAX];
    expect_seconds(&speed, seconds);
    if (guess_without_model(r, seconds, most)) return;
    r->kind = FM_GUESS_NONE;
    if (!fm_engine_has_mtp(e)) return;
    r->draft.want = how_many(r, &r->mtp, seconds, price_of_module(e) * seconds[1], most);
    if (r->draft.want == 0) return;
    r->kind = FM_GUESS_MTP;
    r->draft.sequence = r->sequence;
    r->draft.draw = draw_guess;
    r->draft.context = r;
    if (r->constraint.grammar) fm_constraint_copy(&r->guessed, &r->constraint);
}
