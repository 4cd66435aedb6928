/* gguf_write.h: writing a GGUF file (drawn in gguf.c): its key-value pairs, then its tensors.
 *
 *     fm_gguf_head head = {0};
 *     fm_gguf_put_string(&head, "general.architecture", "llama", 5);
 *     fm_gguf_put_u32(&head, "llama.block_count", 32);
 *     status = fm_gguf_write(path, &head, items, n, fn, context, err);
 *     fm_gguf_head_clear(&head);
 *
 * The integer types are part of a key's meaning: llama.cpp refuses a block_count of another width. */
#pragma once

#include "base/buffer.h"
#include "format/store.h"

/* Pairs that are collected; a zeroed head is empty and ready. Running out of memory shows when the
 * file is written. */
typedef struct fm_gguf_head {
    fm_buffer pairs;
    uint64_t n_pairs;
} fm_gguf_head;

void fm_gguf_put_u32(fm_gguf_head *head, const char *key, uint32_t value);
void fm_gguf_put_i32(fm_gguf_head *head, const char *key, int32_t value);
void fm_gguf_put_f32(fm_gguf_head *head, const char *key, float value);
void fm_gguf_put_bool(fm_gguf_head *head, const char *key, bool value);
void fm_gguf_put_string(fm_gguf_head *head, const char *key, const char *text, size_t size);
void fm_gguf_put_strings(fm_gguf_head *head, const char *key, const fm_string *texts, size_t n);
void fm_gguf_put_i32s(fm_gguf_head *head, const char *key, const int32_t *values, size_t n);
/* Copies the pairs of an open GGUF file, types and all, that `keep` says yes to (NULL: all). */
fm_status fm_gguf_put_pairs_of(fm_gguf_head *head, const fm_store *store,
                               bool (*keep)(const char *key), fm_error *err);
void fm_gguf_head_clear(fm_gguf_head *head);

/* Writes the file atomically: it appears complete or not at all. Items need a type that GGUF has (or
 * `integers`); their data are not looked at: `fn` is asked for each in turn. Alignment 32. */
fm_status fm_gguf_write(const char *path, const fm_gguf_head *head,
                        const fm_safetensors_item *items, size_t n, fm_item_fn fn, void *context,
                        fm_error *err);
