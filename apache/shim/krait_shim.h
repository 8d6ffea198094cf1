/* What C says better than Rust: macros and variadic functions of httpd's API. No logic. */
#ifndef KRAIT_SHIM_H
#define KRAIT_SHIM_H

#include "httpd.h"
#include "http_config.h"
#include "apr_buckets.h"

/* Whether a message of this APLOG_ level would be written. */
int krait_logs_request(const request_rec *r, int level);
int krait_logs_server(const server_rec *s, int level);

/* Write one line; the text is data, never a format. */
void krait_log_request(const request_rec *r, int level, const char *text);
void krait_log_server(const server_rec *s, int level, const char *text);

/* Bucket brigades: httpd has these as macros only. */
void krait_brigade_append(apr_bucket_brigade *bb, apr_bucket *b);
apr_bucket *krait_brigade_first(apr_bucket_brigade *bb); /* NULL when empty */
int krait_brigade_is_empty(apr_bucket_brigade *bb);
void krait_bucket_delete(apr_bucket *b);
int krait_bucket_is_eos(const apr_bucket *b);
int krait_bucket_is_metadata(const apr_bucket *b);
apr_status_t krait_bucket_read(apr_bucket *b, const char **data, apr_size_t *length);

/* Status macros. */
int krait_status_is_eagain(apr_status_t status);

#endif
