/* talk_file.h: a conversation as a JSON file, in the form that DeepSeek's API takes:
 *
 *     {"model": "...", "messages": [{"role": "user", "content": "..."},
 *                                   {"role": "assistant", "content": "...", "reasoning_content": "..."}]}
 */
#pragma once

#include "cli/conversation.h"

/* Appears under its name only when it is complete (base/file.h). */
fm_status fm_talk_save(const fm_conversation *c, const char *model, const char *path,
                             fm_error *err);
/* Also takes an array of messages alone. Replaces *c, its system prompt included; after an error *c is
 * as it was. */
fm_status fm_talk_load(fm_conversation *c, const char *path, fm_error *err);
