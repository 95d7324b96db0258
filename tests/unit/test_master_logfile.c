/* SPDX-License-Identifier: BSD-2-Clause */
/* Log files of the master: opening, reopening, rotating, packing. */
#include "logfile.h"
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static char dir[] = "/tmp/akkod-log-XXXXXX";

static void
put(struct logfile *f, const char *text)
{
	ck_assert_int_eq(write(f->fd, text, strlen(text)),
	    (int)strlen(text));
}

/* Names in the folder that end so; the last one found in out. */
static unsigned
count(const char *folder, const char *suffix, char out[512])
{
	DIR *d = opendir(folder);
	struct dirent *e;
	unsigned n = 0;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL) {
		size_t have = strlen(e->d_name), want = strlen(suffix);

		if (e->d_name[0] == '.' || have < want ||
		    strcmp(e->d_name + have - want, suffix) != 0)
			continue;
		n++;
		snprintf(out, 512, "%s/%s", folder, e->d_name);
	}
	closedir(d);
	return n;
}

START_TEST(rotates_and_packs)
{
	struct logfile f = LOGFILE_INIT;
	struct loop *l = loop_new();
	char path[192], folder[128], found[512], err[256], text[64];
	nsec_t until = clock_mono() + 10 * NSEC_SEC;
	struct stat st;
	gzFile gz;
	int n;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(folder, sizeof(folder), "%s/a/b", dir);
	snprintf(path, sizeof(path), "%s/x.log", folder);
	ck_assert_int_eq(logfile_open(&f, l, path, err, sizeof(err)), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0664);
	f.max_bytes = 10;
	put(&f, "short\n");
	ck_assert(!logfile_check(&f));
	put(&f, "long enough\n");
	ck_assert(logfile_check(&f));
	put(&f, "new\n");
	ck_assert_uint_eq(count(folder, ".log", found), 2);
	/* Workers get a moment to take the new descriptor. */
	while (f.old_path != NULL && clock_mono() < until)
		loop_turn(l, until);
	ck_assert_uint_eq(count(folder, ".gz", found), 1);
	gz = gzopen(found, "rb");
	ck_assert_ptr_nonnull(gz);
	n = gzread(gz, text, sizeof(text) - 1);
	ck_assert_int_eq(n, 18);
	ck_assert(memcmp(text, "short\nlong enough\n", 18) == 0);
	gzclose(gz);
	ck_assert_uint_eq(count(folder, "x.log", found), 1);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 4);
	logfile_close(&f);
	loop_free(l);
}
END_TEST

START_TEST(reopens_what_was_moved)
{
	struct logfile f = LOGFILE_INIT;
	struct loop *l = loop_new();
	char path[128], moved[160], err[256];
	char folder[] = "/tmp/akkod-log-XXXXXX";
	struct stat st;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/x", folder);
	snprintf(moved, sizeof(moved), "%s/y", folder);
	ck_assert_int_eq(logfile_open(&f, l, path, err, sizeof(err)), 0);
	put(&f, "one\n");
	ck_assert_int_eq(rename(path, moved), 0);
	ck_assert_int_eq(logfile_reopen(&f, err, sizeof(err)), 0);
	put(&f, "three\n");
	ck_assert_int_eq(stat(moved, &st), 0);
	ck_assert_int_eq(st.st_size, 4);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 6);
	/* A path that cannot be opened leaves the old one in place. */
	ck_assert_int_lt(logfile_open(&f, l, "/proc/nowhere/x", err,
	    sizeof(err)), 0);
	ck_assert_msg(strstr(err, "/proc/nowhere/x") != NULL, "%s", err);
	put(&f, "more\n");
	logfile_close(&f);
	loop_free(l);
}
END_TEST

UNIT_MAIN("logfile", rotates_and_packs, reopens_what_was_moved)
