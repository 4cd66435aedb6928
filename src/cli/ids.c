#include "cli/ids.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

fm_status fm_ids_parse(const char *text, size_t size, fm_buffer *out, fm_error *err) {
    size_t count = 0;
    for (size_t i = 0; i < size;) {
        if (text[i] && strchr(", \t\r\n[]", text[i])) {
            i++;
            continue;
        }
        size_t begin = i;
        int64_t id = 0;
        while (i < size && text[i] >= '0' && text[i] <= '9' && id <= INT32_MAX)
            id = id * 10 + (text[i++] - '0');
        if (i == begin || id > INT32_MAX || (i < size && !(text[i] && strchr(", \t\r\n]", text[i])))) {
            size_t n = 0;
            while (begin + n < size && n < 24 && text[begin + n] && !strchr(", \t\r\n", text[begin + n]))
                n++;
            return fm_fail(err, FM_ERR_ARGUMENT, "'%.*s' (number %zu of the list) is not a token id",
                           (int)n, text + begin, count + 1);
        }
        int32_t value = (int32_t)id;
        fm_buffer_put(out, &value, sizeof value);
        count++;
    }
    return fm_buffer_status(out, err);
}

fm_status fm_ids_given(const char *ids, const char *file, fm_buffer *out, fm_error *err) {
    if (!ids == !file)
        return fm_fail(err, FM_ERR_ARGUMENT, ids
                           ? "--ids and --ids-file are two sources of ids: give one"
                           : "there are no token ids: give --ids 1,2,3 or --ids-file FILE");
    if (ids) {
        FM_TRY(fm_ids_parse(ids, strlen(ids), out, err));
    } else {
        char *text;
        size_t size;
        FM_TRY(fm_file_read(file, FM_TEXT_LIMIT, &text, &size, err));
        fm_status status = fm_ids_parse(text, size, out, err);
        fm_free(text);
        if (status != FM_OK) return fm_error_prefix(err, status, "%s", file);
    }
    if (out->size == 0) return fm_fail(err, FM_ERR_ARGUMENT, "the list of token ids is empty");
    return FM_OK;
}

fm_status fm_check_writable(const char *path, fm_error *err) {
    if (fm_is_directory(path))
        return fm_fail(err, FM_ERR_IO, "cannot write %s: it is a directory", path);
    const char *slash = strrchr(path, '/');
    char *folder = slash ? fm_strndup(path, slash == path ? 1 : (size_t)(slash - path))
                         : fm_strdup(".");
    if (!folder) return fm_fail_memory(err, strlen(path), "a path");
    bool writable = access(folder, W_OK | X_OK) == 0;
    int code = errno;
    fm_free(folder);
    return writable ? FM_OK
                    : fm_fail(err, FM_ERR_IO, "cannot write %s: %s", path, strerror(code));
}
