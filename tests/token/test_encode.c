/* Encoding and decoding: what is text and what is control, streams, threads, long pieces. */
#include "token_support.h"

#include "base/arena.h"
#include "base/unicode.h"
#include "token/tokenizer_private.h"

#include <pthread.h>

/* ---- control tokens in text --------------------------------------------------------------------*/

static size_t count_added(const fm_tokenizer *t, const fm_buffer *ids) {
    size_t n = 0;
    for (size_t i = 0; i < n_ids(ids); i++) n += fm_tokenizer_is_added(t, ids_of(ids)[i]);
    return n;
}

/* In the vectors that write control tokens in the text, SPECIAL finds them and PLAIN does not. */
static void plain_text_never_becomes_a_control_token(void **state) {
    (void)state;
    static const char *const names[] = {"v3", "r1", "qwen2_5", "llama3", "r1_distill_qwen"};
    for (size_t k = 0; k < FM_COUNT(names); k++) {
        fm_tokenizer *t = load_fixture(names[k]);
        char path[128];
        snprintf(path, sizeof path, "tokenizers/golden_%s.json", names[k]);
        fm_json *root = read_json(golden_path(path));
        const fm_json *cases = fm_json_get(root, "cases");
        fm_buffer special = {0}, plain = {0};
        size_t differ = 0;
        for (size_t i = 0; i < fm_json_length(cases); i++) {
            size_t size;
            const char *text = fm_json_string_n(fm_json_get(fm_json_at(cases, i), "text"), &size);
            encode(t, text, size, FM_ENCODE_SPECIAL, &special);
            encode(t, text, size, FM_ENCODE_PLAIN, &plain);
            assert_int_equal(count_added(t, &plain), 0);
            if (count_added(t, &special) == 0) continue;
            differ++;
            assert_true(plain.size > special.size);
        }
        assert_true(differ >= 1);
        fm_buffer_clear(&plain);
        fm_buffer_clear(&special);
        fm_json_free(root);
        fm_tokenizer_free(t);
    }
}

/* Each added token, written as text, is one id when asked for and ordinary pieces otherwise. */
static void every_added_token_is_found_and_is_text_in_plain_mode(void **state) {
    (void)state;
    fm_tokenizer *t = load_fixture("r1");
    fm_buffer ids = {0}, back = {0};
    size_t added = 0;
    for (fm_token id = 0; id < fm_tokenizer_size(t); id++) {
        size_t size;
        const char *piece = fm_tokenizer_piece(t, id, &size);
        if (!fm_tokenizer_is_added(t, id)) continue;
        added++;
        encode(t, piece, size, FM_ENCODE_SPECIAL, &ids);
        assert_int_equal(n_ids(&ids), 1);
        assert_int_equal(ids_of(&ids)[0], id);
        encode(t, piece, size, FM_ENCODE_PLAIN, &ids);
        assert_int_equal(count_added(t, &ids), 0);
        back.size = 0;
        fm_tokenizer_decode(t, ids_of(&ids), n_ids(&ids), false, &back);
        assert_int_equal(back.size, size);
        assert_memory_equal(back.data, piece, size);
    }
    assert_int_equal(added, 818);
    fm_buffer_clear(&back);
    fm_buffer_clear(&ids);
    fm_tokenizer_free(t);
}

static void the_roles_of_tokens_are_known(void **state) {
    (void)state;
    fm_tokenizer *t = load_fixture("r1");
    assert_int_equal(fm_tokenizer_size(t), 128815);
    assert_int_equal(fm_tokenizer_find(t, "<think>"), 128798);
    assert_int_equal(fm_tokenizer_find(t, "Hello"), 19923);
    assert_int_equal(fm_tokenizer_find(t, "no such piece"), -1);
    assert_true(fm_tokenizer_is_added(t, 128798) && !fm_tokenizer_is_special(t, 128798));
    assert_true(fm_tokenizer_is_special(t, 0) && fm_tokenizer_is_special(t, 128805));
    assert_true(fm_tokenizer_is_end_of_turn(t, 1) && fm_tokenizer_is_end_of_turn(t, 128805));
    assert_false(fm_tokenizer_is_end_of_turn(t, 128803)); /* <|User|> */
    size_t size = 1;
    static const fm_token outside[] = {-1, INT32_MIN, 128815, 129279, INT32_MAX};
    for (size_t i = 0; i < FM_COUNT(outside); i++) {
        assert_non_null(fm_tokenizer_piece(t, outside[i], &size));
        assert_int_equal(size, 0);
        assert_false(fm_tokenizer_is_added(t, outside[i]));
        assert_false(fm_tokenizer_is_end_of_turn(t, outside[i]));
    }
    fm_tokenizer_free(t);
    t = load_fixture("llama3");
    assert_true(fm_tokenizer_is_end_of_turn(t, 128009) && fm_tokenizer_is_end_of_turn(t, 128001));
    assert_non_null(strstr(fm_tokenizer_chat_template(t), "loop_messages"));
    fm_tokenizer_free(t);
}

