/* A tokenizer from Hugging Face's tokenizer.json and tokenizer_config.json.
 *
 * What the file asks for is done or refused by name: a component that is skipped in silence would
 * only show as a model that writes slightly worse. */
#include "token/tokenizer_private.h"

#include "base/json.h"

#include <string.h>

typedef struct loader {
    fm_tokenizer *t;
    fm_vocab_builder builder;
    const fm_json *config; /* tokenizer_config.json or NULL */
    bool byte_level;       /* the pre-tokenizer ends with ByteLevel */
    fm_error *err;
} loader;

static const char *type_of(const fm_json *component) {
    return fm_json_string(fm_json_get(component, "type"), "");
}

static fm_status unsupported(loader *l, const char *what, const char *name) {
    return fm_fail(l->err, FM_ERR_UNSUPPORTED, "the tokenizer has a %s '%.80s', which is not supported",
                   what, name);
}

/* ---- vocabulary and added tokens -----------------------------------------------------------*/

static fm_status add_piece(void *context, const char *key, size_t length, const fm_json *value) {
    loader *l = context;
    if (fm_json_kind_of(value) != FM_JSON_INTEGER)
        return fm_fail(l->err, FM_ERR_FORMAT, "the id of the piece '%.60s' is not a number", key);
    return fm_vocab_add_piece(&l->builder, fm_json_integer(value, -1), key, length, l->err);
}

static fm_status add_token(loader *l, const fm_json *token, int64_t id) {
    size_t size;
    const char *text = fm_json_string_n(fm_json_get(token, "content"), &size);
    if (!text || size == 0)
        return fm_fail(l->err, FM_ERR_FORMAT, "the added token with the id %lld has no text",
                       (long long)id);
    if (fm_json_bool(fm_json_get(token, "single_word"), false))
        return unsupported(l, "single-word added token", text);
    bool special = fm_json_bool(fm_json_get(token, "special"), false);
    unsigned flags = 0;
    if (special) flags |= FM_PIECE_SPECIAL;
    if (fm_json_bool(fm_json_get(token, "normalized"), !special)) flags |= FM_PIECE_NORMALIZED;
    if (fm_json_bool(fm_json_get(token, "lstrip"), false)) flags |= FM_PIECE_LSTRIP;
    if (fm_json_bool(fm_json_get(token, "rstrip"), false)) flags |= FM_PIECE_RSTRIP;
    return fm_vocab_add_token(&l->builder, id, text, size, flags, l->err);
}

/* Hugging Face's engine would give an added token that the vocabulary spells as well the id of that
 * piece, and shift others: such a file contradicts itself. */
static fm_status check_token(loader *l, const fm_json *token) {
    size_t size;
    const char *text = fm_json_string_n(fm_json_get(token, "content"), &size);
    fm_buffer bytes = {0};
    bool spelled = fm_alphabet_decode(text, size, &bytes);
    fm_status status = fm_buffer_status(&bytes, l->err);
    fm_token id = -1;
    if (spelled && status == FM_OK) id = fm_vocab_find(&l->t->vocab, bytes.data, bytes.size);
    fm_buffer_clear(&bytes);
    if (status != FM_OK || id < 0 || id == fm_json_integer(fm_json_get(token, "id"), -1))
        return status;
    return fm_fail(l->err, FM_ERR_FORMAT,
                   "the added token '%.60s' has another id (%d) in the vocabulary", text, id);
}

static fm_status load_pieces(loader *l, const fm_json *root) {
    const fm_json *vocab = fm_json_get(fm_json_get(root, "model"), "vocab");
    if (fm_json_kind_of(vocab) != FM_JSON_OBJECT)
        return fm_fail(l->err, FM_ERR_FORMAT, "the tokenizer has no model.vocab");
    FM_TRY(fm_json_each(vocab, add_piece, l));
    const fm_json *added = fm_json_get(root, "added_tokens");
    for (size_t i = 0; i < fm_json_length(added); i++) {
        const fm_json *token = fm_json_at(added, i);
        FM_TRY(add_token(l, token, fm_json_integer(fm_json_get(token, "id"), -1)));
    }
    FM_TRY(fm_tokenizer_build(l->t, &l->builder, l->err));
    for (size_t i = 0; i < fm_json_length(added); i++) FM_TRY(check_token(l, fm_json_at(added, i)));
    return FM_OK;
}

/* ---- merges --------------------------------------------------------------------------------*/

