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

static struct config *
inspect_text(const char *name, struct str text, struct diags *d)
{
	struct config *c = xcalloc(1, sizeof(*c));
	struct arena a;

	arena_init(&a, ARENA_MAX);
	(void)reader_read(&schema_root, &a, name, text, c, d);
	c->arena = a;		/* reading cleared the struct */
	check_static(c, d);
	check_dynamic(&c->dynamic, &c->arena, d);
	return c;
}

int
config_inspect(const char *path, struct config **ret, struct diags *d)
{
	struct buf text = BUF_INIT;
	int r;

	if (path == NULL) {
		*ret = inspect_text("(embedded default)",
		    str_c(config_embedded), d);
		return 0;
	}
	if ((r = read_file(path, &text)) < 0)
		r = unreadable(path, r, d);
	else
		*ret = inspect_text(path, buf_str(&text), d);
	buf_fini(&text);
	return r;
}

/* What has errors is not to be used. */
static int
refuse_faulty(struct config *c, unsigned before, struct config **ret,
    const struct diags *d)
{
	if (d->count[DIAG_FILE] > before) {
		config_free(c);
		return -EINVAL;
	}
	*ret = c;
	return 0;
}

int
config_load_text(const char *name, struct str text, struct config **ret,
    struct diags *d)
{
	unsigned before = d->count[DIAG_FILE];

	return refuse_faulty(inspect_text(name, text, d), before, ret, d);
}

int
config_load(const char *path, struct config **ret, struct diags *d)
{
	unsigned before = d->count[DIAG_FILE];
	struct config *c;
	int r = config_inspect(path, &c, d);

	return r < 0 ? r : refuse_faulty(c, before, ret, d);
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

/*
 * One file as it was read. It is used again while it stays the same, so that a
 * change costs what changed, not all that stands beside it.
 */
struct provided_file {
	unsigned refs;
	char *path;
	struct stat st;
	bool settled;		/* it was old enough for its times to tell */
	struct arena arena;
	struct dynamic dynamic;
	struct diags found;	/* told again each time */
	unsigned nread;		/* of them from reading, the others from checks */
};

/* Two writes within this may leave a file the same times. */
#define SETTLED_SECONDS	2

static void
file_unref(struct provided_file *f)
{
	if (--f->refs > 0)
		return;
	diags_fini(&f->found);
	arena_fini(&f->arena);
	free(f->path);
	free(f);
}

static bool
same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* The file among those of the last time, if it is the same still. */
static struct provided_file *
file_unchanged(const struct provided *last, unsigned at, const char *path,
    const struct stat *st)
{
	for (unsigned i = 0; last != NULL && i < last->nfiles; i++) {
		/* Usually at the same place. */
		struct provided_file *f = last->files[(at + i) % last->nfiles];

		if (strcmp(f->path, path) != 0)
			continue;
		return f->settled && f->st.st_dev == st->st_dev &&
		    f->st.st_ino == st->st_ino &&
		    f->st.st_size == st->st_size &&
		    same_time(f->st.st_mtim, st->st_mtim) &&
		    same_time(f->st.st_ctim, st->st_ctim) ? f : NULL;
	}
	return NULL;
}

static int
file_parse(struct provided_file *f, struct diags *d)
{
	struct buf text = BUF_INIT;
	int r = read_file(f->path, &text);

	if (r < 0) {
		buf_fini(&text);
		return unreadable(f->path, r, d);
	}
	if (is_template(buf_str(&text)))
		diag_add(&f->found, DIAG_WARNING, (struct place){ f->path, 0,
		    0 }, NULL, "\"{{...}}\" is taken as it stands: Go "
		    "templates are not supported");
	r = reader_read(&schema_dynamic_file, &f->arena, f->path,
	    buf_str(&text), &f->dynamic, &f->found);
	buf_fini(&text);
	f->nread = f->found.n;
	if (r == 0)
		check_dynamic(&f->dynamic, &f->arena, &f->found);
	return r;
}

static void
tell(const struct provided_file *f, unsigned from, unsigned to, struct diags *d)
{
	for (unsigned i = from; i < to; i++) {
		const struct diag *v = &f->found.v[i];

		diag_add(d, v->class, v->place, v->object, "%s", v->text);
	}
}

static int
load_file(struct provided *p, const struct provided *last, const char *path,
    struct diags *d)
{
	struct provided_file *f = NULL;
	struct stat st;
	int r = 0;

	if (stat(path, &st) < 0)
		return unreadable(path, -errno, d);
	if ((f = file_unchanged(last, p->nfiles, path, &st)) != NULL)
		f->refs++;
	else {
		f = xcalloc(1, sizeof(*f));
		f->refs = 1;
		f->path = xstrdup(path);
		f->st = st;
		f->settled = st.st_mtim.tv_sec + SETTLED_SECONDS <
		    clock_wall() / NSEC_SEC;
		arena_init(&f->arena, ARENA_MAX);
		r = file_parse(f, d);
	}
	tell(f, 0, f->nread, d);
	if (r < 0) {
		file_unref(f);
		return r;
	}
	p->files = xreallocarray(p->files, p->nfiles + 1, sizeof(*p->files));
	p->files[p->nfiles++] = f;
	return 0;
}

/* Appends one kind of objects of all files. */
#define GATHER(p, kind) do {						\
	unsigned n_ = 0;						\
	for (unsigned i_ = 0; i_ < (p)->nfiles; i_++)			\
		n_ += (p)->files[i_]->dynamic.kind.n;			\
	(p)->dynamic.kind.v = arena_alloc(&(p)->arena,			\
	    n_ * sizeof(*(p)->dynamic.kind.v) + 1);			\
	if ((p)->dynamic.kind.v == NULL)				\
		abort();						\
	for (unsigned i_ = 0; i_ < (p)->nfiles; i_++) {			\
		const struct dynamic *d_ = &(p)->files[i_]->dynamic;	\
		if (d_->kind.n != 0)					\
			memcpy((p)->dynamic.kind.v + (p)->dynamic.kind.n, \
			    d_->kind.v, d_->kind.n * sizeof(*d_->kind.v)); \
		(p)->dynamic.kind.n += d_->kind.n;			\
	}								\
} while (0)