static void what_is_not_utf8_is_refused_with_its_place(void **state) {
    (void)state;
    fm_tokenizer *t = load_tiny("deepseek-v3");
    static const struct {
        const char *text;
        size_t size;
        const char *want;
    } cases[] = {
        {"abc\xFF", 4, "byte 3 (0xFF)"},
        {"0123456789abcdef\xC3", 17, "byte 16 (0xC3)"},
        {"\xED\xA0\x80", 3, "byte 0 (0xED)"},
        {"a\xC0\x80", 3, "byte 1 (0xC0)"},
    };
    fm_buffer ids = {0};
    encode(t, "ab", 2, FM_ENCODE_PLAIN, &ids);
    size_t before = ids.size;
    for (size_t i = 0; i < FM_COUNT(cases); i++)
        for (int mode = 0; mode < 2; mode++) {
            fm_error err = {0};
            assert_int_equal(fm_tokenizer_encode(t, cases[i].text, cases[i].size, mode, &ids, &err),
                             FM_ERR_ARGUMENT);
            assert_non_null(strstr(err.message, cases[i].want));
            assert_int_equal(ids.size, before);
        }
    fm_error err = {0};
    assert_ok(fm_tokenizer_encode(t, NULL, 0, FM_ENCODE_SPECIAL, &ids, &err));
    assert_int_equal(ids.size, before);
    assert_ok(fm_tokenizer_encode(t, "a\0b", 3, FM_ENCODE_SPECIAL, &ids, &err)); /* a zero is text */
    fm_buffer back = {0};
    fm_tokenizer_decode(t, ids_of(&ids), n_ids(&ids), false, &back);
    assert_memory_equal(back.data, "aba\0b", 5);
    fm_buffer_clear(&back);
    fm_buffer_clear(&ids);
    fm_tokenizer_free(t);
}

/* ---- merging -----------------------------------------------------------------------------------*/

typedef struct merge {
    const char *left, *right; /* bytes, zero-terminated: these texts have no zero */
} merge;

/* By the definition: again and again, the first of the lowest ranks. */
static void merge_by_the_definition(const merge *merges, size_t n_merges, fm_arena *arena,
                                    const char **symbols, size_t *n) {
    for (size_t rank = 0; rank < n_merges; rank++)
        for (size_t i = 0; i + 1 < *n; i++) {
            if (strcmp(symbols[i], merges[rank].left) || strcmp(symbols[i + 1], merges[rank].right))
                continue;
            symbols[i] = fm_arena_format(arena, "%s%s", symbols[i], symbols[i + 1]);
            memmove(symbols + i + 1, symbols + i + 2, (*n - i - 2) * sizeof *symbols);
            --*n;
            rank = (size_t)-1; /* a lower rank may have come up */
            break;
        }
}

static void check_merging(const fm_tokenizer *t, const merge *merges, size_t n_merges, char *text,
                          size_t size, fm_buffer *ids) {
    fm_arena arena = {0};
    const char **symbols = fm_arena_array(&arena, size, sizeof *symbols);
    size_t n = size;
    for (size_t i = 0; i < size; i++) symbols[i] = fm_arena_strndup(&arena, text + i, 1);
    merge_by_the_definition(merges, n_merges, &arena, symbols, &n);
    encode(t, text, size, FM_ENCODE_PLAIN, ids);
    assert_int_equal(n_ids(ids), n);
    for (size_t i = 0; i < n; i++) {
        size_t length;
        const char *piece = fm_tokenizer_piece(t, ids_of(ids)[i], &length);
        assert_int_equal(length, strlen(symbols[i]));
        assert_memory_equal(piece, symbols[i], length);
    }
    fm_arena_clear(&arena);
}

