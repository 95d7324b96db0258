/* SPDX-License-Identifier: BSD-2-Clause */
/* The API server; see kube_server.h. */
#include "kube_server.h"

#include "alloc.h"
#include "buf.h"
#include "document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/evp.h>

#define POD_FILES	"/var/run/secrets/kubernetes.io/serviceaccount/"
#define FILE_MAX	(1 << 20)
#define TOKEN_AGE	(50 * NSEC_SEC)	/* a minute less some leeway */

/* ---- Files ---------------------------------------------------------------- */

/* The whole file as text; NULL with errno. */
static char *
read_file(const char *path)
{
	struct buf b = { .max = FILE_MAX };
	int fd = open(path, O_RDONLY | O_CLOEXEC), saved;
	char part[2048], *text = NULL;
	ssize_t n = -1;

	while (fd >= 0 && (n = read(fd, part, sizeof(part))) > 0)
		buf_put(&b, part, (size_t)n);
	saved = buf_failed(&b) ? EFBIG : errno;
	if (fd >= 0 && n == 0 && !buf_failed(&b))
		text = xstrndup(b.p != NULL ? b.p : "", b.n);
	if (fd >= 0)
		close(fd);
	buf_fini(&b);
	errno = saved;
	return text;
}

static int
complain(char why[KUBE_WHY], const char *what, const char *path)
{
	int err = errno != 0 ? -errno : -EINVAL;

	snprintf(why, KUBE_WHY, "%s \"%s\": %s", what, path, strerror(-err));
	return err;
}

/* ---- Tokens ----------------------------------------------------------------- */

