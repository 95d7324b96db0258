/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading a configuration; see load.h. */
#include "load.h"

#include "alloc.h"
#include "reader.h"
#include "validate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX	(64u << 20)
#define READ_PART	65536
#define ARENA_MAX	(1u << 30)
#define DIRS_DEEP	16

const char config_embedded[] =
#include "embedded.inc"
    ;

/* The whole file into out. 0 or -errno. */
static int
read_file(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && st.st_size > FILE_MAX)
		err = -EFBIG;
	out->max = FILE_MAX + READ_PART;
	while (err == 0) {
		size_t had = out->n;
		char *p = buf_space(out, READ_PART);

		if (p == NULL) {
			err = -EFBIG;
			break;
		}
		n = read(fd, p, READ_PART);
		out->n = had + (n > 0 ? (size_t)n : 0);
		if (n == 0)
			break;
		if (n < 0 && errno != EINTR)
			err = -errno;
	}
	close(fd);
	return err;
}

static int
unreadable(const char *path, int err, struct diags *d)
{
	diag_add(d, DIAG_FILE, (struct place){ path, 0, 0 }, NULL,
	    "cannot be read: %s", strerror(-err));
	return -EINVAL;
}

/* A Go template would be text to us: say so instead of misreading it. */
static bool
is_template(struct str text)
{
	ptrdiff_t at;

	while ((at = str_find(text, STR("{{"))) >= 0) {
		struct str rest = str_from(text, (size_t)at + 2);
		ptrdiff_t end = str_find(rest, STR("}}"));

		if (end >= 0 && str_chr(str_head(rest, (size_t)end),
		    '\n') < 0)
			return true;
		text = rest;
	}
	return false;
}

/* ---- The main file ------------------------------------------------------- */

int
config_load_text(const char *name, struct str text, struct config **ret,
    struct diags *d)
{
	struct config *c = xcalloc(1, sizeof(*c));
	struct arena a;
	unsigned before = d->count[DIAG_FILE];

	arena_init(&a, ARENA_MAX);
	(void)reader_read(&schema_root, &a, name, text, c, d);
	c->arena = a;		/* reading cleared the struct */
	check_static(c, d);
	check_dynamic(&c->dynamic, &c->arena, d);
	if (d->count[DIAG_FILE] > before) {
		config_free(c);
		return -EINVAL;
	}
	*ret = c;
	return 0;
}

int
config_load(const char *path, struct config **ret, struct diags *d)
{
	struct buf text = BUF_INIT;
	int r;

	if (path == NULL)
		return config_load_text("(embedded default)",
		    str_c(config_embedded), ret, d);
	r = read_file(path, &text);
	r = r < 0 ? unreadable(path, r, d) :
	    config_load_text(path, buf_str(&text), ret, d);
	buf_fini(&text);
	return r;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	arena_fini(&c->arena);
	free(c);
}

/* ---- Files of the file provider -------------------------------------------- */

#define APPEND(a, all, part) do {					\
	unsigned n_ = (all)->n + (part)->n;				\
	__typeof__((all)->v) v_ = arena_alloc((a), n_ * sizeof(*v_) + 1); \
	if (v_ == NULL)							\
		abort();						\
	if ((all)->n != 0)						\
		memcpy(v_, (all)->v, (all)->n * sizeof(*v_));		\
	if ((part)->n != 0)						\
		memcpy(v_ + (all)->n, (part)->v, (part)->n * sizeof(*v_)); \
	(all)->v = v_;							\
	(all)->n = n_;							\
} while (0)

static int
load_file(struct provided *p, const char *path, struct diags *d)
{
	struct buf text = BUF_INIT;
	struct dynamic dyn;
	char *name = arena_alloc(&p->arena, strlen(path) + 1);
	int r = read_file(path, &text);

	if (name == NULL)
		abort();
	strcpy(name, path);
	if (r < 0) {
		buf_fini(&text);
		return unreadable(name, r, d);
	}
	if (is_template(buf_str(&text)))
		diag_add(d, DIAG_WARNING, (struct place){ name, 0, 0 }, NULL,
		    "\"{{...}}\" is taken as it stands: Go templates are not "
		    "supported");
	r = reader_read(&schema_dynamic_file, &p->arena, name, buf_str(&text),
	    &dyn, d);
	buf_fini(&text);
	if (r < 0)
		return r;
	p->dynamic.http_present |= dyn.http_present;
	APPEND(&p->arena, &p->dynamic.routers, &dyn.routers);
	APPEND(&p->arena, &p->dynamic.services, &dyn.services);
	APPEND(&p->arena, &p->dynamic.middlewares, &dyn.middlewares);
	APPEND(&p->arena, &p->dynamic.transports, &dyn.transports);
	APPEND(&p->arena, &p->dynamic.certificates, &dyn.certificates);
	APPEND(&p->arena, &p->dynamic.tls_options, &dyn.tls_options);
	APPEND(&p->arena, &p->dynamic.tls_stores, &dyn.tls_stores);
	return 0;
}

static int
not_dot(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int
load_dir(struct provided *p, const char *dir, unsigned depth, struct diags *d)
{
	struct dirent **list;
	int n = scandir(dir, &list, not_dot, alphasort), r = 0;

	if (n < 0)
		return unreadable(dir, -errno, d);
	for (int i = 0; i < n; i++) {
		char *path = xasprintf("%s/%s", dir, list[i]->d_name);
		struct str name = str_c(list[i]->d_name);
		struct stat st;
		int one = 0;

		if (stat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
		    depth < DIRS_DEEP)
			one = load_dir(p, path, depth + 1, d);
		else if (str_has_suffix(name, STR(".yml")) ||
		    str_has_suffix(name, STR(".yaml")))
			one = load_file(p, path, d);
		else if (str_has_suffix(name, STR(".toml"))) {
			diag_add(d, DIAG_FILE, (struct place){ path, 0, 0 },
			    NULL, "TOML is not supported: write YAML");
			one = -EINVAL;
		}
		r = one < 0 ? one : r;
		free(path);
		free(list[i]);
	}
	free(list);
	return r;
}

int
provided_load(const struct file_provider *fp, struct provided **ret,
    struct diags *d)
{
	struct provided *p = xcalloc(1, sizeof(*p));
	int r;

	arena_init(&p->arena, ARENA_MAX);
	r = fp->directory != NULL ? load_dir(p, fp->directory, 0, d) :
	    load_file(p, fp->filename, d);
	/* Also of files beside a bad one: all is told in one go. */
	check_dynamic(&p->dynamic, &p->arena, d);
	if (r < 0) {
		provided_free(p);
		return r;
	}
	p->empty = !p->dynamic.http_present && p->dynamic.certificates.n == 0 &&
	    p->dynamic.tls_options.n == 0 && p->dynamic.tls_stores.n == 0;
	*ret = p;
	return 0;
}

void
provided_free(struct provided *p)
{
	if (p == NULL)
		return;
	arena_fini(&p->arena);
	free(p);
}