/* Words of up to 200 letters: short ones are merged by scanning, long ones through a heap. */
static void merging_is_what_its_definition_says(void **state) {
    (void)state;
    fm_json *root = read_json(golden_path("tiny-tokenizers/deepseek-v3/tokenizer.json"));
    fm_tokenizer *t = load_tiny("deepseek-v3");
    const fm_json *list = fm_json_get(fm_json_get(root, "model"), "merges");
    size_t n = fm_json_length(list);
    fm_arena arena = {0};
    fm_buffer ids = {0};
    draws d = {.stream = 77};
    merge *merges = fm_arena_array(&arena, n, sizeof *merges);
    for (size_t i = 0; i < n; i++) {
        const char *text = fm_json_string(fm_json_at(list, i), ""), *space = strchr(text, ' ');
        merges[i].left = fm_arena_strndup(&arena, text, (size_t)(space - text));
        merges[i].right = fm_arena_strndup(&arena, space + 1, strlen(space + 1));
    }
    for (int round = 0; round < (sanitized() ? 50 : 400); round++) {
        char text[200];
        size_t size = 1 + draw(&d, round % 4 ? 60 : sizeof text);
        for (size_t i = 0; i < size; i++) text[i] = "etaoinshrdlu"[draw(&d, 12)];
        check_merging(t, merges, n, text, size, &ids);
    }
    fm_buffer_clear(&ids);
    fm_arena_clear(&arena);
    fm_tokenizer_free(t);
    fm_json_free(root);
}

/* Characters whose bytes are merged ahead of the rest (bpe_chars.c): as if none were. */
static void characters_merged_ahead_change_nothing(void **state) {
    (void)state;
    static const char *const names[] = {"v3", "qwen2_5", "llama3"};
    static const uint32_t bases[] = {0x3040, 0x30A0, 0x4E00, 0x5200, 0x6200, 0xAC00, 0xFF00, 0x2000,
                                     0x0E00, 0x20, 0x400, 0xC0, 0x390, 0x5D0, 0x620, 0x900};
    for (size_t i = 0; i < FM_COUNT(names); i++) {
        fm_tokenizer *ahead = load_fixture(names[i]), *bytes = load_fixture(names[i]);
        memset(bytes->bpe.chars, 0xFF, ((size_t)1 << 16) * sizeof *bytes->bpe.chars);
        fm_buffer a = {0}, b = {0};
        draws d = {.stream = 80 + i};
        int known = 0;
        for (uint32_t c = 0x4E00; c < 0xA000; c++) known += ahead->bpe.chars[c] >= 0;
        assert_true(known > 2000);
        for (int round = 0; round < (sanitized() ? 2000 : 60000); round++) {
            char text[80];
            size_t size = 0, length = 1 + draw(&d, 18);
            uint32_t base = bases[draw(&d, FM_COUNT(bases))];
            for (size_t k = 0; k < length; k++) {
                if (!draw(&d, 6)) base = bases[draw(&d, FM_COUNT(bases))];
                uint32_t span = base >= 0x4E00 ? 0x1000 : 0x60;
                uint32_t c = base + draw(&d, 1 + draw(&d, span));
                size += (size_t)fm_utf8_encode(c, text + size);
            }
            encode(ahead, text, size, FM_ENCODE_PLAIN, &a);
            encode(bytes, text, size, FM_ENCODE_PLAIN, &b);
            if (a.size != b.size || memcmp(a.data, b.data, a.size) != 0)
                fail_msg("%s, text %d: %.*s", names[i], round, (int)size, text);
        }
        fm_buffer_clear(&a);
        fm_buffer_clear(&b);
        fm_tokenizer_free(ahead);
        fm_tokenizer_free(bytes);
    }
}

