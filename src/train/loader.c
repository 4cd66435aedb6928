#include "train/loader.h"

#include "base/hash.h"
#include "base/rng.h"
#include "train/permute.h"
#include "train/window.h"

#include <math.h>
#include <string.h>

enum { STREAM_ROWS = 0x726f };
enum { WINDOW_TOKENS = 1 << 23, WINDOW_ROWS = 64 };

struct fm_loader {
    const fm_dataset *data;
    fm_loader_options options;
    double weights[FM_SOURCES_MAX];
    fm_loader_state state; /* its sources stand before the present window ... */
    fm_loader_state after; /* ... and these behind it */
    fm_window window;
    /* The present step, [capacity] tokens and below. */
    int64_t capacity;
    int32_t *ids, *ahead[FM_LOADER_DEPTHS], *targets[FM_LOADER_DEPTHS];
    int64_t *row_first;          /* [rows + 1]: the first token of each packed row */
    int64_t *row_segment;        /* [rows + 1]: its first segment */
    fm_loader_segment *segments; /* [capacity], places in the step */
    fm_loader_segment *view;     /* [capacity], places in the view */
    /* One run of text, with what follows it: [context + FM_LOADER_DEPTHS]. */
    int32_t *run_ids;
    uint8_t *run_learn;
};

/* ---- making --------------------------------------------------------------------------------------*/

static fm_status check_options(const fm_loader_options *o, fm_error *err) {
    if (o->context < 2 || o->context > 1 << 30)
        return fm_fail(err, FM_ERR_ARGUMENT, "rows of %lld tokens are not possible: 2 are the fewest",
                       (long long)o->context);
    if (o->rows < 1 || o->rows > INT32_MAX || o->context * o->rows > (int64_t)1 << 40)
        return fm_fail(err, FM_ERR_ARGUMENT, "a step of %lld rows of %lld tokens is not possible",
                       (long long)o->rows, (long long)o->context);
    if (o->ahead < 1 || o->ahead > FM_LOADER_DEPTHS)
        return fm_fail(err, FM_ERR_ARGUMENT, "targets for 1 to %d tokens ahead are possible, not %d",
                       FM_LOADER_DEPTHS, o->ahead);
    if (!(o->fim_rate >= 0 && o->fim_rate <= 1))
        return fm_fail(err, FM_ERR_ARGUMENT, "the rate of fill-in-the-middle is a share from 0 to 1, not %g",
                       o->fim_rate);
    if (o->epochs < 0 || o->window < 0)
        return fm_fail(err, FM_ERR_ARGUMENT, "epochs and the window cannot be negative");
    return FM_OK;
}

/* A source's weight, or what it has; none for those without a document. */
static fm_status choose_weights(fm_loader *l, fm_error *err) {
    double sum = 0;
    for (size_t i = 0; i < l->data->n_sources; i++) {
        const fm_dataset_source *s = &l->data->sources[i];
        const fm_dataset_part *part = &s->part[l->options.portion];
        l->weights[i] = part->documents == 0 ? 0 : isnan(s->weight) ? (double)part->tokens : s->weight;
        sum += l->weights[i];
    }
    if (sum > 0) return FM_OK;
    return fm_fail(err, FM_ERR_ARGUMENT, "%s has no document for this (%s): give more text, or another share "
                   "to validation", l->data->folder, fm_portion_name(l->options.portion));
}

static fm_status allocate(fm_loader *l, fm_error *err) {
    size_t n = (size_t)l->capacity, rows = (size_t)l->options.rows + 1;
    size_t run = (size_t)l->options.context + FM_LOADER_DEPTHS;
    l->ids = fm_alloc_array(n, sizeof *l->ids, FM_MEM_OTHER);
    l->segments = fm_alloc_array(n, sizeof *l->segments, FM_MEM_OTHER);
    l->view = fm_alloc_array(n, sizeof *l->view, FM_MEM_OTHER);
    l->row_first = fm_alloc_array(rows, sizeof *l->row_first, FM_MEM_OTHER);
    l->row_segment = fm_alloc_array(rows, sizeof *l->row_segment, FM_MEM_OTHER);
    l->run_ids = fm_alloc_array(run, sizeof *l->run_ids, FM_MEM_OTHER);
    l->run_learn = fm_alloc_array(run, sizeof *l->run_learn, FM_MEM_OTHER);
    bool ready = l->ids && l->segments && l->view && l->row_first && l->row_segment && l->run_ids && l->run_learn;
    for (int k = 0; k < l->options.ahead && ready; k++) {
        l->ahead[k] = fm_alloc_array(n, sizeof(int32_t), FM_MEM_OTHER);
        l->targets[k] = fm_alloc_array(n, sizeof(int32_t), FM_MEM_OTHER);
        ready = l->ahead[k] && l->targets[k];
    }
    return ready ? FM_OK : fm_fail_memory(err, n * sizeof(int32_t), "a step of the loader");
}

