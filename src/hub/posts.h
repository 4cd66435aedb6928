/* posts.h: JSON sent to one address by POST, several requests side by side, as a careful client does.
 *
 * No redirect is followed: what is sent, and the key with it, goes to the address that was named. A key
 * goes over https, or to this machine, and nowhere else. Certificates are always checked; the usual proxy
 * variables are respected. All calls are made from one thread. */
#pragma once

#include "base/status.h"

typedef struct fm_posts_options {
    const char *url;
    const char *key;     /* sent as "Authorization: Bearer KEY"; NULL: none */
    const char *ca_file; /* certificates to trust instead of the system's; NULL */
    int slots;           /* requests side by side */
    int seconds;         /* an answer may take so long in all */
    size_t limit;        /* bytes of an answer: a longer one is broken off */
} fm_posts_options;

typedef struct fm_posts fm_posts;
/* FM_ERR_ARGUMENT for an address or a key that is none, and for a key that would go in the clear. The
 * strings are copied. */
fm_status fm_posts_open(const fm_posts_options *options, fm_posts **out, fm_error *err);
void fm_posts_close(fm_posts *posts);

/* Begins a request in a slot that has none. The body is copied. */
fm_status fm_posts_send(fm_posts *posts, int slot, const char *body, size_t size, fm_error *err);

typedef struct fm_posts_reply {
    int slot;           /* free again; its body lives until the slot is used next */
    int status;         /* of HTTP; 0: no whole answer came, and `said` has the reason */
    const char *body;
    size_t size;
    double retry_after; /* seconds that the server asks for; 0 */
    bool transient;     /* without an answer: another attempt may have one */
    char said[256];
} fm_posts_reply;

/* Waits for an answer to any of the requests, at most `seconds`; *came is false where there was none. */
fm_status fm_posts_wait(fm_posts *posts, double seconds, fm_posts_reply *out, bool *came, fm_error *err);
