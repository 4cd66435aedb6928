#include "hub/http.h"

#include "hub/url.h"
#include "version.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAX_HOPS = 10, CONNECT_SECONDS = 30, MAX_DISCARD = 256 << 10, MAX_TOKEN = 4096,
       SLOWEST = 100 /* bytes a second: less is a connection that stalls */ };

struct fm_http {
    CURL *curl;
    struct curl_slist *token_header;
    fm_http_options options;
    fm_origin home;
    bool answered; /* somebody did, once: from then on a lost network may come back */
    char said[CURL_ERROR_SIZE];
};

/* One hop on its way. */
typedef struct transfer {
    fm_http *http;
    fm_http_reply *reply;
    const fm_http_sink *sink;
    fm_error *err;
    fm_status status; /* what the sink said */
    bool begun;
    size_t discarded; /* of a body that nobody wants */
} transfer;

/* ---- what libcurl calls ----------------------------------------------------------------------*/

/* "Name: value\r\n" -> the value without spaces around it, or NULL if it is another header. */
static const char *value_of(const char *line, size_t n, const char *name, size_t *length) {
    size_t m = strlen(name);
    if (n <= m || line[m] != ':' || strncasecmp(line, name, m) != 0) return NULL;
    const char *v = line + m + 1, *end = line + n;
    while (v < end && (*v == ' ' || *v == '\t')) v++;
    while (end > v && strchr(" \t\r\n", end[-1])) end--;
    *length = (size_t)(end - v);
    return v;
}

static int64_t number_of(const char *s, size_t n) {
    int64_t value = 0;
    if (n == 0 || n > 18) return -1;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') return -1;
        value = value * 10 + (s[i] - '0');
    }
    return value;
}

static void copy_value(char *out, size_t size, const char *s, size_t n) {
    if (n >= 2 && s[0] == '"' && s[n - 1] == '"') s++, n -= 2;
    snprintf(out, size, "%.*s", (int)(n < size ? n : 0), s);
}

static void read_content_range(const char *s, size_t n, fm_http_reply *reply) {
    char text[96];
    int64_t first, last, total;
    int end = 0;
    snprintf(text, sizeof text, "%.*s", (int)(n < sizeof text ? n : 0), s);
    if (sscanf(text, "bytes %" SCNd64 "-%" SCNd64 "/%" SCNd64 "%n", &first, &last, &total, &end) == 3 &&
        !text[end] && first >= 0 && last >= first && total > last) {
        reply->first = first;
        reply->total = total;
    }
}

static size_t on_header(char *line, size_t one, size_t n, void *context) {
    (void)one;
    fm_http_reply *reply = ((transfer *)context)->reply;
    const char *v;
    size_t length;
    if (n > 5 && memcmp(line, "HTTP/", 5) == 0) { /* a new answer, perhaps after a "100 Continue" */
        reply->first = reply->total = -1;
        reply->code[0] = 0;
    } else if ((v = value_of(line, n, "Content-Range", &length)) != NULL) {
        read_content_range(v, length, reply);
    } else if ((v = value_of(line, n, "X-Error-Code", &length)) != NULL) {
        copy_value(reply->code, sizeof reply->code, v, length);
    } else if ((v = value_of(line, n, "X-Linked-Size", &length)) != NULL) {
        reply->linked_size = number_of(v, length);
    } else if ((v = value_of(line, n, "X-Linked-ETag", &length)) != NULL) {
        copy_value(reply->linked_id, sizeof reply->linked_id, v, length);
    }
    return n;
}

