/* listing.h: what the hub says a repository holds at one commit.
 *
 *     {"sha": "<commit, 40 hex digits>",
 *      "siblings": [{"rfilename": "model-00001-of-00002.safetensors", "size": 4976698672,
 *                    "blobId": "<git's id of the file>",
 *                    "lfs": {"sha256": "<64 hex digits>", "size": 4976698672}},  large files only
 *                   ...]}
 *
 * A folder that was filled keeps the same document (manifest.h), with "here": true at each file that
 * lies in it, checked. */
#pragma once

#include "base/arena.h"

typedef struct fm_hub_file {
    const char *name;  /* a path that fm_safe_path accepts, of one of the kinds in listing.c */
    int64_t size;      /* -1: the hub did not say */
    const char *id;    /* sha256 as 64 hex digits, git's blob id as 40, or "" */
    bool has_sha256;
    bool here;         /* in the folder, complete and checked */
    bool chosen;       /* part of what was asked for */
} fm_hub_file;

typedef struct fm_listing {
    fm_arena arena;
    const char *commit; /* 40 or 64 hex digits; "" in an empty listing */
    fm_hub_file *files; /* of kinds that a model needs, by name */
    size_t n;
} fm_listing;

enum { FM_LISTING_LIMIT = 8 << 20 }; /* bytes of JSON: some 30,000 files */

/* A name that would lead out of a folder, or twice the same, is FM_ERR_FORMAT: such a hub is not to
 * be trusted with anything. Names that are merely unusual are left out. */
fm_status fm_listing_parse(const char *json, size_t size, fm_listing *out, fm_error *err);
void fm_listing_clear(fm_listing *listing);
/* NULL if there is none. */
fm_hub_file *fm_listing_find(const fm_listing *listing, const char *name);
