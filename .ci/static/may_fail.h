
/*
 * What gcc's -fanalyzer cannot know: these return NULL when there is no memory.
 * So it finds callers that do not check.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <jansson.h>


void given_back(void *p);

#define MAY_FAIL  __attribute__ ((malloc (given_back)))


void *ngx_alloc(size_t size, ngx_log_t *log) MAY_FAIL;
void *ngx_calloc(size_t size, ngx_log_t *log) MAY_FAIL;
void *ngx_palloc(ngx_pool_t *pool, size_t size) MAY_FAIL;
void *ngx_pnalloc(ngx_pool_t *pool, size_t size) MAY_FAIL;
void *ngx_pcalloc(ngx_pool_t *pool, size_t size) MAY_FAIL;
void *ngx_slab_alloc(ngx_slab_pool_t *pool, size_t size) MAY_FAIL;

u_char *ngx_pstrdup(ngx_pool_t *pool, ngx_str_t *src) MAY_FAIL;

ngx_pool_t *ngx_create_pool(size_t size, ngx_log_t *log) MAY_FAIL;
ngx_buf_t *ngx_create_temp_buf(ngx_pool_t *pool, size_t size) MAY_FAIL;
ngx_chain_t *ngx_alloc_chain_link(ngx_pool_t *pool) MAY_FAIL;

ngx_array_t *ngx_array_create(ngx_pool_t *pool, ngx_uint_t n, size_t size)
    MAY_FAIL;
void *ngx_array_push(ngx_array_t *array) MAY_FAIL;
void *ngx_array_push_n(ngx_array_t *array, ngx_uint_t n) MAY_FAIL;
void *ngx_list_push(ngx_list_t *list) MAY_FAIL;

ngx_pool_cleanup_t *ngx_pool_cleanup_add(ngx_pool_t *pool, size_t size)
    MAY_FAIL;
ngx_http_cleanup_t *ngx_http_cleanup_add(ngx_http_request_t *r, size_t size)
    MAY_FAIL;

ngx_connection_t *ngx_get_connection(ngx_socket_t s, ngx_log_t *log) MAY_FAIL;
ngx_http_request_t *ngx_http_create_request(ngx_connection_t *c) MAY_FAIL;

ngx_shm_zone_t *ngx_shared_memory_add(ngx_conf_t *cf, ngx_str_t *name,
    size_t size, void *tag) MAY_FAIL;
ngx_http_variable_t *ngx_http_add_variable(ngx_conf_t *cf, ngx_str_t *name,
    ngx_uint_t flags) MAY_FAIL;

json_t *json_loadb(const char *buffer, size_t len, size_t flags,
    json_error_t *error) MAY_FAIL;