/* Whatever changes the stream changes this; the length of a step, the number of targets and of epochs
 * do not. */
static uint64_t stream_of(const fm_loader *l) {
    const fm_loader_options *o = &l->options;
    int64_t shape[] = {o->portion, o->context, o->isolate, (int64_t)o->seed, o->window};
    double reals[FM_SOURCES_MAX + 1] = {o->fim_rate};
    memcpy(reals + 1, l->weights, l->data->n_sources * sizeof *reals);
    uint64_t hash = fm_hash(shape, sizeof shape, l->data->fingerprint);
    return fm_hash(reals, (1 + l->data->n_sources) * sizeof *reals, hash);
}

/* An epoch where that is not much: rows of a window that holds few documents foretell each other, and a loss that
 * falls to the window's end and leaps at the next is the model learning them by heart. A window costs memory per
 * document, not per token. */
static int64_t usual_window(const fm_dataset *data, const fm_loader_options *o) {
    int64_t documents, tokens, rows = o->context * WINDOW_ROWS;
    fm_dataset_count(data, o->portion, &documents, &tokens);
    if (tokens > WINDOW_TOKENS) tokens = WINDOW_TOKENS;
    return tokens > rows ? tokens : rows;
}

fm_status fm_loader_new(const fm_dataset *data, const fm_loader_options *o, fm_loader **out, fm_error *err) {
    *out = NULL;
    FM_TRY(check_options(o, err));
    fm_loader *l = fm_alloc_zero(sizeof *l, FM_MEM_OTHER);
    if (!l) return fm_fail_memory(err, sizeof *l, "a loader");
    l->data = data;
    l->options = *o;
    l->capacity = o->context * o->rows;
    if (o->window == 0) l->options.window = usual_window(data, o);
    fm_status status = choose_weights(l, err);
    if (status == FM_OK) status = allocate(l, err);
    if (status != FM_OK) {
        fm_loader_free(l);
        return status;
    }
    l->state = (fm_loader_state){.stream = stream_of(l), .n_sources = (int64_t)data->n_sources};
    l->after = l->state;
    *out = l;
    return FM_OK;
}

void fm_loader_free(fm_loader *l) {
    if (!l) return;
    fm_window_clear(&l->window);
    for (int k = 0; k < FM_LOADER_DEPTHS; k++) {
        fm_free(l->ahead[k]);
        fm_free(l->targets[k]);
    }
    fm_free(l->ids);
    fm_free(l->segments);
    fm_free(l->view);
    fm_free(l->row_first);
    fm_free(l->row_segment);
    fm_free(l->run_ids);
    fm_free(l->run_learn);
    fm_free(l);
}

/* ---- rows ----------------------------------------------------------------------------------------*/

/* Ids and targets of `count` tokens from place `at` of the step on, out of the run, which knows `known`
 * tokens: these, and what follows them in the text. */
static void put_run(fm_loader *l, int64_t at, int64_t count, int64_t known) {
    memcpy(l->ids + at, l->run_ids, (size_t)count * sizeof *l->ids);
    for (int k = 0; k < l->options.ahead; k++)
        for (int64_t i = 0; i < count; i++) {
            int64_t next = i + k + 1;
            int32_t id = next < known ? l->run_ids[next] : -1;
            l->ahead[k][at + i] = id;
            l->targets[k][at + i] = next < known && l->run_learn[next] ? id : -1;
        }
}

/* Pieces that are one text: the first alone when documents are isolated; else as many as begin their
 * documents, for the last token of a document can foretell only a beginning. */
static int64_t run_length(const fm_loader *l, const fm_piece *pieces, int64_t n) {
    int64_t run = 1;
    while (!l->options.isolate && run < n && pieces[run].from == 0) run++;
    return run;
}

/* Reads a run and what follows its last piece in that document, and puts it in the step at `at`. */
static fm_status add_run(fm_loader *l, const fm_piece *pieces, int64_t n, int64_t at, int64_t *count,
                         fm_error *err) {
    int64_t known = 0;
    *count = 0;
    for (int64_t i = 0; i < n; i++) {
        const fm_drawn *d = fm_window_drawn(&l->window, pieces[i].drawn);
        int64_t left = d->length - pieces[i].from, take = pieces[i].count;
        *count += take;
        if (i == n - 1) take = left < take + l->options.ahead ? left : take + l->options.ahead;
        FM_TRY(fm_drawn_copy(d, &l->data->roles, pieces[i].from, take, l->run_ids + known,
                             l->run_learn + known, err));
        known += take;
    }
    put_run(l, at, *count, known);
    return FM_OK;
}

