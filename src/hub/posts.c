#include "hub/posts.h"

#include "base/buffer.h"
#include "hub/url.h"
#include "version.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { CONNECT_SECONDS = 30, MAX_KEY = 4096 };

typedef struct slot {
    CURL *curl;
    bool busy;
    fm_buffer sent, got;
    size_t limit;
    bool too_long;
    char said[CURL_ERROR_SIZE];
} slot;

struct fm_posts {
    CURLM *multi;
    struct curl_slist *headers;
    char *url, *ca_file;
    fm_origin at;
    slot *slots;
    int n, seconds;
};

static void initialise(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

static size_t on_body(char *bytes, size_t one, size_t n, void *context) {
    (void)one;
    slot *s = context;
    s->too_long = n > s->limit - s->got.size;
    if (s->too_long) return 0;
    fm_buffer_put(&s->got, bytes, n);
    return s->got.failed ? 0 : n;
}

/* ---- opening ------------------------------------------------------------------------------------- */

static bool is_this_machine(const char *host) {
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0;
}

static fm_status add_header(fm_posts *p, const char *line, fm_error *err) {
    struct curl_slist *longer = curl_slist_append(p->headers, line);
    if (!longer) return fm_fail_memory(err, strlen(line), "a request");
    p->headers = longer;
    return FM_OK;
}

static fm_status add_key(fm_posts *p, const char *key, fm_error *err) {
    char line[MAX_KEY + 32];
    size_t n = strlen(key);
    bool plain = n > 0 && n <= MAX_KEY;
    for (size_t i = 0; i < n; i++) plain = plain && key[i] > ' ' && key[i] < 0x7F;
    if (!plain) /* a line end in it would begin a header of its own */
        return fm_fail(err, FM_ERR_ARGUMENT, "the key for %s is none: it is too long, or has spaces, line ends "
                       "or letters beyond ASCII", p->at.host);
    if (!p->at.https && !is_this_machine(p->at.host))
        return fm_fail(err, FM_ERR_ARGUMENT, "a key would go to %s in the clear: use https://, or unset the key",
                       p->at.host);
    snprintf(line, sizeof line, "Authorization: Bearer %s", key);
    return add_header(p, line, err);
}

static fm_status open_slot(fm_posts *p, slot *s, fm_error *err) {
    CURL *c = s->curl = curl_easy_init();
    if (!c) return fm_fail(err, FM_ERR_MEMORY, "libcurl cannot be started");
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, s->said);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "fathom/" FATHOM_VERSION);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)(p->seconds < CONNECT_SECONDS ? p->seconds : CONNECT_SECONDS));
    curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)p->seconds);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_URL, p->url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, p->headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(c, CURLOPT_PRIVATE, s);
    if (is_this_machine(p->at.host)) curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    if (p->ca_file) curl_easy_setopt(c, CURLOPT_CAINFO, p->ca_file);
    return FM_OK;
}

static fm_status prepare(fm_posts *p, const fm_posts_options *o, fm_error *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialise);
    if (!fm_origin_of(o->url, &p->at))
        return fm_fail(err, FM_ERR_ARGUMENT, "'%s' is no address: it must begin with https:// or http://", o->url);
    p->url = fm_strdup(o->url);
    p->ca_file = o->ca_file ? fm_strdup(o->ca_file) : NULL;
    p->slots = fm_alloc_array((size_t)o->slots, sizeof *p->slots, FM_MEM_OTHER);
    if (!p->url || (o->ca_file && !p->ca_file) || !p->slots) return fm_fail_memory(err, strlen(o->url), "a request");
    p->n = o->slots;
    p->seconds = o->seconds;
    if (!(p->multi = curl_multi_init())) return fm_fail(err, FM_ERR_MEMORY, "libcurl cannot be started");
    FM_TRY(add_header(p, "Content-Type: application/json", err));
    FM_TRY(add_header(p, "Accept: application/json", err));
    FM_TRY(add_header(p, "Expect:", err)); /* a body at once, not after a "100 Continue" */
    if (o->key) FM_TRY(add_key(p, o->key, err));
    for (int i = 0; i < p->n; i++) {
        p->slots[i].limit = o->limit;
        FM_TRY(open_slot(p, &p->slots[i], err));
    }
    return FM_OK;
}

