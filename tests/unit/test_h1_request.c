/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Request heads: one table with every row H1-L, H1-H and H1-F of the head, each
 * with its exact result, fed whole, byte by byte and cut at every place.
 */
#include "cookie.h"
#include "h1.h"
#include "unit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const struct h1_limits limits = { 16384, 32768, 65536, 128 };

struct row {
	const char *id;
	const char *raw;
	size_t n;
	const char *want;
};

#define ROW(id, raw, want)	{ id, raw, sizeof(raw) - 1, want }
#define HEAD(lines)	"GET / HTTP/1.1\r\nHost: a\r\n" lines "\r\n"
#define LINE(line)	line "\r\nHost: a\r\n\r\n"
#define POST(lines)	"POST / HTTP/1.1\r\nHost: a\r\n" lines "\r\n"
#define OLD(lines)	"POST / HTTP/1.0\r\nHost: a\r\n" lines "\r\n"
#define R50	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define R250	R50 R50 R50 R50 R50

static const struct row rows[] = {
	ROW("H1-L01", "\r\n" LINE("GET / HTTP/1.1"), "GET / a none keep"),
	ROW("H1-L02", "\r\n\r\n" LINE("GET / HTTP/1.1"), "400 bad-request"),
	ROW("H1-L02", "\n" LINE("GET / HTTP/1.1"), "400 bad-request"),
	ROW("H1-L02", " " LINE("GET / HTTP/1.1"), "400 bad-request"),
	ROW("H1-L02", "\t" LINE("GET / HTTP/1.1"), "400 bad-request"),
	ROW("H1-L02", "\r\n " LINE("GET / HTTP/1.1"), "400 bad-request"),
	ROW("H1-L02", "\r" LINE("GET / HTTP/1.1"), "400 bad-request"),
	ROW("H1-L02", "\rX" LINE("GET / HTTP/1.1"), "400 bad-request"),
	ROW("H1-L03", LINE("GET  / HTTP/1.1"), "400 bad-request"),
	ROW("H1-L03", LINE("GET /  HTTP/1.1"), "400 bad-path"),
	ROW("H1-L03", LINE("GET\t/ HTTP/1.1"), "400 bad-request"),
	ROW("H1-L03", LINE("GET /\tHTTP/1.1"), "400 bad-request"),
	ROW("H1-L03", LINE("GET\v/ HTTP/1.1"), "400 bad-request"),
	ROW("H1-L03", LINE("GET /\fHTTP/1.1"), "400 bad-request"),
	ROW("H1-L03", LINE("GET\r/ HTTP/1.1"), "400 bad-request"),
	ROW("H1-L03", LINE("GET / HTTP/1.1 "), "400 bad-request"),
	ROW("H1-L03", LINE("GET / x HTTP/1.1"), "400 bad-path"),
	ROW("H1-L04", "GET / HTTP/1.1\nHost: a\r\n\r\n", "400 bad-request"),
	ROW("H1-L05", LINE("GET HTTP/1.1"), "400 bad-request"),
	ROW("H1-L05", LINE("GET /"), "400 bad-request"),
	ROW("H1-L05", "GET /\r\n\r\n", "400 bad-request"),
	ROW("H1-L06", LINE("GET /a HTTP/1.0"), "GET /a a none 1.0 close"),
	ROW("H1-L07", LINE("GET / HTTP/1.2"), "505 version-unsupported"),
	ROW("H1-L07", LINE("GET / HTTP/2.0"), "505 version-unsupported"),
	ROW("H1-L07", LINE("GET / HTTP/0.9"), "505 version-unsupported"),
	ROW("H1-L08", LINE("GET / http/1.1"), "400 bad-request"),
	ROW("H1-L08", LINE("GET / HTTP/1.10"), "400 bad-request"),
	ROW("H1-L08", LINE("GET / HTTP/1.1x"), "400 bad-request"),
	ROW("H1-L08", LINE("GET / HTTP/ 1.1"), "400 bad-request"),
	ROW("H1-L08", LINE("GET / HTTP/01.1"), "400 bad-request"),
	ROW("H1-L08", LINE("GET / HTTP/1"), "400 bad-request"),
	ROW("H1-L09", LINE("G=\": / HTTP/1.1"), "400 bad-request"),
	ROW("H1-L09", LINE("G\0T / HTTP/1.1"), "400 bad-request"),
	ROW("H1-L09", LINE("G\xc3\xa9T / HTTP/1.1"), "400 bad-request"),
	ROW("H1-L09", LINE(" / HTTP/1.1"), "400 bad-request"),
	ROW("H1-L09", LINE("ABCDEFGHIJKLMNOPQRSTUVWXYZ-_0123 / HTTP/1.1"),
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_0123 / a none keep"),
	ROW("H1-L09", LINE("ABCDEFGHIJKLMNOPQRSTUVWXYZ-_01234 / HTTP/1.1"),
	    "501 method-unsupported"),
	ROW("H1-L10", LINE("get / HTTP/1.1"), "501 method-unsupported"),
	ROW("H1-L10", LINE("GeT / HTTP/1.1"), "501 method-unsupported"),
	ROW("H1-L10", LINE("GET! / HTTP/1.1"), "501 method-unsupported"),
	ROW("H1-L11", LINE("PROPFIND / HTTP/1.1"), "PROPFIND / a none keep"),
	ROW("H1-L11", "QUERY / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
	    "\r\n", "QUERY / a 3 keep"),
	ROW("H1-L11", LINE("FOO / HTTP/1.1"), "FOO / a none keep"),
	ROW("H1-L12", LINE("TRACE / HTTP/1.1"), "405 method-not-allowed"),
	ROW("H1-L12", LINE("TRACK / HTTP/1.1"), "405 method-not-allowed"),
	ROW("H1-L13", LINE("CONNECT a:1 HTTP/1.1"), "501 method-unsupported"),
	ROW("H1-L13", LINE("CONNECT / HTTP/1.0"), "501 method-unsupported"),
	ROW("H1-L13", LINE("CONNECT a:1 HTTP/2.0"), "501 method-unsupported"),
	ROW("H1-L14", LINE("OPTIONS * HTTP/1.1"), "OPTIONS * a none keep"),
	ROW("H1-L15", LINE("GET * HTTP/1.1"), "400 bad-request"),
	ROW("H1-L15", LINE("OPTIONS *?a HTTP/1.1"), "400 bad-request"),
	ROW("H1-L15", LINE("GET a:80 HTTP/1.1"), "400 bad-request"),
	ROW("H1-L15", LINE("GET foo HTTP/1.1"), "400 bad-request"),
	ROW("H1-L15", LINE("GET ?a HTTP/1.1"), "400 bad-request"),
	ROW("H1-L15", LINE("GET ftp://a/ HTTP/1.1"), "400 bad-request"),
	ROW("H1-L16", LINE("GET http://A:80/p?q HTTP/1.1"),
	    "GET /p?q A:80 none scheme=http keep"),
	ROW("H1-L16", LINE("GET HTTPS://a:443 HTTP/1.1"),
	    "GET / a:443 none scheme=HTTPS keep"),
	ROW("H1-L16", LINE("GET http://a?q HTTP/1.1"),
	    "GET /?q a none scheme=http keep"),
	ROW("H1-L16", "GET http://a/ HTTP/1.0\r\n\r\n",
	    "GET / a none scheme=http 1.0 close"),
	ROW("H1-L17", LINE("GET http://b/ HTTP/1.1"), "400 bad-host"),
	ROW("H1-L17", LINE("GET http://a:443/ HTTP/1.1"), "400 bad-host"),
	ROW("H1-L17", LINE("GET https://a:80/ HTTP/1.1"), "400 bad-host"),
	/* L18: the scheme is given to the caller. */
	ROW("H1-L18", LINE("GET https://a/ HTTP/1.1"),
	    "GET / a none scheme=https keep"),
	ROW("H1-L19", LINE("GET http://u:p@a/ HTTP/1.1"), "400 bad-host"),
	ROW("H1-L19", LINE("GET http:///x HTTP/1.1"), "400 bad-host"),
	ROW("H1-L19", LINE("GET http://?x HTTP/1.1"), "400 bad-host"),
	ROW("H1-L19", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
	    "400 bad-host: malformed Host header"),
	ROW("H1-L19", LINE("GET ws://a/ HTTP/1.1"), "400 bad-request"),
	ROW("H1-L20", LINE("GET /\0 HTTP/1.1"), "400 bad-path"),
	ROW("H1-L20", LINE("GET /\x1f HTTP/1.1"), "400 bad-path"),
	ROW("H1-L20", LINE("GET /\x7f HTTP/1.1"), "400 bad-path"),
	ROW("H1-L20", LINE("GET /\x80 HTTP/1.1"), "400 bad-path"),
	ROW("H1-L20", LINE("GET /a#b HTTP/1.1"), "400 bad-path"),
	ROW("H1-L20", LINE("GET /a?b#c HTTP/1.1"), "400 bad-request"),
	ROW("H1-L20", LINE("GET /?\xff HTTP/1.1"), "400 bad-request"),
	ROW("H1-L20", LINE("GET /?\x01 HTTP/1.1"), "400 bad-request"),
	ROW("H1-L20", LINE("GET /\" HTTP/1.1"), "400 bad-path"),
	ROW("H1-L20", LINE("GET /< HTTP/1.1"), "400 bad-path"),
	ROW("H1-L20", LINE("GET /> HTTP/1.1"), "400 bad-path"),
	ROW("H1-L20", LINE("GET /\\ HTTP/1.1"), "400 bad-path"),
	ROW("H1-L20", LINE("GET /[]|^{}?\"<>\\ HTTP/1.1"),
	    "GET /[]|^{}?\"<>\\ a none keep"),
	ROW("H1-L21", LINE("GET /% HTTP/1.1"), "400 bad-path"),
	ROW("H1-L21", LINE("GET /%2 HTTP/1.1"), "400 bad-path"),
	ROW("H1-L21", LINE("GET /%2? HTTP/1.1"), "400 bad-path"),
	ROW("H1-L21", LINE("GET /%zz HTTP/1.1"), "400 bad-path"),
	ROW("H1-L21", LINE("GET /%2f%C3?%zz% HTTP/1.1"),
	    "GET /%2f%C3?%zz% a none keep"),
	ROW("H1-L21", LINE("GET /a%00b HTTP/1.1"),
	    "GET /a%00b a none nul keep"),
	ROW("H1-L21", LINE("GET /a?%00b HTTP/1.1"), "GET /a?%00b a none keep"),
	ROW("H1-L23", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	    "505 version-unsupported: unsupported protocol version"),
	ROW("H1-L25", "\x16\x03\x01\x02\x00\x01", "400 plain-on-tls"),
	ROW("H1-L26", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
	    "400 bad-request"),
	ROW("H1-L26", "\r\n\r\n\0\r\nQUIT\n", "400 bad-request"),

	ROW("H1-H01", HEAD("X: a\r\n b\r\n"), "400 bad-request"),
	ROW("H1-H01", HEAD("X: a\r\n\tb\r\n"), "400 bad-request"),
	ROW("H1-H01", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400 bad-request"),
	ROW("H1-H02", HEAD("X-A : b\r\n"),
	    "400 bad-request: invalid header name"),
	ROW("H1-H02", HEAD("X-A\t: b\r\n"),
	    "400 bad-request: invalid header name"),
	ROW("H1-H03", HEAD("nonsense\r\n"), "400 bad-request"),
	ROW("H1-H03", HEAD("nonsense x\r\n"), "400 bad-request"),
	ROW("H1-H03", HEAD(": b\r\n"), "400 bad-request"),
	ROW("H1-H03", HEAD("X(A): b\r\n"), "400 bad-request"),
	ROW("H1-H03", HEAD("X\0A: b\r\n"), "400 bad-request"),
	ROW("H1-H03", HEAD("X\x7f: b\r\n"), "400 bad-request"),
	ROW("H1-H03", HEAD("X\x80: b\r\n"), "400 bad-request"),
	ROW("H1-H03", HEAD("X/A: b\r\n"), "400 bad-request"),
	ROW("H1-H03", HEAD("X\"A: b\r\n"), "400 bad-request"),
	ROW("H1-H03", HEAD("X A: b\r\n"), "400 bad-request"),
	ROW("H1-H03", HEAD("X@A: b\r\n"), "400 bad-request"),
	ROW("H1-H03", HEAD("X{A: b\r\n"), "400 bad-request"),
	ROW("H1-H04", HEAD("X: a\n"), "400 bad-request"),
	ROW("H1-H04", HEAD("X: a\rb\r\n"), "400 bad-request"),
	ROW("H1-H04", HEAD("X: a\r\r\n"), "400 bad-request"),
	ROW("H1-H04", "GET / HTTP/1.1\r\nHost: a\r\n\rX\r\n\r\n",
	    "400 bad-request"),
	ROW("H1-H04", "GET / HTTP/1.1\r\nHost: a\r\n\n", "400 bad-request"),
	ROW("H1-H05", HEAD("X: a\0b\r\n"), "400 bad-request"),
	ROW("H1-H05", HEAD("X: a\x01\r\n"), "400 bad-request"),
	ROW("H1-H05", HEAD("X: a\x7f\r\n"), "400 bad-request"),
	ROW("H1-H05", HEAD("X: a\vb, and more than sixteen bytes\r\n"),
	    "400 bad-request"),
	ROW("H1-H05", HEAD("X:\ta\tb \r\n"), "GET / a none keep|X: a\tb"),
	ROW("H1-H05", HEAD("X:\r\nY: \t \r\n"), "GET / a none keep|X: |Y: "),
	ROW("H1-H06", HEAD("X: \xc3\xa9\x85\r\n"),
	    "GET / a none keep|X: \xc3\xa9\x85"),
	ROW("H1-H06", HEAD("X: a\xa0\r\n"), "GET / a none keep|X: a\xa0"),
	ROW("H1-H06", "GET / HTTP/1.1\r\nHost: a\x80\r\n\r\n",
	    "400 bad-host: malformed Host header"),
	ROW("H1-H06", POST("Content-Length: 3\x85\r\n"), "400 bad-framing"),
	ROW("H1-H06", POST("Transfer-Encoding: chunked\xa0\r\n"),
	    "400 bad-framing"),
	ROW("H1-H06", HEAD("Connection: \x80\r\n"), "400 bad-request"),
	ROW("H1-H06", HEAD("Upgrade: \x80\r\n"), "400 bad-request"),
	ROW("H1-H06", HEAD("Expect: \x80\r\n"), "400 bad-framing"),
	ROW("H1-H06", HEAD("Forwarded: for=\x80\r\n"), "400 bad-request"),
	ROW("H1-H06", HEAD("X-Forwarded-For: \x80\r\n"), "400 bad-request"),
	ROW("H1-H07", "GET / HTTP/1.1\r\n\r\n",
	    "400 bad-host: missing required Host header"),
	ROW("H1-H07", "GET http://a/ HTTP/1.1\r\n\r\n",
	    "400 bad-host: missing required Host header"),
	ROW("H1-H08", "GET / HTTP/1.0\r\n\r\n", "GET / - none 1.0 close"),
	ROW("H1-H09", HEAD("Host: a\r\n"),
	    "400 bad-host: too many Host headers"),
	ROW("H1-H09", HEAD("Host: b\r\n"),
	    "400 bad-host: too many Host headers"),
	ROW("H1-H09", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
	    "400 bad-host: malformed Host header"),
	ROW("H1-H12", HEAD("X_A: b\r\n"), "GET / a none odd keep|X_A: b"),
	ROW("H1-H12", HEAD("X.A~: b\r\n"), "GET / a none odd keep|X.A~: b"),
	ROW("H1-H13", HEAD("Content_Length: 3\r\n"), "400 owned-header"),
	ROW("H1-H13", HEAD("transfer.encoding: x\r\n"), "400 owned-header"),
	ROW("H1-H13", HEAD("Keep_Alive: x\r\n"), "400 owned-header"),
	ROW("H1-H13", HEAD("X_Forwarded_For: 1\r\nX-A: b\r\n"),
	    "GET / a none odd aliases=1 keep|X-A: b"),
	ROW("H1-H13", HEAD("X.Auth.Request.User: 1\r\nX!FORWARDED-User: 2\r\n"
	    "Remote_User: 3\r\nX_Original_URL: 4\r\n"),
	    "GET / a none odd aliases=4 keep"),
	ROW("H1-H14", HEAD("Connection: close, Host\r\n"), "400 bad-framing"),
	ROW("H1-H14", HEAD("Connection: content-length\r\n"),
	    "400 bad-framing"),
	ROW("H1-H14", HEAD("Connection: x\r\nConnection: Transfer-Encoding\r\n"),
	    "400 bad-framing"),
	ROW("H1-H17", HEAD("Authorization: a\r\n"),
	    "GET / a none keep|Authorization: a"),
	ROW("H1-H17", HEAD("Authorization: a\r\nauthorization: a\r\n"),
	    "400 bad-request"),
	ROW("H1-H19", "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n",
	    "OPTIONS / a none forwards=0 keep|Max-Forwards: 0"),
	ROW("H1-H19", "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 5\r\n\r\n",
	    "OPTIONS / a none forwards=5 keep|Max-Forwards: 5"),
	ROW("H1-H19", "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: x\r\n\r\n",
	    "400 bad-request"),
	ROW("H1-H19", "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 1\r\n"
	    "Max-Forwards: 1\r\n\r\n", "400 bad-request"),
	ROW("H1-H19", HEAD("Max-Forwards: x\r\n"),
	    "GET / a none keep|Max-Forwards: x"),

	ROW("H1-F01", POST("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
	    "400 bad-framing"),
	ROW("H1-F01", POST("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
	    "400 bad-framing"),
	ROW("H1-F01", POST("Transfer-Encoding: x\r\nContent-Length: 0\r\n"),
	    "400 bad-framing"),
	ROW("H1-F02", POST("Content-Length: 3\r\nContent-Length: 3\r\n"),
	    "400 bad-framing"),
	ROW("H1-F02", POST("Content-Length: 3\r\nContent-Length: 4\r\n"),
	    "400 bad-framing"),
	ROW("H1-F02", POST("Content-Length: 5, 5\r\n"), "400 bad-framing"),
	ROW("H1-F03", POST("Content-Length:\r\n"), "400 bad-framing"),
	ROW("H1-F03", POST("Content-Length: +5\r\n"), "400 bad-framing"),
	ROW("H1-F03", POST("Content-Length: -0\r\n"), "400 bad-framing"),
	ROW("H1-F03", POST("Content-Length: 0x10\r\n"), "400 bad-framing"),
	ROW("H1-F03", POST("Content-Length: 1_0\r\n"), "400 bad-framing"),
	ROW("H1-F03", POST("Content-Length: 5.0\r\n"), "400 bad-framing"),
	ROW("H1-F03", POST("Content-Length: 5 5\r\n"), "400 bad-framing"),
	ROW("H1-F03", POST("Content-Length: \xef\xbc\x95\r\n"),
	    "400 bad-framing"),
	ROW("H1-F03", POST("Content-Length: 5\0\r\n"), "400 bad-request"),
	ROW("H1-F04", POST("Content-Length: 010\r\n"), "400 bad-framing"),
	ROW("H1-F04", POST("Content-Length: 00\r\n"), "400 bad-framing"),
	ROW("H1-F04", POST("Content-Length: 0\r\n"), "POST / a none keep"),
	ROW("H1-F04", POST("Content-Length: 999999999999999999\r\n"),
	    "POST / a 999999999999999999 keep"),
	ROW("H1-F04", POST("Content-Length: 1000000000000000000\r\n"),
	    "400 bad-framing"),
	/* F05: the length is known before the body. */
	ROW("H1-F05", POST("Content-Length: \t7 \r\n"), "POST / a 7 keep"),
	ROW("H1-F06", POST("Transfer-Encoding: \tChunKed \t\r\n"),
	    "POST / a chunked keep"),
	ROW("H1-F07", POST("Transfer-Encoding: chunked\r\n"
	    "Transfer-Encoding: chunked\r\n"), "400 bad-framing"),
	ROW("H1-F07", POST("Transfer-Encoding: chunked, chunked\r\n"),
	    "400 bad-framing"),
	ROW("H1-F07", POST("Transfer-Encoding: chunked, gzip\r\n"),
	    "400 bad-framing"),
	ROW("H1-F07", POST("Transfer-Encoding: , chunked\r\n"),
	    "400 bad-framing"),
	ROW("H1-F07", POST("Transfer-Encoding: chunked,\r\n"),
	    "400 bad-framing"),
	ROW("H1-F07", POST("Transfer-Encoding: chunked;q=1\r\n"),
	    "400 bad-framing"),
	ROW("H1-F07", POST("Transfer-Encoding: chunked;\r\n"),
	    "400 bad-framing"),
	ROW("H1-F07", POST("Transfer-Encoding: \"chunked\"\r\n"),
	    "400 bad-framing"),
	ROW("H1-F07", POST("Transfer-Encoding: x chunked\r\n"),
	    "400 bad-framing"),
	ROW("H1-F07", POST("Transfer-Encoding:\r\n"), "400 bad-framing"),
	ROW("H1-F07", POST("Transfer-Encoding: \vchunked\r\n"),
	    "400 bad-request"),
	ROW("H1-F07", POST("Transfer-Encoding: chunked\x85\r\n"),
	    "400 bad-framing"),
	ROW("H1-F08", POST("Transfer-Encoding: gzip, chunked\r\n"),
	    "501 transfer-coding"),
	ROW("H1-F08", POST("Transfer-Encoding: gzip;a=\"b\" , CHUNKED\r\n"),
	    "501 transfer-coding"),
	ROW("H1-F08", POST("Transfer-Encoding: identity\r\n"),
	    "501 transfer-coding"),
	ROW("H1-F08", POST("Transfer-Encoding: gzip\r\n"),
	    "501 transfer-coding"),
	ROW("H1-F09", OLD("Transfer-Encoding: chunked\r\n"),
	    "400 bad-framing"),
	ROW("H1-F10", POST(""), "POST / a none keep"),
	ROW("H1-F10", OLD(""), "POST / a none 1.0 close"),
	ROW("H1-F11", HEAD("Content-Length: 2\r\n"), "GET / a 2 keep"),
	ROW("H1-F11", "HEAD / HTTP/1.1\r\nHost: a\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n", "HEAD / a chunked keep"),
	ROW("H1-F11", "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
	    "DELETE / a 1 keep"),
	ROW("H1-F18", HEAD("Connection: foo, Close\r\n"),
	    "GET / a none close|Connection: foo, Close"),
	/* F19: the head ends where it ends. */
	ROW("H1-F19", HEAD("") "GET /2 HTTP/1.1\r\n", "GET / a none keep"),

	ROW("H1-C03", POST("Expect: 100-Continue\r\nContent-Length: 1\r\n"),
	    "POST / a 1 expect keep"),
	ROW("H1-C04", POST("Expect: something\r\nContent-Length: 1\r\n"),
	    "417 expectation-failed"),
	ROW("H1-C04", POST("Expect: 100-continue, x\r\nContent-Length: 1\r\n"),
	    "417 expectation-failed"),
	ROW("H1-C04", POST("Expect: 100-continue\r\nExpect: 100-continue\r\n"
	    "Content-Length: 1\r\n"), "417 expectation-failed"),
	ROW("H1-C05", HEAD("Expect: 100-continue\r\n"), "GET / a none keep"),
	ROW("H1-C05", OLD("Expect: 100-continue\r\nContent-Length: 1\r\n"),
	    "POST / a 1 1.0 close"),
	ROW("H1-C13", OLD("Connection: keep-alive\r\nContent-Length: 1\r\n"),
	    "POST / a 1 1.0 keep|Connection: keep-alive"),
	ROW("H1-C13", OLD("Connection: keep-alive, close\r\n"),
	    "POST / a none 1.0 close|Connection: keep-alive, close"),
};

/* ---- Running a row ------------------------------------------------------- */

struct outcome {
	char text[200];
	size_t used;
};

static void __attribute__((format(printf, 2, 3)))
append(struct outcome *o, const char *fmt, ...)
{
	size_t n = strlen(o->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(o->text + n, sizeof(o->text) - n, fmt, ap);
	va_end(ap);
}

static void
describe(struct outcome *o, const struct h1_request *q)
{
	o->text[0] = '\0';
	append(o, "%.*s %.*s%s%.*s %.*s ", STR_ARG(q->method),
	    STR_ARG(q->path), q->has_query ? "?" : "", STR_ARG(q->query),
	    STR_ARG(q->has_host ? q->host : STR("-")));
	if (q->framing == H1_LENGTH)
		append(o, "%llu", (unsigned long long)q->length);
	else
		append(o, "%s", q->framing == H1_CHUNKED ? "chunked" : "none");
	if (q->scheme.n != 0)
		append(o, " scheme=%.*s", STR_ARG(q->scheme));
	append(o, "%s%s", q->nul_escape ? " nul" : "",
	    q->odd_names ? " odd" : "");
	if (q->aliases != 0)
		append(o, " aliases=%u", q->aliases);
	if (q->max_forwards >= 0)
		append(o, " forwards=%d", q->max_forwards);
	append(o, "%s%s%s", q->expect_continue ? " expect" : "",
	    q->minor == 0 ? " 1.0" : "", q->keep_alive ? " keep" : " close");
	FIELDS_EACH(q->fields, f)
		append(o, "|%.*s: %.*s", STR_ARG(field_name(f)),
		    STR_ARG(field_value(f)));
}

/* Feeds raw[0..n) in pieces that end at `cut`, then every `step` bytes. */
static struct outcome
feed(const char *raw, size_t n, size_t cut, size_t step,
    const struct h1_limits *lim)
{
	static struct field store[FIELDS_MAX];
	struct fields fs = { store, 0, FIELDS_MAX };
	struct h1_scan scan = { 0 };
	struct h1_error err = { 0 };
	struct h1_request q;
	struct outcome o = { .text = "more" };
	int r = 0;

	for (size_t have = cut; r == 0; have = have + step < n ? have + step :
	    n) {
		char *copy = malloc(have + 1);

		memcpy(copy, raw, have);
		r = h1_scan(&scan, copy, have, lim, &err);
		if (r > 0) {
			o.used = (size_t)r;
			r = h1_parse_request(&q, &fs, copy, o.used, lim, &err);
			if (r == 0) {
				describe(&o, &q);
				r = 1;
			}
		}
		free(copy);
		if (have == n)
			break;
	}
	if (r < 0) {
		ck_assert_int_eq(r, -EBADMSG);
		snprintf(o.text, sizeof(o.text), "%u %s%s%s", err.status,
		    reason_word(err.reason), err.detail != NULL ? ": " : "",
		    err.detail != NULL ? err.detail : "");
		o.used = 0;
	}
	return o;
}

START_TEST(test_rows)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct outcome whole = feed(row->raw, row->n, row->n, 1,
		    &limits);
		const char *want = row->want;

		/* "505 version-unsupported" always has Go's detail. */
		if (strcmp(want, "505 version-unsupported") == 0)
			want = "505 version-unsupported: "
			    "unsupported protocol version";
		ck_assert_msg(strcmp(whole.text, want) == 0,
		    "%s (row %zu): got \"%s\", want \"%s\"", row->id, i,
		    whole.text, want);
		for (size_t cut = 1; cut < row->n; cut++) {
			struct outcome two = feed(row->raw, row->n, cut,
			    row->n, &limits);

			ck_assert_msg(strcmp(two.text, whole.text) == 0 &&
			    two.used == whole.used,
			    "%s (row %zu) cut at %zu: got \"%s\", want \"%s\"",
			    row->id, i, cut, two.text, whole.text);
		}
		struct outcome bytes = feed(row->raw, row->n, 1, 1, &limits);

		ck_assert_str_eq(bytes.text, whole.text);
		ck_assert_uint_eq(bytes.used, whole.used);
	}
}
END_TEST

START_TEST(test_hosts)	/* H1-H10 */
{
	static const char *const good[] = { "a", "a.b", "a.b.", "a:80",
	    "a.:8080", "A-b_c.d", "127.0.0.1:1", "[::1]", "[::1]:65535",
	    "[1:2:3:4:5:6:7:8]", "[::ffff:1.2.3.4]:443", "a~!$&'()*+;=b" };
	static const char *const bad[] = { "", " ", "a b", "a/b", "a?b", "a#b",
	    "a@b", "a\\b", "a%41", "a,b", "a..b", ".a", ".", "a..", "a:",
	    "a:0", "a:65536", "a:99999", "a:b", "a:8080x", "a:-1", "a:80:80",
	    ":80", "::1", "1:2:3", "[::1", "[]", "[:]", "[::1]x", "[::1]:",
	    "[fe80::1%25eth0]", "[fe80::1%eth0]", "a]", "[a]", "[1.2.3.4]",
	    "[1:2:3:4:5:6:7:8:9]", "a\x80", "a\x7f", "a\tb", "a\"b", "a<b" };
	char longest[256];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_msg(h1_check_host(str_c(good[i])) == 0, "%s",
		    good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(h1_check_host(str_c(bad[i])) < 0, "%s", bad[i]);
	ck_assert_int_lt(h1_check_host(STR("a\0b")), 0);
	ck_assert_int_lt(h1_check_host(STR("[::1\0]")), 0);
	memset(longest, 'a', sizeof(longest));
	ck_assert_int_eq(h1_check_host(str_n(longest, 255)), 0);
	ck_assert_int_lt(h1_check_host(str_n(longest, 256)), 0);
}
END_TEST

/* ---- Limits -------------------------------------------------------------- */

/* A request of which one part is padded to an exact size, result as text. */
static struct outcome
padded(const char *before, size_t n, const char *after, size_t step,
    const struct h1_limits *lim)
{
	size_t b = strlen(before), a = strlen(after);
	char *raw = malloc(b + n + a);
	struct outcome o;

	memcpy(raw, before, b);
	memset(raw + b, 'x', n);
	memcpy(raw + b + n, after, a);
	o = feed(raw, b + n + a, step < b + n + a ? step : b + n + a, step,
	    lim);
	free(raw);
	return o;
}

static void
expect(struct outcome o, const char *want)
{
	ck_assert_msg(strncmp(o.text, want, strlen(want)) == 0,
	    "got \"%.80s\", want \"%s\"", o.text, want);
}

START_TEST(test_limits)	/* H1-L22, H1-H11 */
{
	static const struct h1_limits lim = { 100, 300, 400, 3 };
	static const char line[] = "GET / HTTP/1.1\r\nHost: a\r\n";

	/* In every step size, as bytes trickle in or come at once. */
	for (size_t step = 1; step < 500; step += step < 20 ? 1 : 60) {
		/* "GET /" + n + " HTTP/1.1\r\n" is n + 16 bytes. */
		expect(padded("GET /", 83, " HTTP/1.1\r\nHost: a\r\n\r\n",
		    step, &lim), "GET /x");
		expect(padded("GET /", 84, " HTTP/1.1\r\nHost: a\r\n\r\n",
		    step, &lim), "GET /x");
		expect(padded("GET /", 85, " HTTP/1.1\r\nHost: a\r\n\r\n",
		    step, &lim), "414 uri-too-long");
		/* Nobody waits for the end of the line. */
		expect(padded("GET /", 100, "", step, &lim),
		    "414 uri-too-long");
		/* "X: " + n + "\r\n" is n + 5 bytes. */
		expect(padded("GET / HTTP/1.1\r\nHost: a\r\nX: ", 295,
		    "\r\n\r\n", step, &lim), "GET / a");
		expect(padded("GET / HTTP/1.1\r\nHost: a\r\nX: ", 296,
		    "\r\n\r\n", step, &lim), "431 head-too-large");
		expect(padded("GET / HTTP/1.1\r\nHost: a\r\nX: ", 300, "",
		    step, &lim), "431 head-too-large");
		/* The whole head: 16 + 9 + (n + 5) + (195 + 5) + 2. */
		expect(padded("GET / HTTP/1.1\r\nHost: a\r\nX: ", 168,
		    "\r\nY: " R50 R50 R50 "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
		    "yyyyyyyyy\r\n\r\n", step, &lim), "GET / a");
		expect(padded("GET / HTTP/1.1\r\nHost: a\r\nX: ", 169,
		    "\r\nY: " R50 R50 R50 "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
		    "yyyyyyyyy\r\n\r\n", step, &lim), "431 head-too-large");
		/* Three fields with Host. */
		expect(padded(line, 1, ": 1\r\ny: 2\r\n\r\n", step, &lim),
		    "GET / a");
		expect(padded(line, 1, ": 1\r\ny: 2\r\nz: 3\r\n\r\n", step,
		    &lim), "431 head-too-large");
	}
	expect(padded(line, 255, ": 1\r\n\r\n", 1000, &limits), "GET / a");
	expect(padded(line, 256, ": 1\r\n\r\n", 1000, &limits), "GET / a");
	expect(padded(line, 257, ": 1\r\n\r\n", 1000, &limits),
	    "431 head-too-large");
}
END_TEST

START_TEST(test_default_limits)	/* 0.4, at the very byte */
{
	static const char host[] = " HTTP/1.1\r\nHost: a\r\n\r\n";
	static char many[4096] = "GET / HTTP/1.1\r\nHost: a\r\n";
	size_t n = strlen(many);

	expect(padded("GET /", 16384 - 16, host, 70000, &limits), "GET /x");
	expect(padded("GET /", 16385 - 16, host, 70000, &limits),
	    "414 uri-too-long");
	expect(padded("GET / HTTP/1.1\r\nHost: a\r\nX: ", 32768 - 5,
	    "\r\n\r\n", 70000, &limits), "GET / a");
	expect(padded("GET / HTTP/1.1\r\nHost: a\r\nX: ", 32769 - 5,
	    "\r\n\r\n", 70000, &limits), "431 head-too-large");
	for (int i = 0; i < 127; i++)
		n += (size_t)sprintf(many + n, "X%d: 1\r\n", i);
	strcpy(many + n, "\r\n");
	expect(feed(many, n + 2, n + 2, 1, &limits), "GET / a");
	strcpy(many + n, "Y: 1\r\n\r\n");
	expect(feed(many, n + 8, n + 8, 1, &limits), "431 head-too-large");
}
END_TEST

START_TEST(test_early)
{
	/* What cannot become a request is told before the head is whole. */
	static const char *const early[] = { "GET /\r\n",
	    "get / HTTP/1.1\r\nHost", "GET / HTTP/1.1\n", " ", "\x16",
	    "GET / HTTP/1.3\r\n", "\r\n\r\n", "SSH-2.0-x\r\n" };

	for (size_t i = 0; i < ARRAY_SIZE(early); i++) {
		size_t n = strlen(early[i]);

		ck_assert_msg(strcmp(feed(early[i], n, n, 1, &limits).text,
		    "more") != 0, "%s", early[i]);
	}
	ck_assert_str_eq(feed("GET / HTTP/1.1\r\nHost: a\r\n", 25, 25, 1,
	    &limits).text, "more");
	ck_assert_str_eq(feed("\r\n", 2, 2, 1, &limits).text, "more");
}
END_TEST

START_TEST(test_error_body)
{
	static const struct {
		struct h1_error err;
		const char *body, *phrase;
	} cases[] = {
		{ { 400, REASON_BAD_REQUEST, NULL }, "400 Bad Request", "" },
		{ { 400, REASON_BAD_HOST, "missing required Host header" },
		  "400 Bad Request: missing required Host header",
		  "Bad Request: missing required Host header" },
		{ { 501, REASON_CODING, NULL }, "Unsupported transfer encoding",
		  "" },
		{ { 417, REASON_EXPECT, NULL }, "", "" },
		{ { 431, REASON_HEAD_TOO_LARGE, NULL },
		  "431 Request Header Fields Too Large", "" },
		{ { 505, REASON_VERSION, "unsupported protocol version" },
		  "505 HTTP Version Not Supported: unsupported protocol version",
		  "HTTP Version Not Supported: unsupported protocol version" },
	};
	char out[128];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_str_is(h1_error_body(&cases[i].err, out), cases[i].body);
		ck_str_is(h1_error_phrase(&cases[i].err, out),
		    cases[i].phrase);
	}
}
END_TEST

START_TEST(test_peek_host)
{
	static const char *const cases[][2] = {
		{ "GET / HTTP/1.1\r\nHost: a.test:80\r\nX: y", "a.test:80" },
		{ "GET / HTTP/1.1\r\nX: Host: b\r\nhOST:c\r\n", "c" },
		{ "GET / HTTP/1.1\r\nHost:  d \r\nHost: e\r\n", "d" },
		{ "GET / HTTP/1.1\r\nHost: cut", "" },
		{ "GET / HTTP/1.1\r\nHost:\r\n", "" },
		{ "GET / HTTP/1.1\r\nHost:\n\n", "" },
		{ "\n\n", "" }, { "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_str_is(h1_peek_host(str_c(cases[i][0])), cases[i][1]);
}
END_TEST

UNIT_MAIN("h1_request", test_rows, test_hosts, test_limits,
    test_default_limits, test_early, test_error_body,
    test_peek_host)