static void read_answer(transfer *t) {
    long status = 0;
    curl_off_t length = -1, wait = 0;
    curl_easy_getinfo(t->http->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->http->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    curl_easy_getinfo(t->http->curl, CURLINFO_RETRY_AFTER, &wait);
    t->reply->status = (int)status;
    t->reply->length = length;
    t->reply->retry_after = (double)wait;
    if (status) t->http->answered = true;
}

static bool is_success(int status) { return status >= 200 && status < 300; }

static bool begin(transfer *t) {
    if (!t->begun) t->status = t->sink->begin(t->sink->context, t->reply, t->err);
    t->begun = true;
    return t->status == FM_OK;
}

static size_t on_body(char *bytes, size_t one, size_t n, void *context) {
    (void)one;
    transfer *t = context;
    if (!t->begun) read_answer(t);
    if (!is_success(t->reply->status)) {
        t->discarded += n;
        return t->discarded <= MAX_DISCARD ? n : 0;
    }
    if (!begin(t)) return 0;
    t->status = t->sink->body(t->sink->context, bytes, n, t->err);
    return t->status == FM_OK ? n : 0;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    (void)a, (void)b, (void)c, (void)d;
    return fm_watch_go_on(((transfer *)context)->http->options.watch) ? 0 : 1;
}

/* ---- opening ---------------------------------------------------------------------------------*/

static void initialise(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

static fm_status set_token(fm_http *h, const char *token, fm_error *err) {
    char line[MAX_TOKEN + 32];
    size_t n = strlen(token);
    bool plain = n <= MAX_TOKEN;
    for (size_t i = 0; i < n; i++) plain = plain && token[i] > ' ' && token[i] < 0x7F;
    if (!plain) /* a line end in it would begin a header of its own */
        return fm_fail(err, FM_ERR_ARGUMENT, "the token for the hub (HF_TOKEN) is none: it is too "
                       "long, or has spaces, line ends or letters beyond ASCII");
    snprintf(line, sizeof line, "Authorization: Bearer %s", token);
    h->token_header = curl_slist_append(NULL, line);
    return h->token_header ? FM_OK : fm_fail_memory(err, n, "a request");
}

/* Whoever has little patience has it from the beginning. */
static int connect_seconds(const fm_http *h) {
    return h->options.stall_seconds < CONNECT_SECONDS ? h->options.stall_seconds : CONNECT_SECONDS;
}

static fm_status prepare(fm_http *h, fm_error *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialise);
    if (!fm_origin_of(h->options.endpoint, &h->home))
        return fm_fail(err, FM_ERR_ARGUMENT, "'%s' is no address of a hub (HF_ENDPOINT): it must "
                       "begin with https:// or http://", h->options.endpoint);
    if (h->options.token) FM_TRY(set_token(h, h->options.token, err));
    CURL *c = h->curl = curl_easy_init();
    if (!c) return fm_fail(err, FM_ERR_MEMORY, "libcurl cannot be started");
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->said);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "fathom/" FATHOM_VERSION);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)connect_seconds(h));
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)SLOWEST);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)h->options.stall_seconds);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    if (h->options.ca_file) curl_easy_setopt(c, CURLOPT_CAINFO, h->options.ca_file);
    return FM_OK;
}

fm_status fm_http_open(const fm_http_options *options, fm_http **out, fm_error *err) {
    *out = NULL;
    fm_http *h = fm_alloc_zero(sizeof *h, FM_MEM_OTHER);
    if (!h) return fm_fail_memory(err, sizeof *h, "a connection");
    h->options = *options;
    fm_status status = prepare(h, err);
    if (status == FM_OK)
        *out = h;
    else
        fm_http_close(h);
    return status;
}

void fm_http_close(fm_http *h) {
    if (!h) return;
    curl_easy_cleanup(h->curl);
    curl_slist_free_all(h->token_header);
    fm_free(h);
}

/* ---- what can go wrong -----------------------------------------------------------------------*/

static bool is_tls(CURLcode code) {
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
           code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CERTPROBLEM ||
           code == CURLE_SSL_CIPHER || code == CURLE_SSL_ISSUER_ERROR;
}

static fm_status explain(fm_http *h, CURLcode code, fm_http_reply *reply, fm_error *err) {
    const char *said = h->said[0] ? h->said : curl_easy_strerror(code), *host = reply->host;
    reply->transient = h->answered;
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
        reply->transient = false;
        return fm_fail(err, FM_ERR_CANCELLED, "stopped");
    case CURLE_OUT_OF_MEMORY: return fm_fail_memory(err, 0, "a request");
    case CURLE_COULDNT_RESOLVE_HOST:
        return fm_fail(err, FM_ERR_IO, "the host %s is not found: is there a network here? "
                       "(HF_ENDPOINT names another hub)", host);
    case CURLE_COULDNT_RESOLVE_PROXY:
        return fm_fail(err, FM_ERR_IO, "the proxy is not found (https_proxy or http_proxy): %s", said);
    case CURLE_COULDNT_CONNECT:
        return fm_fail(err, FM_ERR_IO, "no connection to %s: %s", host, said);
    case CURLE_OPERATION_TIMEDOUT: {
        curl_off_t connected = 0;
        curl_easy_getinfo(h->curl, CURLINFO_CONNECT_TIME_T, &connected);
        if (connected > 0) reply->transient = true;
        return fm_fail(err, FM_ERR_IO, connected > 0 ? "%s has sent next to nothing for %d seconds"
                                                     : "%s has not answered for %d seconds",
                       host, connected > 0 ? h->options.stall_seconds : connect_seconds(h));
    }
    default:
        if (is_tls(code)) {
            reply->transient = false;
            return fm_fail(err, FM_ERR_IO,
                           "%s cannot prove that it is %s (%s); where a proxy signs for others, "
                           "SSL_CERT_FILE names the certificates to trust", host, host, said);
        }
        reply->transient = true;
        return fm_fail(err, FM_ERR_IO, "the connection to %s broke off: %s", host, said);
    }
}

