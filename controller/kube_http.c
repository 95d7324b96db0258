/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests to the API server; see kube_http.h. */
#include "kube_http.h"

#include "alloc.h"
#include "buf.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEND_TIMEOUT	10L		/* seconds for one kube_http_send() */

struct kube_http {
	struct kube_server *server;
	CURLM *multi;
	struct curl_slist *resolve;	/* host:port:address */
	char *ca;			/* PEM of ca_file as read last */
	struct timespec ca_time;
};

/* The CA's file may change under us; what cannot be read leaves the last. */
static void
load_ca(struct kube_http *h)
{
	struct stat st;
	struct buf b = { .max = 1 << 20 };
	char part[2048];
	size_t n;
	FILE *fp;

	if (h->server->ca_file == NULL || stat(h->server->ca_file, &st) < 0 ||
	    (h->ca != NULL && st.st_mtim.tv_sec == h->ca_time.tv_sec &&
	    st.st_mtim.tv_nsec == h->ca_time.tv_nsec) ||
	    (fp = fopen(h->server->ca_file, "re")) == NULL)
		return;
	while ((n = fread(part, 1, sizeof(part), fp)) > 0)
		buf_put(&b, part, n);
	if (!ferror(fp) && !buf_failed(&b) && b.n > 0) {
		free(h->ca);
		h->ca = xstrndup(b.p, b.n);
		h->ca_time = st.st_mtim;
	}
	fclose(fp);
	buf_fini(&b);
}

static void
set_blob(CURL *easy, CURLoption option, const char *pem)
{
	struct curl_blob blob = { (void *)(size_t)pem, strlen(pem),
	    CURL_BLOB_COPY };

	curl_easy_setopt(easy, option, &blob);
}

static void
set_identity(struct kube_http *h, CURL *easy, struct curl_slist **headers)
{
	struct kube_server *s = h->server;
	const char *token = kube_server_token(s, clock_mono()), *ca;
	char *line;

	*headers = curl_slist_append(*headers, "Accept: application/json");
	if (token != NULL) {
		line = xasprintf("Authorization: Bearer %s", token);
		*headers = curl_slist_append(*headers, line);
		free(line);
	}
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers);
	load_ca(h);
	if ((ca = s->ca != NULL ? s->ca : h->ca) != NULL)
		set_blob(easy, CURLOPT_CAINFO_BLOB, ca);
	if (s->cert != NULL && s->key != NULL) {
		set_blob(easy, CURLOPT_SSLCERT_BLOB, s->cert);
		set_blob(easy, CURLOPT_SSLKEY_BLOB, s->key);
	}
	if (s->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static void
set_transport(const struct kube_http *h, CURL *e)
{
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "https,http");
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, 10L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, 15L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, 5L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(e, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(e, CURLOPT_USERAGENT, "akkod/" PACKAGE_VERSION
	    " (linux) kubernetes");
	curl_easy_setopt(e, CURLOPT_RESOLVE, h->resolve);
}

/*
 * libcurl would resolve on a thread, which this process may not start. An
 * address needs nothing; a name is looked up once, now.
 */
static int
resolve(struct kube_http *h, char why[KUBE_WHY])
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all;
	char *host = NULL, *port = NULL, addr[NI_MAXHOST], *line;
	CURLU *u = curl_url();
	int r = -EINVAL;

	if (u == NULL || curl_url_set(u, CURLUPART_URL, h->server->url, 0) ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) ||
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) {
		snprintf(why, KUBE_WHY, "endpoint \"%s\" is not a URL",
		    h->server->url);
	} else if (host[0] == '[' || getaddrinfo(host, port, &hints,
	    &all) != 0) {
		r = 0;		/* an address, or libcurl says what is wrong */
	} else {
		if (getnameinfo(all->ai_addr, all->ai_addrlen, addr,
		    sizeof(addr), NULL, 0, NI_NUMERICHOST) == 0) {
			line = xasprintf("%s:%s:%s", host, port, addr);
			h->resolve = curl_slist_append(NULL, line);
			free(line);
		}
		freeaddrinfo(all);
		r = 0;
	}
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return r;
}

struct kube_http *
kube_http_new(struct kube_server *server, char why[KUBE_WHY])
{
	struct kube_http *h = xcalloc(1, sizeof(*h));

	h->server = server;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 ||
	    (h->multi = curl_multi_init()) == NULL) {
		snprintf(why, KUBE_WHY, "libcurl cannot start");
		free(h);
		return NULL;
	}
	if (resolve(h, why) < 0) {
		kube_http_free(h);
		return NULL;
	}
	return h;
}

void
kube_http_free(struct kube_http *h)
{
	if (h == NULL)
		return;
	curl_multi_cleanup(h->multi);
	curl_slist_free_all(h->resolve);
	free(h->ca);
	free(h);
}

CURLM *
kube_http_multi(struct kube_http *h)
{
	return h->multi;
}

const char *
kube_http_url(const struct kube_http *h)
{
	return h->server->url;
}

void
kube_http_refused(struct kube_http *h)
{
	kube_server_token_refused(h->server);
}

CURL *
kube_http_request(struct kube_http *h, const char *url,
    struct curl_slist **headers)
{
	CURL *easy = curl_easy_init();

	if (easy == NULL)
		abort();
	curl_easy_setopt(easy, CURLOPT_URL, url);
	set_transport(h, easy);
	set_identity(h, easy, headers);
	return easy;
}

static size_t
drop_bytes(char *p, size_t size, size_t n, void *arg)
{
	(void)p;
	(void)arg;
	return size * n;
}

CURL *
kube_http_send(struct kube_http *h, const char *method, const char *url,
    const char *type, const char *body, struct curl_slist **headers,
    void *private)
{
	char *field = xasprintf("Content-Type: %s", type);
	CURL *easy;

	*headers = curl_slist_append(NULL, field);
	free(field);
	easy = kube_http_request(h, url, headers);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, SEND_TIMEOUT);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop_bytes);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, private);
	curl_multi_add_handle(h->multi, easy);
	return easy;
}

void
kube_http_end(struct kube_http *h, CURL *easy)
{
	curl_multi_remove_handle(h->multi, easy);
	curl_easy_cleanup(easy);
}