static fm_status add_row(fm_loader *l, int64_t row, const fm_piece *pieces, int64_t n, fm_error *err) {
    int64_t begin = l->row_first[row], at = begin, segment = l->row_segment[row];
    for (int64_t i = 0; i < n;) {
        int64_t run = run_length(l, pieces + i, n - i), count;
        FM_TRY(add_run(l, pieces + i, run, at, &count, err));
        if (l->options.isolate) l->segments[segment++] = (fm_loader_segment){at, count};
        at += count;
        i += run;
    }
    if (!l->options.isolate) l->segments[segment++] = (fm_loader_segment){begin, at - begin};
    l->row_first[row + 1] = at;
    l->row_segment[row + 1] = segment;
    return FM_OK;
}

static uint64_t row_key(const fm_loader *l) {
    fm_rng_block b = fm_rng_at(l->options.seed, (uint64_t)STREAM_ROWS << 32, (uint64_t)l->state.window);
    return (uint64_t)b.word[1] << 32 | b.word[0];
}

static fm_status next_window(fm_loader *l, fm_error *err) {
    fm_loader_state after = l->after;
    FM_TRY(fm_window_fill(&l->window, l->data, &l->options, l->weights, &after, err));
    if (l->window.n_rows == 0) return FM_OK; /* the stream is over and stays where it is */
    memcpy(l->state.sources, l->after.sources, sizeof l->state.sources);
    l->after = after;
    l->state.window++;
    l->state.taken = 0;
    return FM_OK;
}

static fm_status fill_step(fm_loader *l, fm_loader_step *out, fm_error *err) {
    for (; out->n_rows < l->options.rows; out->n_rows++) {
        if (l->state.taken >= l->window.n_rows) FM_TRY(next_window(l, err));
        if (l->window.n_rows == 0) break;
        int64_t n;
        const fm_piece *pieces = fm_window_row(&l->window, l->state.taken, row_key(l), &n);
        FM_TRY(add_row(l, out->n_rows, pieces, n, err));
        l->state.taken++;
    }
    return FM_OK;
}

fm_status fm_loader_next(fm_loader *l, fm_loader_step *out, fm_error *err) {
    *out = (fm_loader_step){.step = l->state.steps};
    l->row_first[0] = l->row_segment[0] = 0;
    FM_TRY(fill_step(l, out, err));
    out->tokens = l->row_first[out->n_rows];
    for (int k = 0; k < l->options.ahead; k++)
        for (int64_t i = 0; i < out->tokens; i++) out->learnt[k] += l->targets[k][i] >= 0;
    if (out->n_rows) l->state.steps++;
    return FM_OK;
}

int64_t fm_loader_tokens(const fm_loader *l, int64_t first, int64_t count) {
    return l->row_first[first + count] - l->row_first[first];
}

void fm_loader_view(fm_loader *l, int64_t first, int64_t count, fm_batch *out) {
    int64_t at = l->row_first[first], segment = l->row_segment[first];
    *out = (fm_batch){.n_rows = fm_loader_tokens(l, first, count), .ids = l->ids + at, .segments = l->view,
                      .n_segments = l->row_segment[first + count] - segment};
    for (int k = 0; k < l->options.ahead; k++) {
        out->ahead[k] = l->ahead[k] + at;
        out->targets[k] = l->targets[k] + at;
    }
    for (int64_t i = 0; i < out->n_segments; i++)
        l->view[i] = (fm_loader_segment){l->segments[segment + i].row - at, l->segments[segment + i].count};
}

/* ---- where the stream stands ---------------------------------------------------------------------*/

void fm_loader_get_state(const fm_loader *l, fm_loader_state *out) { *out = l->state; }

static fm_status contradiction(fm_error *err) {
    return fm_fail(err, FM_ERR_ARGUMENT, "the state of the loader contradicts itself: the checkpoint is damaged");
}

fm_status fm_loader_set_state(fm_loader *l, const fm_loader_state *s, fm_error *err) {
    if (s->stream != l->state.stream || s->n_sources != l->state.n_sources)
        return fm_fail(err, FM_ERR_ARGUMENT, "the state of the loader is of another stream: the data, their "
                       "weights, the seed, the context, isolation or fill-in-the-middle differ");
    if (s->window < 0 || s->taken < 0 || s->steps < 0) return contradiction(err);
    fm_window window = {0};
    fm_loader_state after = *s;
    if (s->window > 0) FM_TRY(fm_window_fill(&window, l->data, &l->options, l->weights, &after, err));
    if (s->taken > window.n_rows) {
        fm_window_clear(&window);
        return contradiction(err);
    }
    fm_window_clear(&l->window);
    l->window = window;
    l->state = *s;
    l->after = after;
    return FM_OK;
}