fm_status fm_posts_open(const fm_posts_options *options, fm_posts **out, fm_error *err) {
    *out = NULL;
    fm_posts *p = fm_alloc_zero(sizeof *p, FM_MEM_OTHER);
    if (!p) return fm_fail_memory(err, sizeof *p, "a connection");
    fm_status status = prepare(p, options, err);
    if (status == FM_OK)
        *out = p;
    else
        fm_posts_close(p);
    return status;
}

void fm_posts_close(fm_posts *p) {
    if (!p) return;
    for (int i = 0; p->slots && i < p->n; i++) {
        slot *s = &p->slots[i];
        if (s->busy) curl_multi_remove_handle(p->multi, s->curl);
        curl_easy_cleanup(s->curl);
        fm_buffer_clear(&s->sent);
        fm_buffer_clear(&s->got);
    }
    curl_multi_cleanup(p->multi);
    curl_slist_free_all(p->headers);
    fm_free(p->slots);
    fm_free(p->ca_file);
    fm_free(p->url);
    fm_free(p);
}

/* ---- asking -------------------------------------------------------------------------------------- */

fm_status fm_posts_send(fm_posts *p, int slot_index, const char *body, size_t size, fm_error *err) {
    slot *s = &p->slots[slot_index];
    fm_buffer_clear(&s->sent);
    fm_buffer_clear(&s->got);
    fm_buffer_put(&s->sent, body, size);
    FM_TRY(fm_buffer_status(&s->sent, err));
    s->said[0] = 0;
    s->too_long = false;
    curl_easy_setopt(s->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(s->curl, CURLOPT_POSTFIELDS, s->sent.data);
    curl_easy_setopt(s->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
    if (curl_multi_add_handle(p->multi, s->curl) != CURLM_OK) return fm_fail_memory(err, size, "a request");
    s->busy = true;
    return FM_OK;
}

static bool lasting(CURLcode code) {
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION: case CURLE_SSL_CACERT_BADFILE: case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER: case CURLE_SSL_ISSUER_ERROR: case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: case CURLE_URL_MALFORMAT: case CURLE_UNSUPPORTED_PROTOCOL:
        return true;
    default:
        return false;
    }
}

static void explain(const fm_posts *p, const slot *s, CURLcode code, fm_posts_reply *out) {
    const char *said = s->said[0] ? s->said : curl_easy_strerror(code), *host = p->at.host;
    out->transient = !lasting(code) && !s->too_long;
    if (s->too_long)
        snprintf(out->said, sizeof out->said, "%.150s sends an answer of more than %zu bytes", host, s->limit);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        snprintf(out->said, sizeof out->said, "%.150s has not answered in full for %d seconds", host, p->seconds);
    else
        snprintf(out->said, sizeof out->said, "no answer from %.80s: %.150s", host, said);
}

static fm_status finish(fm_posts *p, const CURLMsg *m, fm_posts_reply *out, fm_error *err) {
    slot *s = NULL;
    long status = 0;
    curl_off_t wait = 0;
    CURLcode code = m->data.result; /* the message goes with its handle */
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&s);
    curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(s->curl, CURLINFO_RETRY_AFTER, &wait);
    curl_multi_remove_handle(p->multi, s->curl);
    s->busy = false;
    FM_TRY(fm_buffer_status(&s->got, err));
    *out = (fm_posts_reply){.slot = (int)(s - p->slots), .status = code == CURLE_OK ? (int)status : 0,
                            .body = fm_buffer_string(&s->got), .size = s->got.size, .retry_after = (double)wait};
    if (code != CURLE_OK) explain(p, s, code, out);
    return FM_OK;
}

fm_status fm_posts_wait(fm_posts *p, double seconds, fm_posts_reply *out, bool *came, fm_error *err) {
    *came = false;
    for (int round = 0; round < 2; round++) {
        int running, left;
        if (curl_multi_perform(p->multi, &running) != CURLM_OK) return fm_fail(err, FM_ERR_IO, "libcurl has failed");
        const CURLMsg *m = curl_multi_info_read(p->multi, &left);
        if (m) {
            *came = true;
            return finish(p, m, out, err);
        }
        if (round == 0) curl_multi_poll(p->multi, NULL, 0, (int)(1000 * seconds), NULL);
    }
    return FM_OK;
}
