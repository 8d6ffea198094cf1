//! One-byte codes of the usual CGI variables (RFC 3875, PEP 3333), so that names need not travel.

/// Names by code; code 0 means that the name itself follows. Append only: a code is never reused.
pub const NAMES: &[&str] = &[
    "",
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SERVER_ADDR",
    "SERVER_SOFTWARE",
    "SERVER_SIGNATURE",
    "SERVER_ADMIN",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "REMOTE_HOST",
    "REMOTE_USER",
    "REMOTE_IDENT",
    "AUTH_TYPE",
    "REQUEST_URI",
    "REQUEST_SCHEME",
    "DOCUMENT_ROOT",
    "CONTEXT_PREFIX",
    "CONTEXT_DOCUMENT_ROOT",
    "SCRIPT_FILENAME",
    "GATEWAY_INTERFACE",
    "HTTPS",
    "UNIQUE_ID",
    "PATH_TRANSLATED",
    "HTTP_HOST",
    "HTTP_USER_AGENT",
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_LANGUAGE",
    "HTTP_ACCEPT_ENCODING",
    "HTTP_ACCEPT_CHARSET",
    "HTTP_CONNECTION",
    "HTTP_COOKIE",
    "HTTP_REFERER",
    "HTTP_ORIGIN",
    "HTTP_CACHE_CONTROL",
    "HTTP_PRAGMA",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_NONE_MATCH",
    "HTTP_IF_MATCH",
    "HTTP_IF_RANGE",
    "HTTP_IF_UNMODIFIED_SINCE",
    "HTTP_RANGE",
    "HTTP_AUTHORIZATION",
    "HTTP_DNT",
    "HTTP_UPGRADE_INSECURE_REQUESTS",
    "HTTP_SEC_FETCH_DEST",
    "HTTP_SEC_FETCH_MODE",
    "HTTP_SEC_FETCH_SITE",
    "HTTP_SEC_FETCH_USER",
    "HTTP_SEC_CH_UA",
    "HTTP_SEC_CH_UA_MOBILE",
    "HTTP_SEC_CH_UA_PLATFORM",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_REQUESTED_WITH",
    "HTTP_X_REQUEST_ID",
    "HTTP_FORWARDED",
    "HTTP_VIA",
    "HTTP_TE",
    "HTTP_EXPECT",
    "HTTP_FROM",
    "HTTP_PRIORITY",
];

/// The code of a variable's name; 0 when it has none.
#[must_use]
pub fn code_of(name: &[u8]) -> u8 {
    // Length and one byte settle nearly every miss; the list is short and this runs once per variable.
    for (code, known) in (1..).zip(&NAMES[1..]) {
        let known = known.as_bytes();
        if known.len() == name.len() && known == name {
            return code;
        }
    }
    0
}

/// The name of a code; `None` for 0 and for codes this version does not know.
#[must_use]
pub fn name_of(code: u8) -> Option<&'static str> {
    NAMES.get(usize::from(code)).copied().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_agree() {
        assert!(NAMES.len() <= 256);
        for (index, name) in NAMES.iter().enumerate().skip(1) {
            assert_eq!(usize::from(code_of(name.as_bytes())), index, "{name} stands twice");
            assert_eq!(name_of(code_of(name.as_bytes())), Some(*name));
        }
        assert_eq!(code_of(b"HTTP_X_ODD"), 0);
        assert_eq!(name_of(0), None);
    }
}