/* "a b", or ["a", "b"] as newer files have it. */
static fm_status add_merge(loader *l, uint32_t rank, const fm_json *merge) {
    size_t size, left_size, right_size;
    const char *text = fm_json_string_n(merge, &size);
    if (text) {
        const char *space = memchr(text, ' ', size);
        if (!space || memchr(space + 1, ' ', size - (size_t)(space - text) - 1))
            return fm_fail(l->err, FM_ERR_FORMAT, "merge %u ('%.60s') is not two pieces", rank, text);
        left_size = (size_t)(space - text);
        return fm_bpe_add_merge(&l->t->bpe, rank, text, left_size, space + 1, size - left_size - 1,
                                l->err);
    }
    const char *left = fm_json_string_n(fm_json_at(merge, 0), &left_size);
    const char *right = fm_json_string_n(fm_json_at(merge, 1), &right_size);
    if (!left || !right || fm_json_length(merge) != 2)
        return fm_fail(l->err, FM_ERR_FORMAT, "merge %u is not two pieces", rank);
    return fm_bpe_add_merge(&l->t->bpe, rank, left, left_size, right, right_size, l->err);
}

static bool is_empty(const fm_json *v) { return !*fm_json_string(v, ""); }

static fm_status load_model(loader *l, const fm_json *model) {
    const char *type = fm_json_string(fm_json_get(model, "type"), "BPE");
    if (strcmp(type, "BPE") != 0) return unsupported(l, "model of type", type);
    if (!is_empty(fm_json_get(model, "continuing_subword_prefix")))
        return unsupported(l, "model option", "continuing_subword_prefix");
    if (!is_empty(fm_json_get(model, "end_of_word_suffix")))
        return unsupported(l, "model option", "end_of_word_suffix");
    if (fm_json_number(fm_json_get(model, "dropout"), 0) != 0)
        return unsupported(l, "model option", "dropout");
    if (fm_json_bool(fm_json_get(model, "byte_fallback"), false))
        return unsupported(l, "model option", "byte_fallback");
    const fm_json *merges = fm_json_get(model, "merges");
    if (fm_json_kind_of(merges) != FM_JSON_ARRAY)
        return fm_fail(l->err, FM_ERR_FORMAT, "the tokenizer has no model.merges");
    bool ignore = fm_json_bool(fm_json_get(model, "ignore_merges"), false);
    size_t n = fm_json_length(merges);
    FM_TRY(fm_bpe_init(&l->t->bpe, &l->t->vocab, n, ignore, l->err));
    for (size_t i = 0; i < n; i++) FM_TRY(add_merge(l, (uint32_t)i, fm_json_at(merges, i)));
    return fm_bpe_finish(&l->t->bpe, l->err);
}

/* What a byte without a piece becomes; most vocabularies have all that occur in UTF-8. */
static fm_status load_unknown(loader *l, const fm_json *model) {
    const char *text = fm_json_string(fm_json_get(model, "unk_token"), "");
    l->t->unknown = *text ? fm_tokenizer_find(l->t, text) : -1;
    if (*text && l->t->unknown < 0)
        return fm_fail(l->err, FM_ERR_FORMAT, "unk_token '%.60s' is not in the vocabulary", text);
    if (*text && fm_json_bool(fm_json_get(model, "fuse_unk"), false))
        return unsupported(l, "model option", "fuse_unk");
    return FM_OK;
}

/* ---- normalizer and pre-tokenizer ----------------------------------------------------------*/

enum { DEEPEST = 8 };

static fm_status load_normalizer(loader *l, const fm_json *v, int depth) {
    const char *type = type_of(v);
    if (fm_json_kind_of(v) == FM_JSON_NULL) return FM_OK;
    if (strcmp(type, "NFC") == 0) {
        l->t->nfc = true;
        return FM_OK;
    }
    if (strcmp(type, "Sequence") != 0 || depth == DEEPEST)
        return unsupported(l, "normalizer of type", type);
    const fm_json *list = fm_json_get(v, "normalizers");
    for (size_t i = 0; i < fm_json_length(list); i++)
        FM_TRY(load_normalizer(l, fm_json_at(list, i), depth + 1));
    return FM_OK;
}

static fm_status split_of(loader *l, const char *behavior, fm_split *out) {
    static const char *const names[] = {"Isolated", "Removed", "Contiguous", "MergedWithPrevious",
                                        "MergedWithNext"};
    for (size_t i = 0; i < FM_COUNT(names); i++)
        if (strcmp(behavior, names[i]) == 0) {
            *out = (fm_split)i;
            return FM_OK;
        }
    return unsupported(l, "pre-tokenizer with behavior", behavior);
}

