/* GGUF files as they are written: read back by our own reader, refused where the format has no place. */
#include "support.h"

#include "base/file.h"
#include "base/mem.h"
#include "format/gguf_write.h"

typedef struct supply {
    const void *data[4];
    size_t bytes[4];
    int calls;
} supply;

static fm_status give(void *context, size_t i, fm_item_sink *sink, fm_error *err) {
    supply *s = context;
    s->calls++;
    size_t half = s->bytes[i] / 2; /* in two pieces */
    FM_TRY(fm_item_put(sink, s->data[i], half, err));
    return fm_item_put(sink, (const char *)s->data[i] + half, s->bytes[i] - half, err);
}

static const float six[6] = {1, -2, 3.5f, 0, 1e-20f, 7};
static const int32_t three[3] = {5, -6, 7};
static const uint8_t block[34] = {1, 2, 3, 4, 5};

static void put_every_kind(fm_gguf_head *head) {
    static const fm_string texts[] = {{"a", 1}, {"", 0}, {"\xc4\xa0x", 3}};
    fm_gguf_put_string(head, "general.architecture", "llama", 5);
    fm_gguf_put_u32(head, "u32", 4000000000u);
    fm_gguf_put_i32(head, "i32", -7);
    fm_gguf_put_f32(head, "f32", 0.1f);
    fm_gguf_put_bool(head, "yes", true);
    fm_gguf_put_bool(head, "no", false);
    fm_gguf_put_strings(head, "texts", texts, 3);
    fm_gguf_put_i32s(head, "numbers", three, 3);
}

static const fm_safetensors_item items[] = {
    {.name = "matrix", .dtype = FM_DTYPE_F32, .n_dims = 2, .shape = {2, 3}},
    {.name = "integers", .integers = true, .n_dims = 1, .shape = {3}},
    {.name = "blocks", .dtype = FM_DTYPE_Q8_0, .n_dims = 3, .shape = {1, 1, 32}},
};

static fm_status write_all(const char *path, supply *s, fm_error *err) {
    fm_gguf_head head = {0};
    put_every_kind(&head);
    *s = (supply){.data = {six, three, block}, .bytes = {sizeof six, sizeof three, sizeof block}};
    fm_status status = fm_gguf_write(path, &head, items, FM_COUNT(items), give, s, err);
    fm_gguf_head_clear(&head);
    return status;
}

static void check_pairs(const fm_meta *m) {
    assert_int_equal(fm_meta_count(m), 8);
    assert_int_equal(fm_meta_find(m, "u32")->integer, 4000000000u);
    assert_int_equal(fm_meta_find(m, "i32")->integer, -7);
    assert_true(fm_meta_find(m, "f32")->real == (double)0.1f);
    assert_true(fm_meta_find(m, "yes")->boolean && !fm_meta_find(m, "no")->boolean);
    const fm_meta_value *texts = fm_meta_find(m, "texts"), *numbers = fm_meta_find(m, "numbers");
    assert_int_equal(texts->count, 3);
    assert_int_equal(texts->strings[1].size, 0);
    assert_memory_equal(texts->strings[2].data, "\xc4\xa0x", 3);
    assert_int_equal(numbers->integers[1], -6);
}

static void what_is_written_is_what_is_read(void **state) {
    (void)state;
    supply s;
    fm_error err;
    fm_store *store, *copy;
    assert_ok(write_all(scratch_path("a.gguf"), &s, &err));
    assert_int_equal(s.calls, 3);
    assert_ok(fm_store_open(scratch_path("a.gguf"), &store, &err));
    assert_int_equal(fm_store_version(store), 3);
    check_pairs(fm_store_meta(store));
    assert_int_equal(fm_store_count(store), 3);
    for (size_t i = 0; i < 3; i++) {
        const fm_store_entry *e = fm_store_at(store, i);
        assert_string_equal(e->name, items[i].name);
        assert_int_equal(e->is_integer32, items[i].integers);
        assert_memory_equal(e->tensor.shape, items[i].shape, (size_t)items[i].n_dims * 8);
        assert_int_equal(e->offset % 32, 0);
        assert_int_equal(e->bytes, s.bytes[i]);
        assert_memory_equal(e->tensor.data, s.data[i], e->bytes);
    }
    /* pairs of an open file are taken over as they are, types too */
    fm_gguf_head head = {0};
    assert_ok(fm_gguf_put_pairs_of(&head, store, NULL, &err));
    assert_ok(fm_gguf_write(scratch_path("b.gguf"), &head, items, 3, give, &s, &err));
    fm_gguf_head_clear(&head);
    assert_ok(fm_store_open(scratch_path("b.gguf"), &copy, &err));
    check_pairs(fm_store_meta(copy));
    fm_store_close(copy);
    char *a, *b;
    size_t n, m;
    assert_ok(fm_file_read(scratch_path("a.gguf"), 1 << 20, &a, &n, &err));
    assert_ok(fm_file_read(scratch_path("b.gguf"), 1 << 20, &b, &m, &err));
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    fm_free(a);
    fm_free(b);
    fm_store_close(store);
}

