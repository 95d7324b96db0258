/* SPDX-License-Identifier: BSD-2-Clause */
/* What Kubernetes said last: believed whole, from its owner, or not at all. */
#include "snapshot.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/akkod-snapshot-XXXXXX";
static char path[64];
static char why[160];
static struct buf changes;

static void
setup_dir(void)
{
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/kubernetes.snapshot", dir);
}

static void
remove_dir(void)
{
	snapshot_remove(dir);
	ck_assert_int_eq(rmdir(dir), 0);
	buf_fini(&changes);
}

static void
write_one(const char *text)
{
	struct snapshot_info info = { 7, 1000 };

	ck_assert_int_eq(snapshot_write(dir, &info, str_c(text)), 0);
	ck_assert_int_eq(snapshot_finish(dir), 0);
}

static int
read_one(uint64_t settings)
{
	struct snapshot_info info = { settings, 0 };
	int r;

	buf_reset(&changes);
	why[0] = '\0';
	r = snapshot_read(dir, &info, &changes, why, sizeof(why));
	if (r == 0)
		ck_assert_int_eq(info.taken, 1000);
	else
		ck_assert_uint_eq(changes.n, 0);
	return r;
}

START_TEST(there_and_back)
{
	struct stat st;

	setup_dir();
	ck_assert_int_eq(read_one(7), -ENOENT);
	write_one("some changes");
	ck_assert_int_eq(read_one(7), 0);
	ck_str_is(buf_str(&changes), "some changes");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	write_one("");
	ck_assert_int_eq(read_one(7), 0);
	ck_assert_uint_eq(changes.n, 0);
	/* What was not finished is not found. */
	snapshot_remove(dir);
	ck_assert_int_eq(snapshot_write(dir, &(struct snapshot_info){ 7, 1 },
	    STR("x")), 0);
	ck_assert_int_eq(read_one(7), -ENOENT);
	remove_dir();
}
END_TEST

START_TEST(other_settings)
{
	setup_dir();
	write_one("some changes");
	ck_assert_int_lt(read_one(8), 0);
	ck_assert_ptr_nonnull(strstr(why, "other settings"));
	remove_dir();
}
END_TEST

static void
change_byte(off_t at)
{
	int fd = open(path, O_RDWR);
	char c;

	ck_assert_int_eq(pread(fd, &c, 1, at), 1);
	c ^= 1;
	ck_assert_int_eq(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

START_TEST(every_byte_counts)
{
	struct stat st;

	setup_dir();
	write_one("some changes");
	ck_assert_int_eq(stat(path, &st), 0);
	for (off_t at = 0; at < st.st_size; at++) {
		change_byte(at);
		ck_assert_int_lt(read_one(7), 0);
		ck_assert_int_ne(why[0], '\0');
		change_byte(at);
	}
	ck_assert_int_eq(read_one(7), 0);
	for (off_t n = st.st_size - 1; n >= 0; n--) {
		ck_assert_int_eq(truncate(path, n), 0);
		ck_assert_int_lt(read_one(7), 0);
	}
	remove_dir();
}
END_TEST

START_TEST(of_strangers)
{
	char other[80];

	setup_dir();
	write_one("some changes");
	ck_assert_int_eq(chmod(path, 0620), 0);
	ck_assert_int_lt(read_one(7), 0);
	ck_assert_ptr_nonnull(strstr(why, "others may write"));
	ck_assert_int_eq(chmod(path, 0640), 0);
	ck_assert_int_eq(read_one(7), 0);
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(path, 12345, 0), 0);
		ck_assert_int_lt(read_one(7), 0);
		ck_assert_ptr_nonnull(strstr(why, "somebody else"));
	}
	/* A link, and what is no file. */
	snprintf(other, sizeof(other), "%s/other", dir);
	ck_assert_int_eq(rename(path, other), 0);
	ck_assert_int_eq(symlink(other, path), 0);
	ck_assert_int_lt(read_one(7), 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(unlink(other), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_lt(read_one(7), 0);
	ck_assert_ptr_nonnull(strstr(why, "regular"));
	remove_dir();
}
END_TEST

UNIT_MAIN("snapshot", there_and_back, other_settings, every_byte_counts,
    of_strangers)
