/* SPDX-License-Identifier: BSD-2-Clause */
/* Files and directories: the main file and the file provider. */
#include "load.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/akkod-load-XXXXXX";

static const char *
path(const char *name)
{
	static char p[2][256];
	static int turn;

	turn = !turn;
	snprintf(p[turn], sizeof(p[turn]), "%s/%s", dir, name);
	return p[turn];
}

static void
put(const char *name, const char *text)
{
	FILE *fp = fopen(path(name), "w");

	ck_assert_ptr_nonnull(fp);
	fputs(text, fp);
	fclose(fp);
}

static void
begin(void)
{
	strcpy(dir, "/tmp/akkod-load-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
end(void)
{
	char cmd[300];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static const char *
line(const struct diags *d, unsigned i)
{
	static struct buf out;

	ck_assert_uint_lt(i, d->n);
	buf_reset(&out);
	diag_format(&d->v[i], &out);
	return buf_cstr(&out);
}

/* What akkod serves without a file is without fault. */
START_TEST(embedded)
{
	struct diags d = { 0 };
	struct config *c;

	ck_assert_int_eq(config_load(NULL, &c, &d), 0);
	ck_assert_msg(d.n == 0, "%s", line(&d, 0));
	ck_assert_uint_eq(c->entry_points.n, 3);
	config_free(c);
	config_free(NULL);
}
END_TEST

START_TEST(main_file)
{
	struct diags d = { 0 };
	struct config *c;

	begin();
	ck_assert_int_eq(config_load(path("none.yml"), &c, &d), -EINVAL);
	ck_assert_ptr_nonnull(strstr(line(&d, 0),
	    "none.yml: error: cannot be read: No such file"));
	diags_fini(&d);
	ck_assert_int_eq(config_load(dir, &c, &d), -EINVAL);
	ck_assert_ptr_nonnull(strstr(line(&d, 0), "Is a directory"));
	diags_fini(&d);
	put("bad.yml", "log: [\n");
	ck_assert_int_eq(config_load(path("bad.yml"), &c, &d), -EINVAL);
	ck_assert_ptr_nonnull(strstr(line(&d, 0), "bad.yml:2:1: error: not"));
	diags_fini(&d);
	/* Larger than any configuration: told, and not read to the end. */
	ck_assert_int_eq(truncate(path("bad.yml"), INT64_C(1) << 30), 0);
	ck_assert_int_eq(config_load(path("bad.yml"), &c, &d), -EINVAL);
	ck_assert_ptr_nonnull(strstr(line(&d, 0), "File too large"));
	diags_fini(&d);
	put("empty.yml", "");
	ck_assert_int_eq(config_load(path("empty.yml"), &c, &d), 0);
	ck_assert_uint_eq(d.n, 0);
	config_free(c);
	end();
}
END_TEST

static struct provided *
provide(const char *file, const char *directory, int want, struct diags *d)
{
	struct file_provider fp = { .filename = (char *)(size_t)file,
	    .directory = (char *)(size_t)directory };
	struct provided *p = NULL;

	ck_assert_int_eq(provided_load(&fp, NULL, &p, d), want);
	ck_assert((p != NULL) == (want == 0));
	return p;
}

START_TEST(one_file)
{
	static const struct { const char *text; bool empty; } rows[] = {
		{ "", true }, { "# nothing\n", true }, { "x-a: 1\n", true },
		{ "tls: {}\n", true }, { "http: {}\n", false },
		{ "http:\n", false },
		{ "tls: {options: {default: {}}}\n", false },
		{ "http: {services: {s: {loadBalancer: {}}}}\n", false },
	};
	struct diags d = { 0 };
	struct provided *p;

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		put("f.yml", rows[i].text);
		p = provide(path("f.yml"), NULL, 0, &d);
		ck_assert_msg(p->empty == rows[i].empty, "row %zu", i);
		ck_assert_uint_eq(d.n, 0);
		provided_free(p);
	}
	put("f.yml", "entryPoints: {}\n");
	p = provide(path("f.yml"), NULL, 0, &d);
	ck_assert_ptr_nonnull(strstr(line(&d, 0), ":1:1: warning: unknown "
	    "key \"entryPoints\""));
	ck_assert(p->empty);
	provided_free(p);
	diags_fini(&d);
	put("f.yml", "http: {routers: {r: {rule: 'Host(`{{ env \"X\" }}`)', "
	    "service: s}}}\n");
	p = provide(path("f.yml"), NULL, 0, &d);
	ck_assert_ptr_nonnull(strstr(line(&d, 0), "warning: \"{{...}}\""));
	provided_free(p);
	diags_fini(&d);
	(void)provide(path("none.yml"), NULL, -EINVAL, &d);
	diags_fini(&d);
	provided_free(NULL);
	end();
}
END_TEST

START_TEST(directory)
{
	struct diags d = { 0 };
	struct provided *p;
	const struct router *r;

	begin();
	put("b.yaml", "http: {routers: {b: {rule: Path(`/b`), service: s}}}\n");
	put("a.yml", "http: {routers: {a: {rule: Path(`/a`), service: s}}, "
	    "services: {s: {loadBalancer: {}}}}\n");
	put("ignored.txt", "not: [yaml\n");
	put(".hidden.yml", "not: [yaml\n");
	ck_assert_int_eq(mkdir(path("sub"), 0755), 0);
	put("sub/c.yml", "http: {routers: {c: {rule: Path(`/c`), "
	    "service: s}}}\n");
	p = provide(NULL, dir, 0, &d);
	ck_assert_uint_eq(d.n, 0);
	r = p->dynamic.routers.v;
	ck_assert_uint_eq(p->dynamic.routers.n, 3);
	ck_assert_str_eq(r[0].o.name, "a");
	ck_assert_str_eq(r[1].o.name, "b");
	ck_assert_str_eq(r[2].o.name, "c");
	ck_assert_ptr_nonnull(strstr(r[2].o.place.file, "/sub/c.yml"));
	ck_assert_uint_eq(p->dynamic.services.n, 1);
	provided_free(p);
	/* One bad file refuses all, and all that is wrong is told. */
	put("sub/d.yml", "http: {router: {}}\n");
	put("e.yml", "http: {routers: {e: {rule: Nope, service: s}}}\n");
	(void)provide(NULL, dir, -EINVAL, &d);
	ck_assert_uint_eq(d.count[DIAG_FILE], 1);
	ck_assert_ptr_nonnull(strstr(line(&d, 0), "/sub/d.yml:1:8: error: "));
	ck_assert_uint_eq(d.count[DIAG_OBJECT], 1);
	diags_fini(&d);
	unlink(path("sub/d.yml"));
	put("f.toml", "[http]\n");
	(void)provide(NULL, dir, -EINVAL, &d);
	ck_assert_ptr_nonnull(strstr(line(&d, 0), "TOML is not supported"));
	diags_fini(&d);
	/* A directory that leads back to itself ends. */
	unlink(path("f.toml"));
	unlink(path("e.yml"));
	ck_assert_int_eq(symlink(dir, path("sub/loop")), 0);
	{
		struct file_provider fp = { .directory = dir };

		(void)provided_load(&fp, NULL, &p, &d);
		provided_free(p);
		diags_fini(&d);
	}
	end();
	(void)provide(NULL, dir, -EINVAL, &d);
	ck_assert_ptr_nonnull(strstr(line(&d, 0), "cannot be read"));
	diags_fini(&d);
}
END_TEST

/* Long ago, so that the file's times tell it apart. */
static void
age(const char *name)
{
	struct timespec old[2] = { { 1000, 0 }, { 1000, 0 } };

	ck_assert_int_eq(utimensat(AT_FDCWD, path(name), old, 0), 0);
}

static struct provided *
again(const struct provided *last, unsigned want_diags)
{
	struct file_provider fp = { .directory = dir };
	struct diags d = { 0 };
	struct provided *p;

	ck_assert_int_eq(provided_load(&fp, last, &p, &d), 0);
	ck_assert_uint_eq(d.n, want_diags);
	diags_fini(&d);
	return p;
}

START_TEST(unchanged_files)
{
	struct provided *p, *q;

	begin();
	put("a.yml", "http: {routers: {a: {rule: Path(`/a`), service: s}, "
	    "x: {rule: Nope, service: s}}}\n");
	put("b.yml", "http: {routers: {b: {rule: Path(`/b`), service: s}}}\n");
	age("a.yml");
	p = again(NULL, 1);
	put("b.yml", "http: {routers: {b: {rule: Path(`/c`), service: s}}}\n");
	q = again(p, 1);	/* what was wrong is told again */
	ck_assert_uint_eq(q->dynamic.routers.n, 3);
	ck_assert_ptr_eq(q->dynamic.routers.v[0].rule,
	    p->dynamic.routers.v[0].rule);
	/* As large as before and perhaps as old: too young to believe it. */
	ck_assert_str_eq(q->dynamic.routers.v[2].rule_text, "Path(`/c`)");
	provided_free(p);
	ck_assert_str_eq(q->dynamic.routers.v[0].rule_text, "Path(`/a`)");
	/* Replaced by one of the same size and time. */
	ck_assert_int_eq(unlink(path("a.yml")), 0);
	put("a.yml", "http: {routers: {a: {rule: Path(`/d`), service: s}, "
	    "x: {rule: Nope, service: s}}}\n");
	age("a.yml");
	p = again(q, 1);
	ck_assert_str_eq(p->dynamic.routers.v[0].rule_text, "Path(`/d`)");
	provided_free(q);
	ck_assert_int_eq(unlink(path("a.yml")), 0);
	q = again(p, 0);
	ck_assert_uint_eq(q->dynamic.routers.n, 1);
	provided_free(p);
	provided_free(q);
	end();
}
END_TEST

UNIT_MAIN("load", embedded, main_file, one_file, directory, unchanged_files)