static fm_status load_split(loader *l, const fm_json *v) {
    fm_split split = FM_SPLIT_ISOLATED;
    size_t size;
    bool invert = fm_json_bool(fm_json_get(v, "invert"), false);
    FM_TRY(split_of(l, fm_json_string(fm_json_get(v, "behavior"), ""), &split));
    const fm_json *pattern = fm_json_get(v, "pattern");
    const char *text = fm_json_string_n(fm_json_get(pattern, "Regex"), &size);
    if (text) return fm_pretoken_add_pattern(l->t->pretoken, text, size, split, invert, l->err);
    text = fm_json_string_n(fm_json_get(pattern, "String"), &size);
    if (text) return fm_pretoken_add_literal(l->t->pretoken, text, size, split, invert, l->err);
    return fm_fail(l->err, FM_ERR_FORMAT, "a Split pre-tokenizer has neither Regex nor String");
}

static fm_status load_byte_level(loader *l, const fm_json *v) {
    l->byte_level = true;
    if (fm_json_bool(fm_json_get(v, "add_prefix_space"), true))
        FM_TRY(fm_pretoken_add_prefix_space(l->t->pretoken, l->err));
    if (!fm_json_bool(fm_json_get(v, "use_regex"), true)) return FM_OK;
    return fm_known_add_gpt2(l->t->pretoken, l->err);
}

static fm_status load_stage(loader *l, const fm_json *v, int depth) {
    const char *type = type_of(v);
    if (strcmp(type, "Sequence") == 0 && depth < DEEPEST) {
        const fm_json *list = fm_json_get(v, "pretokenizers");
        for (size_t i = 0; i < fm_json_length(list); i++)
            FM_TRY(load_stage(l, fm_json_at(list, i), depth + 1));
        return FM_OK;
    }
    if (l->byte_level) return unsupported(l, "pre-tokenizer behind ByteLevel, of type", type);
    if (strcmp(type, "Split") == 0) return load_split(l, v);
    if (strcmp(type, "ByteLevel") == 0) return load_byte_level(l, v);
    if (strcmp(type, "Digits") == 0) {
        bool each = fm_json_bool(fm_json_get(v, "individual_digits"), false);
        return fm_pretoken_add_pattern(l->t->pretoken, "\\p{N}", 5,
                                       each ? FM_SPLIT_ISOLATED : FM_SPLIT_CONTIGUOUS, false, l->err);
    }
    return unsupported(l, "pre-tokenizer of type", type);
}

static fm_status load_pretokenizer(loader *l, const fm_json *v) {
    FM_TRY(fm_pretoken_new(&l->t->pretoken, l->err));
    if (fm_json_kind_of(v) != FM_JSON_NULL) FM_TRY(load_stage(l, v, 0));
    if (!l->byte_level)
        return fm_fail(l->err, FM_ERR_UNSUPPORTED,
                       "the tokenizer has no ByteLevel pre-tokenizer; only byte-level BPE is supported");
    fm_known_use_scanner(l->t->pretoken);
    return fm_pretoken_finish(l->t->pretoken, l->err);
}

/* ---- decoder and post-processor ------------------------------------------------------------*/

static fm_status check_decoder(loader *l, const fm_json *v, int depth) {
    const char *type = type_of(v);
    if (fm_json_kind_of(v) == FM_JSON_NULL || strcmp(type, "ByteLevel") == 0) return FM_OK;
    if (strcmp(type, "Sequence") != 0 || depth == DEEPEST)
        return unsupported(l, "decoder of type", type);
    const fm_json *list = fm_json_get(v, "decoders");
    for (size_t i = 0; i < fm_json_length(list); i++)
        FM_TRY(check_decoder(l, fm_json_at(list, i), depth + 1));
    return FM_OK;
}

/* A template that starts with a token says that this token is put in front: the BOS. */
static fm_status load_postprocessor(loader *l, const fm_json *v, int depth) {
    const char *type = type_of(v);
    if (fm_json_kind_of(v) == FM_JSON_NULL || strcmp(type, "ByteLevel") == 0) return FM_OK;
    if (strcmp(type, "TemplateProcessing") == 0) {
        const fm_json *first = fm_json_at(fm_json_get(v, "single"), 0);
        const char *name = fm_json_string(fm_json_get(fm_json_get(first, "SpecialToken"), "id"), NULL);
        if (!name) return FM_OK;
        const fm_json *token = fm_json_get(fm_json_get(v, "special_tokens"), name);
        int64_t id = fm_json_integer(fm_json_at(fm_json_get(token, "ids"), 0), -1);
        if (id < 0 || (size_t)id >= l->t->vocab.size)
            return fm_fail(l->err, FM_ERR_FORMAT,
                           "the template's token '%.60s' has an id that the vocabulary lacks", name);
        l->t->bos = (fm_token)id;
        l->t->adds_bos = true;
        return FM_OK;
    }
    if (strcmp(type, "Sequence") != 0 || depth == DEEPEST)
        return unsupported(l, "post-processor of type", type);
    const fm_json *list = fm_json_get(v, "processors");
    for (size_t i = 0; i < fm_json_length(list); i++)
        FM_TRY(load_postprocessor(l, fm_json_at(list, i), depth + 1));
    return FM_OK;
}

