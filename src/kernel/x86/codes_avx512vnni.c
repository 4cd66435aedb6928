/* codes_avx512vnni.c: products of integers of the formats that number steps. */
#include "kernel/x86/codes_tile_avx512vnni.h"

FM_X86_STEP_CODES(DEFINE_CODES_PRODUCT, vnni)
