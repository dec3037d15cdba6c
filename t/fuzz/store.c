
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "../store/model.h"


/*
 * The operations of the store, against the model of t/store, which is driven by
 * bytes here: what is done, and bits that choose how.
 */


/* so many steps are verified one by one; the walk takes its time */

#define STORE_VERIFY  64


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const uint8_t  *store_data;
static size_t          store_size;
static uint32_t        store_bits;
static uint32_t        store_nbits;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_uint_t      n, step;
    static model_t  m;

    if (m.store == NULL) {
        model_init();
    }

    store_data = data;
    store_size = size;
    store_nbits = 0;

    model_create(&m);

    for (n = 1; store_size; n++) {

        /* what is inserted or cut out leaves the steps behind it as they are */

        store_nbits = 0;

        step = *store_data++ % MODEL_STEPS;
        store_size--;

        model_step(&m, step);

        if (n < STORE_VERIFY || n % STORE_VERIFY == 0) {
            model_verify(&m);
        }
    }

    model_verify(&m);
    model_finish(&m);

    return 0;
}


/* as many bits as it takes; none are left in the end */

uint32_t
model_random(uint32_t n)
{
    uint32_t  value, bits, max;

    value = 0;
    bits = 0;

    for (max = n - 1; max; max >>= 1) {

        if (store_nbits == 0 && store_size) {
            store_bits = *store_data++;
            store_nbits = 8;
            store_size--;
        }

        if (store_nbits) {
            value |= (store_bits & 1) << bits;
            store_bits >>= 1;
            store_nbits--;
        }

        bits++;
    }

    return value % n;
}