/* Text in one call gives what the words give in calls of their own: nothing remembered is wrong. */
static void what_long_texts_remember_changes_nothing(void **state) {
    (void)state;
    fm_tokenizer *t = load_fixture("qwen2_5");
    fm_buffer text = {0}, parts = {0}, whole = {0};
    fm_error err = {0};
    draws d = {.stream = 78};
    while (text.size < (sanitized() ? 40000 : 400000)) {
        char word[64] = " ";
        size_t size = 1, letters = 1 + draw(&d, 1 + draw(&d, 40));
        for (size_t i = 0; i < letters; i++) word[size++] = "etaoinshrdlucm"[draw(&d, 1 + draw(&d, 14))];
        fm_buffer_put(&text, word, size);
        assert_ok(fm_tokenizer_encode(t, word, size, FM_ENCODE_SPECIAL, &parts, &err));
    }
    encode(t, text.data, text.size, FM_ENCODE_SPECIAL, &whole);
    assert_int_equal(parts.size, whole.size);
    assert_memory_equal(parts.data, whole.data, whole.size);
    fm_buffer_clear(&text);
    fm_buffer_clear(&parts);
    fm_buffer_clear(&whole);
    fm_tokenizer_free(t);
}

static void a_megabyte_of_one_character_is_one_piece_like_any_other(void **state) {
    (void)state;
    static const char *const tokenizers[] = {"v3", "qwen2_5"};
    static const char *const characters[] = {"a", " ", "\n", "-", "9", "\xE7\x9A\x84", "\xF0\x9F\x98\x80"};
    size_t n = sanitized() ? 1 << 16 : 1 << 20;
    fm_buffer text = {0}, ids = {0}, back = {0};
    for (size_t k = 0; k < FM_COUNT(tokenizers); k++) {
        fm_tokenizer *t = load_fixture(tokenizers[k]);
        for (size_t c = 0; c < FM_COUNT(characters); c++) {
            text.size = back.size = 0;
            while (text.size < n) fm_buffer_text(&text, characters[c]);
            encode(t, text.data, text.size, FM_ENCODE_SPECIAL, &ids);
            fm_tokenizer_decode(t, ids_of(&ids), n_ids(&ids), false, &back);
            assert_int_equal(back.size, text.size);
            assert_memory_equal(back.data, text.data, text.size);
        }
        fm_tokenizer_free(t);
    }
    fm_buffer_clear(&text);
    fm_buffer_clear(&ids);
    fm_buffer_clear(&back);
}

/* ---- threads -----------------------------------------------------------------------------------*/

typedef struct worker {
    pthread_t thread;
    const fm_tokenizer *t;
    const fm_json *cases;
    fm_buffer ids;
} worker;

static void *encode_all(void *context) {
    worker *w = context;
    for (size_t i = 0; i < fm_json_length(w->cases); i++) {
        size_t size;
        const char *text = fm_json_string_n(fm_json_get(fm_json_at(w->cases, i), "text"), &size);
        if (fm_tokenizer_encode(w->t, text, size, FM_ENCODE_SPECIAL, &w->ids, NULL) != FM_OK) break;
    }
    return NULL;
}

static void threads_share_a_tokenizer(void **state) {
    (void)state;
    static const char *const names[] = {"v3", "qwen2_5"};
    fm_json *root = read_json(golden_path("tokenizers/golden_v3.json"));
    for (size_t k = 0; k < FM_COUNT(names); k++) {
        fm_tokenizer *t = load_fixture(names[k]);
        worker workers[4] = {{0}};
        for (size_t i = 0; i < FM_COUNT(workers); i++) {
            workers[i].t = t;
            workers[i].cases = fm_json_get(root, "cases");
            assert_int_equal(pthread_create(&workers[i].thread, NULL, encode_all, &workers[i]), 0);
        }
        for (size_t i = 0; i < FM_COUNT(workers); i++) pthread_join(workers[i].thread, NULL);
        for (size_t i = 0; i < FM_COUNT(workers); i++) {
            assert_true(workers[i].ids.size > 10000);
            assert_int_equal(workers[i].ids.size, workers[0].ids.size);
            assert_memory_equal(workers[i].ids.data, workers[0].ids.data, workers[0].ids.size);
        }
        for (size_t i = 0; i < FM_COUNT(workers); i++) fm_buffer_clear(&workers[i].ids);
        fm_tokenizer_free(t);
    }
    fm_json_free(root);
}

/* ---- streams -----------------------------------------------------------------------------------*/

/* Pushes ids one by one; whatever has come out is whole characters at every moment. */
static void stream_all(const fm_tokenizer *t, const fm_token *ids, size_t n, fm_buffer *out) {
    fm_stream stream = {0};
    out->size = 0;
    for (size_t i = 0; i < n; i++) {
        fm_stream_push(&stream, t, ids[i], out);
        assert_true(fm_utf8_valid(out->data, out->size));
        assert_in_range(stream.held, 0, 3);
    }
    fm_stream_finish(&stream, out);
    assert_int_equal(stream.held, 0);
}

