#include "engine/transcript.h"

#include "engine/stops.h"

#include <string.h>

enum { SOFT_MOST = 64, TAIL = 16, CHARACTER_MOST = 3 };

struct fm_transcript {
    const fm_tokenizer *tokenizer;
    int64_t budget;
    bool force_blank_line;
    fm_token think, end_think; /* -1: the vocabulary has no such token */
    fm_stops *stops;

    fm_stream stream;
    fm_buffer decoded; /* of one token */
    fm_buffer text;    /* handed out [0, given), then what is held back */
    size_t given;
    size_t newlines;   /* of the reasoning, held back: they belong to </think> if that comes next */
    bool began;        /* this part has text: line breaks no longer belong to the tag before it */
    bool finished;

    fm_buffer closing; /* ids: line break, </think>, blank line */
    size_t n_closing, after_break, after_tag; /* how many; places in it */
    size_t forced;     /* the next of them that must come; n_closing: none */

    char tail[TAIL];   /* the last bytes of the reasoning, for the ends of sentences and lines */
    size_t n_tail;
    fm_transcript_report report;
};

/* ---- life ----------------------------------------------------------------------------------------*/

static fm_token added_token(const fm_tokenizer *t, const char *name) {
    fm_token id = t ? fm_tokenizer_find(t, name) : -1;
    return id >= 0 && fm_tokenizer_is_added(t, id) ? id : -1;
}

static fm_status encode_closing(fm_transcript *t, fm_error *err) {
    FM_TRY(fm_tokenizer_encode(t->tokenizer, "\n", 1, FM_ENCODE_PLAIN, &t->closing, err));
    t->after_break = t->closing.size / sizeof(fm_token);
    fm_buffer_put(&t->closing, &t->end_think, sizeof t->end_think);
    t->after_tag = t->after_break + 1;
    FM_TRY(fm_buffer_status(&t->closing, err));
    FM_TRY(fm_tokenizer_encode(t->tokenizer, "\n\n", 2, FM_ENCODE_PLAIN, &t->closing, err));
    t->forced = t->n_closing = t->closing.size / sizeof(fm_token);
    return fm_buffer_status(&t->closing, err);
}

static void close_if_spent(fm_transcript *t);

fm_status fm_transcript_new(const fm_tokenizer *tokenizer, const fm_transcript_options *options,
                            fm_transcript **out, fm_error *err) {
    *out = NULL;
    fm_transcript *t = fm_alloc_zero(sizeof *t, FM_MEM_OTHER);
    if (!t) return fm_fail_memory(err, sizeof *t, "a reply's transcript");
    t->tokenizer = tokenizer;
    t->budget = options->thinking_budget;
    t->force_blank_line = options->force_blank_line;
    t->end_think = added_token(tokenizer, "</think>");
    t->think = t->end_think < 0 ? -1 : added_token(tokenizer, "<think>");
    t->report.stop = -1;
    t->report.thinking = options->starts_thinking && t->end_think >= 0;
    t->began = !t->report.thinking; /* an answer without reasoning keeps its first line breaks */
    fm_status status = fm_stops_new(options->stops, options->n_stops, &t->stops, err);
    if (status == FM_OK && t->end_think >= 0) status = encode_closing(t, err);
    if (status == FM_OK) {
        close_if_spent(t);
        *out = t;
    } else {
        fm_transcript_free(t);
    }
    return status;
}

void fm_transcript_free(fm_transcript *t) {
    if (!t) return;
    fm_stops_free(t->stops);
    fm_buffer_clear(&t->decoded);
    fm_buffer_clear(&t->text);
    fm_buffer_clear(&t->closing);
    fm_free(t);
}

/* ---- text ----------------------------------------------------------------------------------------*/

/* The text is held back but for its first `certain` bytes, which this hands out. */
static void hand_out(fm_transcript *t, size_t certain, fm_transcript_piece *piece) {
    t->given = certain;
    piece->text = certain ? t->text.data : "";
    piece->size = certain;
}

static void drop_given(fm_transcript *t) {
    if (t->given == 0) return;
    memmove(t->text.data, t->text.data + t->given, t->text.size - t->given);
    t->text.size -= t->given;
    t->given = 0;
}

static void remember(fm_transcript *t, char byte) {
    if (t->n_tail == TAIL) memmove(t->tail, t->tail + 1, --t->n_tail);
    t->tail[t->n_tail++] = byte;
}

static void read_reasoning(fm_transcript *t, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        remember(t, s[i]);
        if (s[i] == '\n') {
            t->newlines += t->began;
            continue;
        }
        t->began = true;
        for (; t->newlines > 0; t->newlines--) fm_buffer_put(&t->text, "\n", 1);
        fm_buffer_put(&t->text, &s[i], 1);
    }
}

/* Returns how much to hold. After a stop the text ends before it. */
static size_t read_answer(fm_transcript *t, const char *s, size_t n, size_t hold) {
    for (size_t i = 0; i < n && !t->finished; i++) {
        if (s[i] == '\n' && !t->began) continue;
        t->began = true;
        fm_buffer_put(&t->text, &s[i], 1);
        hold = fm_stops_read(t->stops, s[i], &t->report.stop);
        t->finished = t->report.stop >= 0;
    }
    if (t->finished && !t->text.failed) {
        t->text.size -= hold;
        hold = 0;
    }
    return hold;
}

