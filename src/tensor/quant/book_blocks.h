/* book_blocks.h: the files' blocks of the formats with code books and of the ternary ones, for whoever opens
 * them otherwise than by decode. Each is drawn in the file of its name. */
#pragma once

#include <stdint.h>

#define FM_FILE_BLOCK __attribute__((packed, may_alias))

typedef struct FM_FILE_BLOCK fm_file_iq1_s {
    uint16_t d;
    uint8_t low[32];
    uint16_t high[8];
} fm_file_iq1_s;

typedef struct FM_FILE_BLOCK fm_file_iq1_m {
    uint8_t low[32];
    uint8_t high[16];
    uint16_t scales[4];
} fm_file_iq1_m;

typedef struct FM_FILE_BLOCK fm_file_iq2_xxs {
    uint16_t d;
    struct FM_FILE_BLOCK {
        uint8_t entry[4];
        uint32_t signs;
    } group[8];
} fm_file_iq2_xxs;

typedef struct FM_FILE_BLOCK fm_file_iq2_xs {
    uint16_t d;
    uint16_t octet[32];
    uint8_t scales[8];
} fm_file_iq2_xs;

typedef struct FM_FILE_BLOCK fm_file_iq2_s {
    uint16_t d;
    uint8_t low[32];
    uint8_t signs[32];
    uint8_t high[8];
    uint8_t scales[8];
} fm_file_iq2_s;

typedef struct FM_FILE_BLOCK fm_file_iq3_xxs {
    uint16_t d;
    uint8_t entry[64];
    uint32_t signs[8];
} fm_file_iq3_xxs;

typedef struct FM_FILE_BLOCK fm_file_iq3_s {
    uint16_t d;
    uint8_t low[64];
    uint8_t high[8];
    uint8_t signs[32];
    uint8_t scales[4];
} fm_file_iq3_s;

typedef struct FM_FILE_BLOCK fm_file_tq1_0 {
    uint8_t q[52];
    uint16_t d;
} fm_file_tq1_0;

typedef struct FM_FILE_BLOCK fm_file_tq2_0 {
    uint8_t q[64];
    uint16_t d;
} fm_file_tq2_0;

#undef FM_FILE_BLOCK
