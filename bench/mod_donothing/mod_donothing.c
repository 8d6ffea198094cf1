/* The handler that does nothing: what httpd itself costs, and so the 1.00 of the comparison. */
#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"

#include <string.h>

static const char hello[] = "Hello, world!\n";

static int handle(request_rec *r)
{
    if (r->handler == NULL || strcmp(r->handler, "donothing") != 0)
        return DECLINED;
    ap_set_content_type(r, "text/plain");
    ap_set_content_length(r, sizeof(hello) - 1);
    if (!r->header_only)
        ap_rwrite(hello, sizeof(hello) - 1, r);
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(donothing) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks};
