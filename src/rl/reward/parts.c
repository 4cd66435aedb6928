#include "rl/reward/parts.h"

#include <string.h>

enum tag { THINK, END_THINK, ANSWER, END_ANSWER, TAGS };
static const char *const tags[TAGS] = {"<think>", "</think>", "<answer>", "</answer>"};

typedef struct found {
    size_t n[TAGS];
    const char *at[TAGS]; /* the first of each */
} found;

static found find_tags(const char *text, size_t size) {
    found f = {0};
    for (const char *p = text, *end = text + size; p < end; p++) {
        p = memchr(p, '<', (size_t)(end - p));
        if (!p) break;
        for (int t = 0; t < TAGS; t++) {
            size_t n = strlen(tags[t]);
            if ((size_t)(end - p) < n || memcmp(p, tags[t], n) != 0) continue;
            if (f.n[t]++ == 0) f.at[t] = p;
        }
    }
    return f;
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

fm_reply_part fm_reply_trimmed(const char *text, size_t size) {
    while (size > 0 && is_blank(text[0])) text++, size--;
    while (size > 0 && is_blank(text[size - 1])) size--;
    return (fm_reply_part){text, size};
}

static fm_reply_part between(const char *from, const char *to) { return fm_reply_trimmed(from, (size_t)(to - from)); }

/* What stands behind </think>. */
static const char *judge_answer(const found *f, fm_reply_form form, const char *behind, const char *end,
                                fm_reply_parts *parts) {
    if (f->n[ANSWER] == 0 && f->n[END_ANSWER] == 0) {
        if (form == FM_FORM_TAGS) return "there is no <answer>";
        parts->answer = between(behind, end);
        return parts->answer.size ? NULL : "there is no answer";
    }
    if (f->n[ANSWER] > 1 || f->n[END_ANSWER] > 1) return "there are several answers";
    if (f->n[ANSWER] == 0 || f->n[END_ANSWER] == 0) return "the answer's tags are not closed";
    const char *from = f->at[ANSWER] + strlen(tags[ANSWER]);
    const char *behind_answer = f->at[END_ANSWER] + strlen(tags[END_ANSWER]);
    if (f->at[ANSWER] < behind || f->at[END_ANSWER] < from) return "the tags are not in order";
    if (between(behind, f->at[ANSWER]).size) return "there is text before the answer";
    if (between(behind_answer, end).size) return "there is text after the answer";
    parts->answer = between(from, f->at[END_ANSWER]);
    return parts->answer.size ? NULL : "the answer is empty";
}

static const char *judge(const fm_reward_reply *r, const found *f, fm_reply_form form, fm_reply_parts *parts) {
    const char *end = r->text + r->size;
    if (f->n[THINK] > !r->opened) return "there are several <think>";
    if (f->n[THINK] < !r->opened) return "there is no <think>";
    if (f->n[END_THINK] != 1) return f->n[END_THINK] ? "there are several </think>" : "there is no </think>";
    const char *from = r->opened ? r->text : f->at[THINK] + strlen(tags[THINK]);
    if (f->at[END_THINK] < from) return "the tags are not in order";
    if (!r->opened && between(r->text, f->at[THINK]).size) return "there is text before the thoughts";
    if (!parts->thinking.size) return "there are no thoughts";
    if (!r->ended) return "it was cut";
    return judge_answer(f, form, f->at[END_THINK] + strlen(tags[END_THINK]), end, parts);
}

fm_reply_parts fm_reply_take_apart(const fm_reward_reply *r, fm_reply_form form) {
    fm_reply_parts parts = {0};
    found f = find_tags(r->text, r->size);
    const char *from = r->text, *to = r->text + r->size;
    if (f.n[END_THINK]) to = f.at[END_THINK];
    if (f.n[THINK] && f.at[THINK] < to) from = f.at[THINK] + strlen(tags[THINK]);
    parts.thinking = between(from, to);
    parts.fault = judge(r, &f, form, &parts);
    parts.formed = !parts.fault;
    if (!parts.formed) parts.answer = (fm_reply_part){0};
    return parts;
}
