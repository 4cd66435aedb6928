/* corpus.h: documents out of files and folders, one after the other, always in the same order.
 *
 *   FOLDER        its files and folders by name, byte by byte; names that begin with a dot are passed over,
 *                 and so are links to folders, devices and the like
 *   *.jsonl, *.ndjson   a document a line: {"text": ..}, or a conversation: {"prompt": .., "completion": ..},
 *                 {"messages": [{"role": .., "content": ..}, ..]}; empty lines are passed over
 *   other files   one document each
 *
 * Whether a document is text at all is for its reader to find out (fm_document_is_text). */
#pragma once

#include "base/buffer.h"

enum { FM_DOCUMENT_MAX = 512 << 20 }; /* bytes; longer ones are refused in words */

/* One message; its content lies in the document's text. An answer that comes with its thoughts apart
 * ("reasoning_content") has them in front, between <think> and </think>. */
typedef struct fm_turn {
    const char *role; /* "system", "user", "assistant", "tool" */
    size_t at, size;
} fm_turn;

typedef struct fm_document {
    const char *text; /* of conversations: the contents, a line feed behind each */
    size_t size;
    const fm_turn *turns; /* of conversations */
    size_t n_turns;       /* 0: plain text */
    const char *path;
    int64_t line; /* from 1; 0: the file is one document */
} fm_document;

/* What a document is handed to; it is gone after the call. A status other than FM_OK ends the walk. */
typedef fm_status (*fm_document_fn)(void *context, const fm_document *document, fm_error *err);

/* Walks a file or folder. `bytes`, which may be NULL, counts on as files are read, for progress. A file that
 * cannot be read and a line that is not one of the three forms is an error that names its place. */
fm_status fm_corpus_walk(const char *path, fm_document_fn fn, void *context, uint64_t *bytes, fm_error *err);
/* Bytes of all its files; what cannot be looked at counts nothing. */
uint64_t fm_corpus_bytes(const char *path);

/* Valid UTF-8 without zero bytes. */
bool fm_document_is_text(const fm_document *document);