static char *
trimmed(char *text)
{
	struct str s = str_trim(str_c(text));
	char *out;

	while (s.n > 0 && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
		s = str_trim(str_head(s, s.n - 1));
	out = xstrndup(s.p != NULL ? s.p : "", s.n);
	free(text);
	return out;
}

static void
read_token(struct kube_server *s, nsec_t now)
{
	char *text = read_file(s->token_file);

	if (text == NULL)
		return;
	text = trimmed(text);
	if (text[0] == '\0') {
		free(text);
		return;
	}
	free(s->token);
	s->token = text;
	s->token_read = now;
}

const char *
kube_server_token(struct kube_server *s, nsec_t now)
{
	if (s->token_file != NULL && (s->token_read == 0 ||
	    now - s->token_read >= TOKEN_AGE))
		read_token(s, now);
	return s->token;
}

void
kube_server_token_refused(struct kube_server *s)
{
	s->token_read = 0;
}

/* ---- Inside a pod ------------------------------------------------------------- */

static int
in_cluster(struct kube_server *s, const struct kube_provider *p,
    const char *host, const char *port, char why[KUBE_WHY])
{
	if (p->endpoint != NULL && p->endpoint[0] != '\0')
		s->url = xstrdup(p->endpoint);
	else
		s->url = xasprintf(strchr(host, ':') != NULL ?
		    "https://[%s]:%s" : "https://%s:%s", host, port);
	s->token_file = xstrdup(POD_FILES "token");
	if (kube_server_token(s, clock_mono()) == NULL)
		return complain(why, "token", s->token_file);
	/* Without it the system's roots have to do. */
	if (access(POD_FILES "ca.crt", R_OK) == 0)
		s->ca_file = xstrdup(POD_FILES "ca.crt");
	return 0;
}

/* ---- A kubeconfig ------------------------------------------------------------- */

struct kubeconfig {
	yaml_document_t doc;
	const char *path;
	char *dir;
	char *why;
};

static yaml_node_t *
member(struct kubeconfig *k, yaml_node_t *map, const char *name)
{
	if (map == NULL || map->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start;
	    p < map->data.mapping.pairs.top; p++) {
		yaml_node_t *key = yaml_document_get_node(&k->doc, p->key);

		if (key != NULL && key->type == YAML_SCALAR_NODE &&
		    strcmp((char *)key->data.scalar.value, name) == 0)
			return yaml_document_get_node(&k->doc, p->value);
	}
	return NULL;
}

/* A text of the map, owned by the document; NULL when absent or empty. */
static const char *
text(struct kubeconfig *k, yaml_node_t *map, const char *name)
{
	yaml_node_t *n = member(k, map, name);

	return n != NULL && n->type == YAML_SCALAR_NODE &&
	    n->data.scalar.length != 0 ? (char *)n->data.scalar.value : NULL;
}

/* The `what` of the entry with that name in a list of the root. */
static yaml_node_t *
named(struct kubeconfig *k, const char *list, const char *name,
    const char *what)
{
	yaml_node_t *v = member(k, yaml_document_get_root_node(&k->doc), list);

	if (v == NULL || v->type != YAML_SEQUENCE_NODE || name == NULL)
		return NULL;
	for (yaml_node_item_t *i = v->data.sequence.items.start;
	    i < v->data.sequence.items.top; i++) {
		yaml_node_t *entry = yaml_document_get_node(&k->doc, *i);
		const char *have = text(k, entry, "name");

		if (have != NULL && strcmp(have, name) == 0)
			return member(k, entry, what);
	}
	return NULL;
}

static char *
beside(const struct kubeconfig *k, const char *path)
{
	return path[0] == '/' ? xstrdup(path) : xasprintf("%s/%s", k->dir,
	    path);
}

static char *
from_base64(const char *s)
{
	size_t n = strlen(s);
	unsigned char *out = xmalloc(n / 4 * 3 + 4);
	int len = n % 4 == 0 ? EVP_DecodeBlock(out, (const unsigned char *)s,
	    (int)n) : -1;

	if (len < 0) {
		free(out);
		return NULL;
	}
	while (n > 0 && s[--n] == '=')
		len--;
	out[len] = '\0';
	return (char *)out;
}

/* Text under NAME-data in base64, or in the file under NAME. 0 or -errno. */
static int
material(struct kubeconfig *k, yaml_node_t *map, const char *name, char **ret)
{
	char *data = xasprintf("%s-data", name), *path;
	const char *inline_text = text(k, map, data), *file = text(k, map,
	    name);
	int r = 0;

	if (inline_text != NULL) {
		if ((*ret = from_base64(inline_text)) == NULL) {
			snprintf(k->why, KUBE_WHY, "kubeconfig \"%s\": %s is "
			    "not base64", k->path, data);
			r = -EINVAL;
		}
	} else if (file != NULL) {
		path = beside(k, file);
		if ((*ret = read_file(path)) == NULL)
			r = complain(k->why, name, path);
		free(path);
	}
	free(data);
	return r;
}

static int
take_user(struct kube_server *s, struct kubeconfig *k, yaml_node_t *user)
{
	const char *token = text(k, user, "token"),
	    *file = text(k, user, "tokenFile");
	int r;

	if (member(k, user, "exec") != NULL ||
	    member(k, user, "auth-provider") != NULL) {
		snprintf(k->why, KUBE_WHY, "kubeconfig \"%s\": the user needs "
		    "another program, which akkod does not run; write token, "
		    "tokenFile or client-certificate", k->path);
		return -ENOTSUP;
	}
	if (file != NULL)
		s->token_file = beside(k, file);
	else if (token != NULL)
		s->token = xstrdup(token);
	if ((r = material(k, user, "client-certificate", &s->cert)) < 0)
		return r;
	return material(k, user, "client-key", &s->key);
}

static int
take_context(struct kube_server *s, struct kubeconfig *k)
{
	yaml_node_t *root = yaml_document_get_root_node(&k->doc);
	const char *current = text(k, root, "current-context"), *url, *skip;
	yaml_node_t *context = named(k, "contexts", current, "context");
	yaml_node_t *cluster = named(k, "clusters", text(k, context,
	    "cluster"), "cluster");
	int r;

	if ((url = text(k, cluster, "server")) == NULL) {
		snprintf(k->why, KUBE_WHY, "kubeconfig \"%s\": current-context "
		    "\"%s\" leads to no cluster with a server", k->path,
		    current != NULL ? current : "");
		return -EINVAL;
	}
	s->url = xstrdup(url);
	skip = text(k, cluster, "insecure-skip-tls-verify");
	s->insecure = skip != NULL && strcmp(skip, "true") == 0;
	if ((r = material(k, cluster, "certificate-authority", &s->ca)) < 0)
		return r;
	return take_user(s, k, named(k, "users", text(k, context, "user"),
	    "user"));
}

static int
from_kubeconfig(struct kube_server *s, const char *path, char why[KUBE_WHY])
{
	struct kubeconfig k = { .path = path, .why = why };
	struct document_problem problem;
	char *content = read_file(path), *slash;
	yaml_parser_t parser;
	int r = -EINVAL;

	if (content == NULL)
		return complain(why, "kubeconfig", path);
	k.dir = xstrdup(path);
	if ((slash = strrchr(k.dir, '/')) != NULL)
		*slash = '\0';
	else
		strcpy(k.dir, ".");
	yaml_parser_initialize(&parser);
	yaml_parser_set_input_string(&parser, (unsigned char *)content,
	    strlen(content));
	if (document_read(&parser, &k.doc, &problem) == DOCUMENT_OK) {
		r = take_context(s, &k);
		yaml_document_delete(&k.doc);
	} else
		snprintf(why, KUBE_WHY, "kubeconfig \"%s\": not YAML", path);
	yaml_parser_delete(&parser);
	free(content);
	free(k.dir);
	return r;
}

/* ---- As configured ------------------------------------------------------------- */

static int
external(struct kube_server *s, const struct kube_provider *p,
    char why[KUBE_WHY])
{
	if (p->endpoint == NULL || p->endpoint[0] == '\0') {
		snprintf(why, KUBE_WHY, "not in a pod, KUBECONFIG is not set, "
		    "and the provider has no endpoint");
		return -EINVAL;
	}
	s->url = xstrdup(p->endpoint);
	if (p->token != NULL && p->token[0] != '\0') {
		/* "File or content": read once (1.1). */
		char *content = read_file(p->token);

		s->token = content != NULL ? trimmed(content) :
		    xstrdup(p->token);
	}
	if (p->ca_file != NULL && p->ca_file[0] != '\0' &&
	    (s->ca = read_file(p->ca_file)) == NULL)
		return complain(why, "certAuthFilePath", p->ca_file);
	return 0;
}

int
kube_server_find(struct kube_server *s, const struct kube_provider *p,
    char why[KUBE_WHY])
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"),
	    *port = getenv("KUBERNETES_SERVICE_PORT"),
	    *file = getenv("KUBECONFIG");
	size_t n;
	int r;

	*s = (struct kube_server){ .url = NULL };
	why[0] = '\0';
	if (host != NULL && host[0] != '\0' && port != NULL && port[0] != '\0')
		r = in_cluster(s, p, host, port, why);
	else if (file != NULL && file[0] != '\0')
		r = from_kubeconfig(s, file, why);
	else
		r = external(s, p, why);
	if (r < 0) {
		kube_server_fini(s);
		return r;
	}
	for (n = strlen(s->url); n > 0 && s->url[n - 1] == '/'; n--)
		s->url[n - 1] = '\0';
	return 0;
}

void
kube_server_fini(struct kube_server *s)
{
	char **all[] = { &s->url, &s->ca_file, &s->ca, &s->token_file,
	    &s->token, &s->cert, &s->key };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		free(*all[i]);
		*all[i] = NULL;
	}
}
