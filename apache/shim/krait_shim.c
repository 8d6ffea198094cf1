#include "krait_shim.h"
#include "http_log.h"
#include "apr_errno.h"

/* The record itself stands in Rust, which exports it; naming it here makes LogLevel work per module. */
extern module AP_MODULE_DECLARE_DATA krait_module;
APLOG_USE_MODULE(krait);

int krait_logs_request(const request_rec *r, int level)
{
    return APLOG_R_IS_LEVEL(r, level);
}

int krait_logs_server(const server_rec *s, int level)
{
    return s == NULL || APLOG_IS_LEVEL(s, level);
}

void krait_log_request(const request_rec *r, int level, const char *text)
{
    ap_log_rerror(APLOG_MARK, level, 0, r, "%s", text);
}

void krait_log_server(const server_rec *s, int level, const char *text)
{
    ap_log_error(APLOG_MARK, level, 0, s, "%s", text);
}

void krait_brigade_append(apr_bucket_brigade *bb, apr_bucket *b)
{
    APR_BRIGADE_INSERT_TAIL(bb, b);
}

apr_bucket *krait_brigade_first(apr_bucket_brigade *bb)
{
    return APR_BRIGADE_EMPTY(bb) ? NULL : APR_BRIGADE_FIRST(bb);
}

int krait_brigade_is_empty(apr_bucket_brigade *bb)
{
    return APR_BRIGADE_EMPTY(bb);
}

void krait_bucket_delete(apr_bucket *b)
{
    apr_bucket_delete(b);
}

int krait_bucket_is_eos(const apr_bucket *b)
{
    return APR_BUCKET_IS_EOS(b);
}

int krait_bucket_is_metadata(const apr_bucket *b)
{
    return APR_BUCKET_IS_METADATA(b);
}

apr_status_t krait_bucket_read(apr_bucket *b, const char **data, apr_size_t *length)
{
    return apr_bucket_read(b, data, length, APR_BLOCK_READ);
}

int krait_status_is_eagain(apr_status_t status)
{
    return APR_STATUS_IS_EAGAIN(status);
}
