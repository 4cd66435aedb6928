/* hf_copy.c: the files beside the weights of a Hugging Face folder, for a folder of the same model in another type. */
#include "base/file.h"
#include "base/json.h"
#include "compress/hf_files.h"
#include "tensor/fp8.h"

#include <math.h>
#include <string.h>

static const size_t limit = 256 << 20;

void fm_hf_put_fp8(fm_json_writer *w) {
    fm_json_open(w, "quantization_config", '{');
    fm_json_put_text(w, "activation_scheme", "dynamic");
    fm_json_put_text(w, "fmt", "e4m3");
    fm_json_put_text(w, "quant_method", "fp8");
    fm_json_open(w, "weight_block_size", '[');
    for (int i = 0; i < 2; i++) fm_json_put_integer(w, NULL, FM_FP8_BLOCK);
    fm_json_close(w, ']');
    fm_json_close(w, '}');
}

/* 1.0 stays one: readers of config.json may tell it from 1. */
static void put_real(fm_json_writer *w, const char *key, double value) {
    fm_json_put_real(w, key, value);
    if (value == floor(value) && fabs(value) < 1e15) fm_buffer_text(w->out, ".0");
}

static void put_value(fm_json_writer *w, const char *key, const fm_json *v);

static fm_status put_member(void *context, const char *key, size_t n, const fm_json *value) {
    (void)n;
    put_value(context, key, value);
    return FM_OK;
}

static void put_value(fm_json_writer *w, const char *key, const fm_json *v) {
    switch (fm_json_kind_of(v)) {
    case FM_JSON_NULL: fm_json_put_text(w, key, NULL); break;
    case FM_JSON_BOOL: fm_json_put_bool(w, key, fm_json_bool(v, false)); break;
    case FM_JSON_INTEGER: fm_json_put_integer(w, key, fm_json_integer(v, 0)); break;
    case FM_JSON_REAL: put_real(w, key, fm_json_number(v, 0)); break;
    case FM_JSON_STRING: fm_json_put_text(w, key, fm_json_string(v, "")); break;
    case FM_JSON_ARRAY:
        fm_json_open(w, key, '[');
        for (size_t i = 0; i < fm_json_length(v); i++) put_value(w, NULL, fm_json_at(v, i));
        fm_json_close(w, ']');
        break;
    case FM_JSON_OBJECT:
        fm_json_open(w, key, '{');
        fm_json_each(v, put_member, w);
        fm_json_close(w, '}');
        break;
    }
}

/* What is about the old weights, or names code that is not copied, stays behind. */
static fm_status put_kept_member(void *context, const char *key, size_t n, const fm_json *value) {
    static const char *const others[] = {"quantization_config", "torch_dtype", "dtype", "auto_map"};
    for (size_t i = 0; i < FM_COUNT(others); i++)
        if (strcmp(key, others[i]) == 0) return FM_OK;
    return put_member(context, key, n, value);
}

static fm_status read_file(const char *folder, const char *name, char **text, size_t *size, fm_error *err) {
    char *path = fm_path_join(folder, name);
    if (!path) return fm_fail_memory(err, strlen(name), "a path");
    *text = NULL;
    fm_status status = fm_file_exists(path) ? fm_file_read(path, limit, text, size, err) : FM_OK;
    fm_free(path);
    return status;
}

fm_status fm_hf_copy_config(fm_buffer *out, const char *source, fm_dtype dtype, fm_error *err) {
    char *text;
    size_t size;
    fm_json *root = NULL;
    fm_json_writer w = {.out = out};
    FM_TRY(read_file(source, "config.json", &text, &size, err));
    fm_status status = text ? fm_json_parse(text, size, &root, err)
                            : fm_fail(err, FM_ERR_IO, "%s has no config.json any more", source);
    fm_free(text);
    FM_TRY(status);
    fm_json_open(&w, NULL, '{');
    fm_json_each(root, put_kept_member, &w);
    fm_json_free(root);
    if (dtype == FM_DTYPE_F8_E4M3) fm_hf_put_fp8(&w);
    fm_json_put_text(&w, "torch_dtype", fm_hf_torch_name(dtype));
    fm_json_close(&w, '}');
    fm_buffer_text(out, "\n");
    return fm_buffer_status(out, err);
}

fm_status fm_hf_copy_file(fm_buffer *out, const char *source, const char *name, bool *found, fm_error *err) {
    char *text;
    size_t size;
    FM_TRY(read_file(source, name, &text, &size, err));
    *found = text != NULL;
    if (text) fm_buffer_put(out, text, size);
    fm_free(text);
    return fm_buffer_status(out, err);
}
