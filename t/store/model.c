
/*
 * Copyright (C) the ngx_http_auth_api_token_module authors
 */


#include "model.h"


/*
 * Drives the model at random:
 *
 *     model [STEPS [SEED]]
 */


#define MODEL_ROUNDS  20
#define MODEL_VERIFY  1000


static ngx_uint_t model_choose(void);


static uint64_t  model_state;


/* of 10000 steps, how many are of each kind */

static const ngx_uint_t  model_shares[MODEL_STEPS] = {
    5500,                              /* ask */
    3350,                              /* end */
    520,                               /* time */
    300,                               /* poll */
    140,                               /* cancel */
    40,                                /* sent */
    10,                                /* purge */
    30,                                /* unqueue */
    40,                                /* figures */
    10,                                /* release */
    19,                                /* reap */
    19,                                /* reload */
    1,                                 /* tidy */
    19,                                /* faulty */
    1,                                 /* reset */
    1                                  /* die */
};


int
main(int argc, char **argv)
{
    uint64_t        steps, seed, n, i, evicted;
    static model_t  m;

    steps = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 20220517;

    printf("model: %llu steps, seed %llu\n", (unsigned long long) steps,
           (unsigned long long) seed);
    fflush(stdout);

    evicted = 0;
    model_state = seed;

    model_init();

    n = steps / MODEL_ROUNDS + 1;

    while (model_n < steps) {
        model_create(&m);

        for (i = 0; i < n && model_n < steps; i++) {
            model_step(&m, model_choose());

            if (i % MODEL_VERIFY == 0) {
                model_verify(&m);
            }
        }

        model_verify(&m);

        evicted += m.naive.evicted[0] + m.naive.evicted[1]
                   + m.naive.evicted[2];

        model_finish(&m);
    }

    printf("model: ok, replies: %llu hit, %llu refresh, %llu miss, %llu wait, "
           "%llu queue, %llu stop; %llu evicted\n",
           (unsigned long long) model_replies[T(HIT)],
           (unsigned long long) model_replies[T(REFRESH)],
           (unsigned long long) model_replies[T(MISS)],
           (unsigned long long) model_replies[T(WAIT)],
           (unsigned long long) model_replies[T(QUEUE)],
           (unsigned long long) model_replies[T(STOP)],
           (unsigned long long) evicted);

    return 0;
}


uint32_t
model_random(uint32_t n)
{
    model_state = model_state * 6364136223846793005ULL
                  + 1442695040888963407ULL;

    return (uint32_t) (model_state >> 33) % n;
}


static ngx_uint_t
model_choose(void)
{
    uint32_t    n;
    ngx_uint_t  step;

    n = model_random(10000);

    for (step = 0; n >= model_shares[step]; step++) {
        n -= model_shares[step];
    }

    return step;
}
