/* codes_books_avx512vnni.c: products of integers of the formats that number values of a table or a book. */
#include "kernel/x86/codes_tile_avx512vnni.h"

FM_X86_BOOK_CODES(DEFINE_CODES_PRODUCT, vnni)
