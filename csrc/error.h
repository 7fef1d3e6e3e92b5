/* error.h -- every negative code of the core: one table for value, token, HTTP status and text.
 * Owns: nothing. Every file may call it. docs/ and the debug log use the tokens, so keep them stable.
 *
 * Rows: X(NAME, value, HTTP status or 0, token, text, source). Status 0 is a code for the caller,
 * not for a client. source is the rule that asks for it, "RFC 9112 2.2", or "" where none does;
 * docs/refusals.md lists them (make it again with tools/refusals.py after a change).
 * Values are fixed for ever once released: append, never renumber. */
#ifndef FAPWS_ERROR_H
#define FAPWS_ERROR_H

#define FW_ERRORS(X)                                                                               \
    /* for the caller */                                                                           \
    X(FW_EGONE, -1, 0, "gone", "the client has left", "")                                          \
    X(FW_ETHREAD, -2, 0, "wrong_thread", "the core was called from a thread that does not own it", \
      "")                                                                                          \
    X(FW_EEVENTS, -13, 0, "no_events",                                                             \
      "the descriptor through which the system tells of events was closed", "")                    \
    X(FW_ELISTENER, -14, 0, "no_listener", "a listening socket was closed or shut down", "")       \
    X(FW_ESPIN, -15, 0, "spin",                                                                    \
      "the system goes on telling of descriptors that this process has closed", "")                \
    X(FW_ESTATE, -3, 0, "wrong_state", "this connection is not waiting for that", "")              \
    X(FW_ESYSTEM, -4, 0, "system", "the operating system refused", "")                             \
    X(FW_EMEMORY, -5, 0, "no_memory", "out of memory", "")                                         \
    X(FW_ESTATUS, -6, 0, "bad_status",                                                             \
      "status is not three digits (200 to 999), a space and a reason", "RFC 9112 4")               \
    X(FW_ENAME, -7, 0, "bad_name", "a header name is empty or holds a byte that is no token",      \
      "RFC 9110 5.1")                                                                              \
    X(FW_EVALUE, -8, 0, "bad_value", "a header value holds a control character", "RFC 9110 5.5")   \
    X(FW_ECOUNT, -9, 0, "bad_count", "the status or a header holds a line feed", "RFC 9110 5.5")   \
    X(FW_ELENGTH, -10, 0, "bad_length",                                                            \
      "Content-Length of the response is not a number, or is repeated", "RFC 9110 8.6")            \
    X(FW_ETRUNCATED, -12, 0, "truncated", "the file is shorter than its response promised",        \
      "RFC 9112 6.3")                                                                              \
    X(FW_EFULL, -11, 0, "full", "no room left", "")                                                \
    /* the parser's "need more bytes" */                                                           \
    X(FW_MORE, -20, 0, "more", "the message is not complete yet", "")                              \
    /* request line and target */                                                                  \
    X(FW_EREQLINE, -30, 400, "bad_request_line", "the request line is malformed", "RFC 9112 3")    \
    X(FW_EMETHOD, -31, 400, "bad_method", "the method is not a token of 1 to 32 bytes",            \
      "RFC 9110 9.1")                                                                              \
    X(FW_ETARGET, -32, 400, "bad_target", "the request target is malformed", "RFC 9112 3.2")       \
    X(FW_EVERSION, -33, 400, "bad_version", "the protocol version is malformed", "RFC 9112 2.3")   \
    X(FW_EVERSION_UNSUPPORTED, -34, 505, "version_not_supported",                                  \
      "only HTTP/1.0 and HTTP/1.1 are spoken", "RFC 9110 15.6.6")                                  \
    X(FW_ECONNECT, -35, 501, "connect_not_supported", "CONNECT is not supported",                  \
      "RFC 9110 9.3.6")                                                                            \
    X(FW_EURI_TOO_LONG, -36, 414, "uri_too_long", "the request target is too long", "RFC 9112 3")  \
    /* field section */                                                                            \
    X(FW_ELINE_END, -40, 400, "bad_line_end", "a line of the head does not end in CRLF",           \
      "RFC 9112 2.2")                                                                              \
    X(FW_EFIELD_NAME, -41, 400, "bad_field_name", "a field name is malformed", "RFC 9112 5.1")     \
    X(FW_EFIELD_VALUE, -42, 400, "bad_field_value", "a field value holds a control character",     \
      "RFC 9110 5.5")                                                                              \
    X(FW_EFOLD, -43, 400, "obsolete_fold", "a field value is folded over lines", "RFC 9112 5.2")   \
    X(FW_EHEAD_TOO_LARGE, -44, 431, "head_too_large", "the request head is too large",             \
      "RFC 6585 5")                                                                                \
    X(FW_ETOO_MANY_FIELDS, -45, 431, "too_many_fields", "the request head has too many fields",    \
      "RFC 6585 5")                                                                                \
    X(FW_EHOST_MISSING, -46, 400, "host_missing", "an HTTP/1.1 request needs a Host field",        \
      "RFC 9112 3.2")                                                                              \
    X(FW_EHOST_REPEATED, -47, 400, "host_repeated", "the Host field is repeated", "RFC 9112 3.2")  \
    X(FW_EHOST, -48, 400, "bad_host", "the Host field is malformed", "RFC 9112 3.2")               \
    X(FW_EREPEATED, -49, 400, "field_repeated", "a field that may occur once is repeated",         \
      "RFC 9110 5.3")                                                                              \
    /* framing and content */                                                                      \
    X(FW_ECONTENT_LENGTH, -50, 400, "bad_content_length",                                          \
      "Content-Length is malformed or repeated", "RFC 9112 6.3")                                   \
    X(FW_ETRANSFER_ENCODING, -51, 400, "bad_transfer_encoding",                                    \
      "Transfer-Encoding is repeated, stands beside Content-Length or in HTTP/1.0",                \
      "RFC 9112 6.1")                                                                              \
    X(FW_ECODING, -52, 501, "coding_not_supported", "the transfer coding is not supported",        \
      "RFC 9112 6.1")                                                                              \
    X(FW_ECHUNK, -53, 400, "bad_chunk", "the chunked coding is malformed", "RFC 9112 7.1")         \
    X(FW_ECHUNK_OVERHEAD, -54, 400, "chunk_overhead", "chunk extensions take too much room",       \
      "RFC 9112 7.1.1")                                                                            \
    X(FW_ETRAILER, -55, 400, "bad_trailer", "the trailer section is malformed", "RFC 9112 7.1.2")  \
    X(FW_ETRAILER_TOO_LARGE, -56, 431, "trailer_too_large", "the trailer section is too large",    \
      "RFC 6585 5")                                                                                \
    X(FW_ECONTENT_TOO_LARGE, -57, 413, "content_too_large", "input body too big",                  \
      "RFC 9110 15.5.14")                                                                          \
    X(FW_EEXPECT, -58, 417, "bad_expectation", "only the expectation 100-continue is known",       \
      "RFC 9110 10.1.1")                                                                           \
    X(FW_EPROXY, -59, 400, "bad_proxy_header",                                                     \
      "the connection does not begin with a valid PROXY header", "PROXY 2")                        \
    X(FW_EPROXY_UNTRUSTED, -63, 400, "untrusted_proxy",                                            \
      "this address may not send a PROXY header", "PROXY 2")                                       \
    /* time and resources */                                                                       \
    X(FW_ETIMEOUT_HEAD, -60, 408, "head_timeout", "the request head did not come in time",         \
      "RFC 9110 15.5.9")                                                                           \
    X(FW_ETIMEOUT_CONTENT, -61, 408, "content_timeout",                                            \
      "the request content did not come in time", "RFC 9110 15.5.9")                               \
    X(FW_ESPOOL, -62, 503, "spool_failed", "the request content could not be stored",              \
      "RFC 9110 15.6.4")                                                                           \
    X(FW_ESPOOL_FULL, -64, 503, "spool_full", "too much request content is being stored",          \
      "RFC 9110 15.6.4")

enum {
#define FW_ENUM(name, value, status, token, text, source) name = (value),
    FW_ERRORS(FW_ENUM)
#undef FW_ENUM
};

#endif
