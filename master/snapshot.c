/* SPDX-License-Identifier: BSD-2-Clause */
/* What Kubernetes said last; see snapshot.h. */
#include "snapshot.h"

#include "alloc.h"
#include "change.h"
#include "dir.h"
#include "hash.h"
#include "parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAGIC		0x31746f6873736b61u	/* "aksshot1" */
#define BYTES_MAX	(PARTS_BYTES_MAX + (16u << 20))

struct head {
	uint64_t magic;
	uint64_t layout;	/* change_fingerprint() and this struct */
	uint64_t settings;
	int64_t taken_ns;	/* wall clock */
	uint64_t bytes;		/* that follow */
	uint64_t checksum;	/* of the members above and of what follows */
};

static char *
path_of(const char *dir, bool unfinished)
{
	return xasprintf("%s/%skubernetes.snapshot", dir, unfinished ? "." :
	    "");
}

static uint64_t
checksum(const struct head *h, struct str changes)
{
	return hash_str(changes, hash_bytes(h, offsetof(struct head,
	    checksum), MAGIC));
}

/* ---- Writing ---------------------------------------------------------------- */

static int
write_all(int fd, struct str s)
{
	while (s.n > 0) {
		ssize_t done = write(fd, s.p, s.n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		s = str_from(s, (size_t)done);
	}
	return 0;
}

int
snapshot_write(const char *dir, const struct snapshot_info *info,
    struct str changes)
{
	struct head h = { .magic = MAGIC, .layout = change_fingerprint() +
	    sizeof(h), .settings = info->settings, .taken_ns = info->taken,
	    .bytes = changes.n };
	char *path = path_of(dir, true);
	int fd, r;

	(void)dir_make(dir);	/* opening tells */
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	r = fd < 0 ? -errno : 0;
	h.checksum = checksum(&h, changes);
	if (r == 0 && (r = write_all(fd, str_n(&h, sizeof(h)))) == 0)
		r = write_all(fd, changes);
	if (r == 0)
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	if (fd >= 0)
		(void)close(fd);
	if (r < 0 && fd >= 0)
		(void)unlink(path);
	free(path);
	return r;
}

/* Synced before it is renamed: never half a file (S-206). */
int
snapshot_finish(const char *dir)
{
	char *from = path_of(dir, true), *to = path_of(dir, false);
	int fd = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), r = 0;

	if (fd < 0 || fdatasync(fd) < 0 || rename(from, to) < 0)
		r = -errno;
	if (fd >= 0)
		(void)close(fd);
	free(from);
	free(to);
	return r;
}

void
snapshot_remove(const char *dir)
{
	for (int i = 0; i < 2; i++) {
		char *path = path_of(dir, i == 0);

		(void)unlink(path);
		free(path);
	}
}

/* ---- Reading ---------------------------------------------------------------- */

static int
complain(char *why, size_t why_size, const char *text)
{
	snprintf(why, why_size, "%s", text);
	return -EBADMSG;
}

/* Only this process and root may have written it. */
static int
check_file(int fd, size_t *ret_bytes, char *why, size_t n)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return complain(why, n, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return complain(why, n, "it is not a regular file");
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return complain(why, n, "somebody else owns it");
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return complain(why, n, "others may write it");
	if ((uint64_t)st.st_size < sizeof(struct head) ||
	    (uint64_t)st.st_size > BYTES_MAX)
		return complain(why, n, "it is damaged: its size cannot be");
	*ret_bytes = (size_t)st.st_size - sizeof(struct head);
	return 0;
}

static int
read_all(int fd, char *p, size_t n)
{
	while (n > 0) {
		ssize_t got = read(fd, p, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EBADMSG;
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

static int
check_head(const struct head *h, const struct snapshot_info *info,
    struct str changes, char *why, size_t n)
{
	if (h->magic != MAGIC)
		return complain(why, n, "it is no snapshot");
	if (h->layout != change_fingerprint() + sizeof(*h))
		return complain(why, n, "another version of akkod wrote it");
	if (h->bytes != changes.n || h->checksum != checksum(h, changes))
		return complain(why, n, "it is damaged");
	if (h->settings != info->settings)
		return complain(why, n, "it was made with other settings of "
		    "the Kubernetes providers");
	return 0;
}

int
snapshot_read(const char *dir, struct snapshot_info *info,
    struct buf *ret_changes, char *why, size_t why_size)
{
	char *path = path_of(dir, false), *to;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct head h;
	size_t n = 0;
	int r = fd < 0 ? -errno : 0;

	free(path);
	snprintf(why, why_size, "%s", strerror(-r));
	if (r == 0)
		r = check_file(fd, &n, why, why_size);
	if (r == 0 && (r = read_all(fd, (char *)&h, sizeof(h))) == 0 &&
	    n != 0) {
		to = buf_space(ret_changes, n);
		r = to == NULL ? -ENOMEM : read_all(fd, to, n);
	}
	if (fd >= 0)
		(void)close(fd);
	if (r == 0)
		r = check_head(&h, info, buf_str(ret_changes), why, why_size);
	if (r == 0)
		info->taken = h.taken_ns;
	if (r < 0)
		buf_reset(ret_changes);
	return r;
}
