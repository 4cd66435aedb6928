/* bpe_chars.c: characters of two and three bytes whose bytes need not be merged one by one.
 *
 * Merging goes by rank, wherever in the piece, so in general nothing is known of a character before
 * the whole piece is merged. But if
 *
 *   - the bytes of the character, alone, become one piece c by merges of rank up to r,
 *   - no merge that c itself takes part in has a rank up to r, and
 *   - no merge of a rank up to r takes anything across the character's two seams while it is in parts, be it its
 *     own part or its neighbour's,
 *
 * then c is made before anything else happens to its bytes: as long as it is in parts, one of its own merges can be
 * done, which comes before all that reaches over its seams. And it may be made first of all, since what c takes
 * part in comes after. The third is asked of the bytes on both sides of a seam: the lowest rank of the
 * merges whose sides meet there and one of which is not whole characters. Ranks are compared as levels, so
 * that they fit a byte; equal levels decide nothing. In the vocabularies of the family nine characters in ten
 * of Chinese text are certain by this, and nearly as many of Cyrillic, Greek, Hebrew and Arabic text. */
#include "token/bpe.h"

#include "base/unicode.h"

static int level_of(uint32_t rank) {
    int top = 31 - __builtin_clz(rank + 1); /* rank + 1 = 1.xxx times 2^top */
    uint32_t digits = top >= 3 ? (rank + 1) >> (top - 3) : (rank + 1) << (3 - top);
    return top * 8 + (int)(digits & 7);
}

void fm_bpe_note_seam(fm_bpe *bpe, uint32_t rank, const char *left, size_t left_size, const char *right,
                      size_t right_size) {
    if (!left_size || !right_size || fm_bpe_continues((unsigned char)right[0])) return;
    if (fm_utf8_valid(left, left_size) && fm_utf8_valid(right, right_size)) return;
    uint8_t *seam = &bpe->seams[(unsigned char)left[left_size - 1] << 8 | (unsigned char)right[0]];
    if (level_of(rank) < *seam) *seam = (uint8_t)level_of(rank);
}

/* The one piece that two bytes become. */
static fm_token merge_two(const fm_bpe *bpe, const char bytes[2], uint32_t *rank) {
    fm_merge whole = bpe->bytes[(unsigned char)bytes[0] << 8 | (unsigned char)bytes[1]];
    *rank = whole.rank;
    return whole.rank == FM_NO_RANK ? -1 : whole.result;
}

/* The one piece that three bytes become, and the highest rank on the way. */
static fm_token merge_three(const fm_bpe *bpe, const char bytes[3], uint32_t *rank) {
    const unsigned char *s = (const unsigned char *)bytes;
    fm_merge first = bpe->bytes[s[0] << 8 | s[1]], last = bpe->bytes[s[1] << 8 | s[2]], whole;
    if (first.rank == FM_NO_RANK && last.rank == FM_NO_RANK) return -1;
    bool left = first.rank <= last.rank;
    if (left)
        whole = fm_bpe_find(bpe, first.result, bpe->vocab->byte[s[2]]);
    else
        whole = fm_bpe_find(bpe, bpe->vocab->byte[s[0]], last.result);
    uint32_t before = left ? first.rank : last.rank;
    *rank = whole.rank > before ? whole.rank : before;
    return whole.rank == FM_NO_RANK ? -1 : whole.result;
}

/* A byte without a piece is dropped, or another piece stands for it: nothing is known of its seams. */
static void distrust_lacking_bytes(fm_bpe *bpe) {
    for (size_t byte = 0; byte < 256; byte++)
        for (size_t other = 0; bpe->vocab->byte[byte] < 0 && other < 256; other++)
            bpe->seams[byte << 8 | other] = bpe->seams[other << 8 | byte] = 0;
}

fm_status fm_bpe_finish(fm_bpe *bpe, fm_error *err) {
    size_t n = bpe->vocab->size;
    uint32_t *first_use = fm_alloc_array(n, sizeof *first_use, FM_MEM_TOKENIZER);
    if (!first_use) return fm_fail_memory(err, n * sizeof *first_use, "the ranks of the merges");
    for (size_t id = 0; id < n; id++) first_use[id] = FM_NO_RANK;
    for (size_t i = 0; i <= bpe->mask; i++) {
        if (bpe->pairs[i] == UINT64_MAX) continue;
        size_t sides[2] = {(size_t)(bpe->pairs[i] >> 32), (size_t)(uint32_t)bpe->pairs[i]};
        for (int side = 0; side < 2; side++)
            if (bpe->merges[i].rank < first_use[sides[side]])
                first_use[sides[side]] = bpe->merges[i].rank;
    }
    distrust_lacking_bytes(bpe);
    for (uint32_t c = 0x80; c < 0x10000; c++) {
        char bytes[4];
        uint32_t rank;
        if (c >= 0xD800 && c < 0xE000) continue;
        fm_token id = fm_utf8_encode(c, bytes) == 2 ? merge_two(bpe, bytes, &rank) : merge_three(bpe, bytes, &rank);
        if (id >= 0 && first_use[id] > rank) bpe->chars[c] = id | level_of(rank) << FM_CHAR_PIECE_BITS;
    }
    fm_free(first_use);
    return FM_OK;
}
