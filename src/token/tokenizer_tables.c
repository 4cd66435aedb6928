/* A tokenizer from the arrays of a GGUF file. */
#include "token/tokenizer_private.h"

#include <string.h>

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_USER = 4, TYPE_UNUSED = 5 };

static fm_status add_tokens(const fm_tokenizer_tables *tables, fm_vocab_builder *b, fm_error *err) {
    for (size_t i = 0; i < tables->n_tokens; i++) {
        fm_token_text s = tables->tokens[i];
        int64_t type = tables->types ? tables->types[i] : TYPE_NORMAL;
        switch (type) {
        case TYPE_UNUSED: /* padding up to the rows of the model: names like [PAD151700] */
            FM_TRY(fm_vocab_add_unused(b, (int64_t)i, err));
            break;
        case TYPE_CONTROL:
        case TYPE_UNKNOWN:
            FM_TRY(fm_vocab_add_token(b, (int64_t)i, s.data, s.size, FM_PIECE_SPECIAL, err));
            break;
        case TYPE_USER: FM_TRY(fm_vocab_add_token(b, (int64_t)i, s.data, s.size, 0, err)); break;
        default: FM_TRY(fm_vocab_add_piece(b, (int64_t)i, s.data, s.size, err)); break;
        }
    }
    return FM_OK;
}

static fm_status add_merges(const fm_tokenizer_tables *tables, bool ignore_merges, fm_tokenizer *t,
                            fm_error *err) {
    FM_TRY(fm_bpe_init(&t->bpe, &t->vocab, tables->n_merges, ignore_merges, err));
    /* Vocabularies of GGUF files have been trimmed while their merges were kept: harmless, since
     * such a merge can never be made. (Hugging Face refuses them in a tokenizer.json.) */
    t->bpe.skip_unmade = true;
    for (size_t i = 0; i < tables->n_merges; i++) {
        fm_token_text s = tables->merges[i];
        const char *space = s.size > 1 ? memchr(s.data + 1, ' ', s.size - 1) : NULL;
        if (!space)
            return fm_fail(err, FM_ERR_FORMAT, "merge %zu ('%.*s') is not two pieces", i,
                           (int)(s.size > 60 ? 60 : s.size), s.data);
        size_t left = (size_t)(space - s.data);
        FM_TRY(fm_bpe_add_merge(&t->bpe, (uint32_t)i, s.data, left, space + 1, s.size - left - 1,
                                err));
    }
    return fm_bpe_finish(&t->bpe, err);
}

static fm_status check_role(const fm_tokenizer_tables *tables, int64_t id, const char *role,
                            fm_token *out, fm_error *err) {
    *out = -1;
    if (id == -1) return FM_OK;
    if (id < 0 || (uint64_t)id >= tables->n_tokens)
        return fm_fail(err, FM_ERR_FORMAT, "the %s token has id %lld, but there are %zu tokens", role,
                       (long long)id, tables->n_tokens);
    *out = (fm_token)id;
    return FM_OK;
}

static fm_status find_known(const fm_tokenizer_tables *tables, const fm_known **out,
                            fm_error *err) {
    if (!tables->model || strcmp(tables->model, "gpt2") != 0)
        return fm_fail(err, FM_ERR_UNSUPPORTED,
                       "tokenizer.ggml.model is '%.60s'; only 'gpt2' (byte-level BPE) is supported",
                       tables->model ? tables->model : "");
    *out = fm_known_find(tables->pre ? tables->pre : "default");
    if (*out) return FM_OK;
    fm_buffer names = {0};
    fm_known_names(&names);
    fm_status status = fm_fail(err, FM_ERR_UNSUPPORTED,
                               "tokenizer.ggml.pre is '%.60s'; the pre-tokenizers known here are %s",
                               tables->pre, fm_buffer_string(&names));
    fm_buffer_clear(&names);
    return status;
}

static fm_status load(const fm_tokenizer_tables *tables, fm_vocab_builder *b, fm_tokenizer *t,
                      fm_error *err) {
    const fm_known *known;
    fm_token eot, pad; /* nobody pads here, but the id must make sense */
    FM_TRY(find_known(tables, &known, err));
    FM_TRY(add_tokens(tables, b, err));
    FM_TRY(fm_tokenizer_build(t, b, err));
    FM_TRY(add_merges(tables, known->ignore_merges, t, err));
    FM_TRY(fm_pretoken_new(&t->pretoken, err));
    FM_TRY(fm_known_add_stages(known, t->pretoken, err));
    fm_known_use_scanner(t->pretoken);
    FM_TRY(fm_pretoken_finish(t->pretoken, err));
    FM_TRY(check_role(tables, tables->bos, "BOS", &t->bos, err));
    FM_TRY(check_role(tables, tables->eos, "EOS", &t->eos, err));
    FM_TRY(check_role(tables, tables->pad, "padding", &pad, err));
    FM_TRY(check_role(tables, tables->eot, "end-of-turn", &eot, err));
    if (t->bos < 0) t->bos = fm_tokenizer_well_known_bos(t);
    if (t->eos < 0) t->eos = fm_tokenizer_well_known_eos(t);
    fm_tokenizer_mark_turn_ends(t, eot);
    t->unknown = -1; /* byte-level BPE of this file format has none */
    t->nfc = known->nfc;
    t->adds_bos = t->bos >= 0 && (tables->add_bos < 0 ? known->adds_bos : tables->add_bos);
    if (tables->chat_template && !(t->chat_template = fm_strdup(tables->chat_template)))
        return fm_fail_memory(err, strlen(tables->chat_template), "a chat template");
    return FM_OK;
}

fm_status fm_tokenizer_from_tables(const fm_tokenizer_tables *tables, fm_tokenizer **out,
                                   fm_error *err) {
    *out = NULL;
    fm_tokenizer *t = fm_alloc_zero(sizeof *t, FM_MEM_TOKENIZER);
    if (!t) return fm_fail_memory(err, sizeof *t, "a tokenizer");
    fm_vocab_builder b = {0};
    fm_status status = load(tables, &b, t, err);
    fm_vocab_builder_clear(&b);
    if (status == FM_OK)
        *out = t;
    else
        fm_tokenizer_free(t);
    return status;
}
