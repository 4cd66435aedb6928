/* read_speed.c: how fast all threads read memory, as fathom bench measures it: GB a second.
 *
 *   build/tests/eval/read_speed [THREADS]
 *
 * For the moments right before and after another program's run (bench/peers/side_by_side): what a
 * shared machine's memory gives can halve within seconds. */
#include "eval/bandwidth.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    fm_error err;
    fm_pool *pool;
    double rate;
    size_t bytes = fm_bandwidth_buffer();
    fm_status status = bytes ? fm_pool_new(argc > 1 ? atoi(argv[1]) : 0, &pool, &err)
                             : fm_fail(&err, FM_ERR_LIMIT, "less than 256 MiB of memory are free");
    if (status == FM_OK) {
        status = fm_bandwidth_measure(pool, bytes, &rate, &err);
        fm_pool_free(pool);
    }
    if (status != FM_OK) {
        fprintf(stderr, "read_speed: %s\n", err.message);
        return 1;
    }
    printf("%.2f\n", rate / 1e9);
    return 0;
}