static void check_stream(const fm_tokenizer *t, const fm_token *ids, size_t n) {
    fm_buffer streamed = {0}, bytes = {0}, text = {0};
    stream_all(t, ids, n, &streamed);
    fm_tokenizer_decode(t, ids, n, false, &bytes);
    fm_utf8_sanitize(bytes.data, bytes.size, &text);
    assert_int_equal(streamed.size, text.size);
    if (text.size) assert_memory_equal(streamed.data, text.data, text.size);
    fm_buffer_clear(&streamed);
    fm_buffer_clear(&bytes);
    fm_buffer_clear(&text);
}

/* Characters come in pieces of single bytes here, and random ids make every kind of broken UTF-8. */
static void a_stream_gives_what_decoding_at_once_gives(void **state) {
    (void)state;
    fm_tokenizer *t = load_fixture("v3");
    fm_json *root = read_json(golden_path("tokenizers/golden_v3.json"));
    const fm_json *cases = fm_json_get(root, "cases");
    fm_buffer ids = {0};
    for (size_t i = 0; i < fm_json_length(cases); i++) {
        size_t size;
        const char *text = fm_json_string_n(fm_json_get(fm_json_at(cases, i), "text"), &size);
        encode(t, text, size, FM_ENCODE_SPECIAL, &ids);
        check_stream(t, ids_of(&ids), n_ids(&ids));
        ids.size = 0;
        for (size_t k = 0; k < size; k++) { /* the same text byte by byte */
            char byte[2] = {text[k], 0};
            fm_token id = text[k] ? fm_tokenizer_find(t, byte) : -1;
            fm_buffer_put(&ids, &id, sizeof id);
        }
        check_stream(t, ids_of(&ids), n_ids(&ids));
    }
    draws d = {.stream = 79};
    for (int round = 0; round < (sanitized() ? 500 : 5000); round++) {
        fm_token random[12];
        size_t n = 1 + draw(&d, 12);
        for (size_t i = 0; i < n; i++)
            random[i] = (fm_token)draw(&d, draw(&d, 4) ? 260 : (uint32_t)fm_tokenizer_size(t) + 500) - 1;
        check_stream(t, random, n);
    }
    fm_buffer_clear(&ids);
    fm_json_free(root);
    fm_tokenizer_free(t);
}

static void a_stream_holds_back_half_a_character(void **state) {
    (void)state;
    fm_tokenizer *t = load_fixture("v3");
    fm_buffer out = {0};
    fm_stream stream = {0};
    fm_token f0 = fm_tokenizer_find(t, "\xF0"), n9f = fm_tokenizer_find(t, "\x9F");
    fm_stream_push(&stream, t, f0, &out);
    fm_stream_push(&stream, t, n9f, &out);
    assert_int_equal(out.size, 0);
    assert_int_equal(stream.held, 2);
    fm_stream_push(&stream, t, fm_tokenizer_find(t, "<\xEF\xBD\x9CUser\xEF\xBD\x9C>"), &out);
    assert_string_equal(fm_buffer_string(&out), "\xEF\xBF\xBD<\xEF\xBD\x9CUser\xEF\xBD\x9C>");
    out.size = 0;
    fm_stream_push(&stream, t, f0, &out);
    fm_stream_finish(&stream, &out);
    assert_string_equal(fm_buffer_string(&out), "\xEF\xBF\xBD");
    fm_buffer_clear(&out);
    fm_tokenizer_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_never_becomes_a_control_token),
        cmocka_unit_test(every_added_token_is_found_and_is_text_in_plain_mode),
        cmocka_unit_test(the_roles_of_tokens_are_known),
        cmocka_unit_test(what_is_not_utf8_is_refused_with_its_place),
        cmocka_unit_test(merging_is_what_its_definition_says),
        cmocka_unit_test(characters_merged_ahead_change_nothing),
        cmocka_unit_test(what_long_texts_remember_changes_nothing),
        cmocka_unit_test(a_megabyte_of_one_character_is_one_piece_like_any_other),
        cmocka_unit_test(threads_share_a_tokenizer),
        cmocka_unit_test(a_stream_gives_what_decoding_at_once_gives),
        cmocka_unit_test(a_stream_holds_back_half_a_character),
    };
    return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}