/* ---- tokenizer_config.json -----------------------------------------------------------------*/

/* bos_token and its like are a string, or an object with a "content"; null means none. */
static fm_status load_role(loader *l, const char *key, fm_token *id) {
    const fm_json *v = fm_json_get(l->config, key);
    if (!v) return FM_OK; /* not even null: what is known stays */
    const char *text = fm_json_string(v, fm_json_string(fm_json_get(v, "content"), NULL));
    *id = text ? fm_tokenizer_find(l->t, text) : -1;
    if (!text || *id >= 0) return FM_OK;
    return fm_fail(l->err, FM_ERR_FORMAT, "tokenizer_config.json names '%.60s' as %s, but the "
                   "vocabulary has no such token", text, key);
}

/* A string, or a list of named ones of which "default" is meant. */
static const char *template_of(const fm_json *v) {
    for (size_t i = 0; i < fm_json_length(v); i++) {
        const fm_json *item = fm_json_at(v, i);
        if (strcmp(fm_json_string(fm_json_get(item, "name"), ""), "default") == 0)
            return fm_json_string(fm_json_get(item, "template"), NULL);
    }
    return fm_json_string(v, NULL);
}

static fm_status load_config(loader *l) {
    fm_tokenizer *t = l->t;
    if (t->bos < 0) t->bos = fm_tokenizer_well_known_bos(t);
    t->eos = fm_tokenizer_well_known_eos(t);
    FM_TRY(load_role(l, "bos_token", &t->bos));
    FM_TRY(load_role(l, "eos_token", &t->eos));
    fm_tokenizer_mark_turn_ends(t, -1);
    t->adds_bos = t->bos >= 0 && fm_json_bool(fm_json_get(l->config, "add_bos_token"), t->adds_bos);
    const char *chat = template_of(fm_json_get(l->config, "chat_template"));
    if (chat && !(t->chat_template = fm_strdup(chat)))
        return fm_fail_memory(l->err, strlen(chat), "a chat template");
    return FM_OK;
}

static fm_status load(loader *l, const fm_json *root) {
    const fm_json *model = fm_json_get(root, "model");
    l->t->bos = -1;
    FM_TRY(load_pieces(l, root));
    FM_TRY(load_model(l, model));
    FM_TRY(load_unknown(l, model));
    FM_TRY(load_normalizer(l, fm_json_get(root, "normalizer"), 0));
    FM_TRY(load_pretokenizer(l, fm_json_get(root, "pre_tokenizer")));
    FM_TRY(check_decoder(l, fm_json_get(root, "decoder"), 0));
    FM_TRY(load_postprocessor(l, fm_json_get(root, "post_processor"), 0));
    return load_config(l);
}

fm_status fm_tokenizer_from_json(const char *json, size_t size, const char *config,
                                 size_t config_size, fm_tokenizer **out, fm_error *err) {
    fm_json *root = NULL, *config_root = NULL;
    fm_status status;
    *out = NULL;
    fm_tokenizer *t = fm_alloc_zero(sizeof *t, FM_MEM_TOKENIZER);
    if (!t) return fm_fail_memory(err, sizeof *t, "a tokenizer");
    loader l = {.t = t, .err = err};
    FM_TRY_GOTO(fm_json_parse(json, size, &root, err), fail);
    if (config) {
        status = fm_json_parse(config, config_size, &config_root, err);
        if (status != FM_OK) status = fm_error_prefix(err, status, "tokenizer_config.json");
        if (status != FM_OK) goto fail;
    }
    l.config = config_root;
    FM_TRY_GOTO(load(&l, root), fail);
    *out = t;
    t = NULL;
fail:
    fm_vocab_builder_clear(&l.builder);
    fm_json_free(config_root);
    fm_json_free(root);
    fm_tokenizer_free(t);
    return status;
}