/* What `decoded` holds becomes text. With `all`, nothing of it stays behind. */
static fm_status read_decoded(fm_transcript *t, bool all, fm_transcript_piece *piece, fm_error *err) {
    size_t hold = t->text.size;
    piece->thinking = t->report.thinking;
    if (t->report.thinking)
        read_reasoning(t, t->decoded.data, t->decoded.size);
    else
        hold = read_answer(t, t->decoded.data, t->decoded.size, hold);
    if (t->report.thinking || all) hold = 0;
    if (t->text.failed || t->decoded.failed) return fm_fail_memory(err, 0, "the reply's text");
    hand_out(t, t->text.size - hold, piece);
    return FM_OK;
}

/* ---- the end of the reasoning --------------------------------------------------------------------*/

/* Drops what may stand between a sentence's end and the text's: spaces, quotes, brackets. */
static size_t without_closers(const char *s, size_t n) {
    static const char *const closers[] = {" ", ")", "]", "\"", "'", "*", "`", "”", "’", "」", "』", "）"};
    for (size_t i = 0; i < FM_COUNT(closers); i++) {
        size_t size = strlen(closers[i]);
        if (n >= size && memcmp(s + n - size, closers[i], size) == 0) {
            n -= size;
            i = (size_t)-1; /* from the first again */
        }
    }
    return n;
}

static bool is_letter(char c) {
    unsigned char byte = (unsigned char)c;
    return byte >= 0x80 || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

/* Does a sentence or a line end here, as far as one can tell without what follows? "3." may become
 * 3.14 and "e.g." is no end, so a full stop must follow two letters. */
static bool ends_a_thought(const char *s, size_t n) {
    static const char *const wide[] = {"。", "！", "？"};
    if (n > 0 && s[n - 1] == '\n') return true;
    n = without_closers(s, n);
    for (size_t i = 0; i < FM_COUNT(wide); i++)
        if (n >= 3 && memcmp(s + n - 3, wide[i], 3) == 0) return true;
    if (n > 0 && s[n - 1] == '?') return true;
    if (n < 3 || (s[n - 1] != '.' && s[n - 1] != '!')) return false;
    return is_letter(s[n - 2]) && is_letter(s[n - 3]);
}

/* Asks for the closing tokens when the budget says so. */
static void close_if_spent(fm_transcript *t) {
    int64_t used = t->report.reasoning_tokens;
    if (!t->report.thinking || t->finished || t->budget < 0 || t->forced < t->n_closing) return;
    int64_t soft = t->budget / 8 < SOFT_MOST ? t->budget / 8 : SOFT_MOST;
    bool spent = used >= t->budget && (t->stream.held == 0 || used - t->budget >= CHARACTER_MOST);
    bool occasion = used > 0 && used >= t->budget - soft && t->stream.held == 0 &&
                    ends_a_thought(t->tail, t->n_tail);
    if (!spent && !occasion) return;
    bool line_ended = t->n_tail > 0 && t->tail[t->n_tail - 1] == '\n';
    t->forced = line_ended ? t->after_break : 0;
    t->report.cut_short = true;
}

/* ---- tokens --------------------------------------------------------------------------------------*/

/* A tag: what was held back comes out, and unless it says what is so already, the other part begins. */
static fm_status read_tag(fm_transcript *t, bool thinking, fm_transcript_piece *piece, fm_error *err) {
    fm_stream_finish(&t->stream, &t->decoded);
    FM_TRY(read_decoded(t, true, piece, err));
    fm_stops_reset(t->stops);
    if (t->finished || thinking == t->report.thinking) return FM_OK;
    bool blank = !thinking && (t->forced < t->n_closing || t->force_blank_line);
    t->forced = blank ? t->after_tag : t->n_closing;
    t->report.thinking = thinking;
    t->began = false;
    t->newlines = t->n_tail = 0;
    return FM_OK;
}

fm_status fm_transcript_push(fm_transcript *t, fm_token id, fm_transcript_piece *piece, fm_error *err) {
    *piece = (fm_transcript_piece){.text = "", .thinking = t->report.thinking};
    if (t->finished) return FM_OK;
    drop_given(t);
    t->decoded.size = 0;
    bool tag = id >= 0 && (id == t->think || id == t->end_think);
    bool reasoning = t->report.thinking || (tag && id == t->think);
    fm_token wanted;
    bool obeys = fm_transcript_forced(t, &wanted) && id == wanted;
    t->forced += obeys;
    *(reasoning ? &t->report.reasoning_tokens : &t->report.answer_tokens) += 1;
    if (tag) {
        FM_TRY(read_tag(t, id == t->think, piece, err));
    } else {
        if (t->tokenizer) fm_stream_push(&t->stream, t->tokenizer, id, &t->decoded);
        FM_TRY(read_decoded(t, false, piece, err));
        if (obeys && t->forced == t->n_closing) t->began = true; /* the blank line is complete */
    }
    close_if_spent(t);
    return FM_OK;
}

fm_status fm_transcript_finish(fm_transcript *t, fm_transcript_piece *piece, fm_error *err) {
    *piece = (fm_transcript_piece){.text = "", .thinking = t->report.thinking};
    if (t->finished) return FM_OK;
    drop_given(t);
    t->decoded.size = 0;
    fm_stream_finish(&t->stream, &t->decoded);
    fm_status status = read_decoded(t, true, piece, err);
    t->finished = true;
    return status;
}

bool fm_transcript_forced(const fm_transcript *t, fm_token *id) {
    if (t->finished || t->forced >= t->n_closing) return false;
    *id = ((const fm_token *)(const void *)t->closing.data)[t->forced];
    return true;
}

bool fm_transcript_answering(const fm_transcript *t) {
    return !t->report.thinking && t->forced >= t->n_closing;
}

bool fm_transcript_finished(const fm_transcript *t) { return t->finished; }

fm_transcript_report fm_transcript_state(const fm_transcript *t) { return t->report; }