/* ---- one answer ------------------------------------------------------------------------------*/

static fm_status one_hop(fm_http *h, const char *url, const fm_origin *at, uint64_t first,
                         transfer *t) {
    char range[32];
    snprintf(range, sizeof range, "%" PRIu64 "-", first);
    snprintf(t->reply->host, sizeof t->reply->host, "%s", at->host);
    t->reply->status = 0;
    h->said[0] = 0;
    curl_easy_setopt(h->curl, CURLOPT_URL, url);
    curl_easy_setopt(h->curl, CURLOPT_RANGE, first ? range : NULL);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER,
                     fm_origin_equal(at, &h->home) ? h->token_header : NULL);
    curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(h->curl, CURLOPT_XFERINFODATA, t);
    CURLcode code = curl_easy_perform(h->curl);
    read_answer(t);
    if (t->status != FM_OK) return t->status;
    bool unwanted = code == CURLE_WRITE_ERROR && t->discarded > MAX_DISCARD;
    if (code != CURLE_OK && !unwanted) return explain(h, code, t->reply, t->err);
    if (is_success(t->reply->status) && !begin(t)) return t->status; /* an empty body */
    return FM_OK;
}

static bool is_redirect(int s) {
    return s == 301 || s == 302 || s == 303 || s == 307 || s == 308;
}

/* The next address, to be freed with fm_free; the rules are at the top of http.h. */
static fm_status next_hop(fm_http *h, const fm_origin *from, fm_origin *to, char **url,
                          fm_error *err) {
    const char *where = NULL;
    curl_easy_getinfo(h->curl, CURLINFO_REDIRECT_URL, &where);
    if (!where || !fm_origin_of(where, to))
        return fm_fail(err, FM_ERR_FORMAT, "%s redirects to no http address", from->host);
    if (from->https && !to->https && h->home.https)
        return fm_fail(err, FM_ERR_IO, "%s redirects to %s without encryption (https to http), "
                       "which is refused", from->host, to->host);
    fm_free(*url);
    return (*url = fm_strdup(where)) ? FM_OK : fm_fail_memory(err, strlen(where), "an address");
}

static fm_status follow(fm_http *h, char **url, uint64_t first, const fm_http_sink *sink,
                        fm_http_reply *reply, fm_error *err) {
    fm_origin at;
    if (!fm_origin_of(*url, &at)) return fm_fail(err, FM_ERR_ARGUMENT, "'%s' is no address", *url);
    for (int hop = 0; hop <= MAX_HOPS; hop++) {
        transfer t = {.http = h, .reply = reply, .sink = sink, .err = err};
        FM_TRY(one_hop(h, *url, &at, first, &t));
        if (!is_redirect(reply->status)) return FM_OK;
        fm_origin to;
        FM_TRY(next_hop(h, &at, &to, url, err));
        at = to;
    }
    return fm_fail(err, FM_ERR_FORMAT, "%s redirects in a circle", at.host);
}

fm_status fm_http_get(fm_http *h, const char *url, uint64_t first, const fm_http_sink *sink,
                      fm_http_reply *reply, fm_error *err) {
    *reply = (fm_http_reply){.length = -1, .first = -1, .total = -1, .linked_size = -1};
    char *at = fm_strdup(url);
    if (!at) return fm_fail_memory(err, strlen(url), "an address");
    fm_status status = follow(h, &at, first, sink, reply, err);
    fm_free(at);
    return status;
}