static void pairs_of_real_files_are_copied_byte_for_byte(void **state) {
    (void)state;
    static const char *const files[] = {"gguf/tiny-v3.f32.gguf", "gguf/tiny-llama.q8_0.gguf"};
    for (size_t i = 0; i < FM_COUNT(files); i++) {
        fm_gguf_head head = {0};
        fm_store *store;
        fm_error err;
        char *bytes;
        size_t n;
        assert_ok(fm_store_open(golden_path(files[i]), &store, &err));
        assert_ok(fm_gguf_put_pairs_of(&head, store, NULL, &err));
        assert_int_equal(head.n_pairs, fm_meta_count(fm_store_meta(store)));
        assert_ok(fm_file_read(golden_path(files[i]), 1 << 26, &bytes, &n, &err));
        assert_memory_equal(head.pairs.data, bytes + 24, head.pairs.size);
        fm_free(bytes);
        fm_gguf_head_clear(&head);
        fm_store_close(store);
    }
}

static void refuse(const fm_safetensors_item *list, size_t n, const char *says) {
    fm_gguf_head head = {0};
    supply s = {.data = {six, six}, .bytes = {sizeof six, sizeof six}};
    fm_error err;
    assert_int_equal(fm_gguf_write(scratch_path("no.gguf"), &head, list, n, give, &s, &err),
                     FM_ERR_ARGUMENT);
    if (!strstr(err.message, says)) fail_msg("'%s' does not say '%s'", err.message, says);
    assert_false(fm_file_exists(scratch_path("no.gguf")));
}

static void what_the_format_cannot_hold_is_refused(void **state) {
    (void)state;
    fm_safetensors_item a = items[0], b = items[0], fp8 = items[0], wide = items[0];
    char name[80];
    memset(name, 'n', 79);
    name[79] = 0;
    refuse((fm_safetensors_item[]){a, b}, 2, "two tensors of the name matrix");
    a.name = "";
    refuse(&a, 1, "1 to 63 bytes");
    a.name = name;
    refuse(&a, 1, "1 to 63 bytes");
    fp8.dtype = FM_DTYPE_F8_E4M3;
    refuse(&fp8, 1, "cannot hold F8_E4M3");
    wide.shape[1] = 4; /* fewer bytes than the shape takes */
    refuse(&wide, 1, "8 bytes less than its shape takes");
    wide.shape[1] = 2;
    refuse(&wide, 1, "8 bytes more than its shape takes");
}

static void every_failed_allocation_is_an_error(void **state) {
    (void)state;
    supply s;
    fm_error err;
    fm_status status = FM_ERR_MEMORY;
    for (int64_t k = 0; status == FM_ERR_MEMORY; k++) {
        fm_mem_fail_from(k);
        status = write_all(scratch_path("memory.gguf"), &s, &err);
        fm_mem_fail_from(-1);
        assert_int_equal(fm_file_exists(scratch_path("memory.gguf")), status == FM_OK);
    }
    assert_ok(status);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_what_is_read),
        cmocka_unit_test(pairs_of_real_files_are_copied_byte_for_byte),
        cmocka_unit_test(what_the_format_cannot_hold_is_refused),
        cmocka_unit_test(every_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests_name("gguf_write", tests, NULL, NULL);
}