static void
gather(struct provided *p)
{
	GATHER(p, routers);
	GATHER(p, services);
	GATHER(p, middlewares);
	GATHER(p, transports);
	GATHER(p, certificates);
	GATHER(p, tls_options);
	GATHER(p, tls_stores);
	for (unsigned i = 0; i < p->nfiles; i++)
		p->dynamic.http_present |= p->files[i]->dynamic.http_present;
}

static int
not_dot(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int
load_dir(struct provided *p, const struct provided *last, const char *dir,
    unsigned depth, struct diags *d)
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
			one = load_dir(p, last, path, depth + 1, d);
		else if (str_has_suffix(name, STR(".yml")) ||
		    str_has_suffix(name, STR(".yaml")))
			one = load_file(p, last, path, d);
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
provided_load(const struct file_provider *fp, const struct provided *last,
    struct provided **ret, struct diags *d)
{
	struct provided *p = xcalloc(1, sizeof(*p));
	int r;

	arena_init(&p->arena, ARENA_MAX);
	r = fp->directory != NULL ? load_dir(p, last, fp->directory, 0, d) :
	    load_file(p, last, fp->filename, d);
	/* Also of files beside a bad one: all is told in one go. */
	for (unsigned i = 0; i < p->nfiles; i++)
		tell(p->files[i], p->files[i]->nread, p->files[i]->found.n, d);
	if (r < 0) {
		provided_free(p);
		return r;
	}
	gather(p);
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
	for (unsigned i = 0; i < p->nfiles; i++)
		file_unref(p->files[i]);
	free(p->files);
	arena_fini(&p->arena);
	free(p);
}
