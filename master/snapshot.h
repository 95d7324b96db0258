/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the Kubernetes API said last, in the state directory, for a start while
 * it cannot be reached. The file holds the changes (config/change.h) that would
 * say it all again, private keys of certificates included; so it is readable by
 * its owner alone, and believed only when that is this process or root. What is
 * damaged, of another layout or made with other settings is not used at all.
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include "buf.h"
#include "clock.h"

#include <stdint.h>

struct snapshot_info {
	uint64_t settings;	/* a hash: of what was watched, and where */
	nsec_t taken;		/* wall clock */
};

/*
 * Writes beside the file's place and asks the kernel to store it, without
 * waiting for that. 0 or -errno.
 */
int	snapshot_write(const char *dir, const struct snapshot_info *info,
	    struct str changes);
/* Some seconds later: puts what was written in its place. 0 or -errno. */
int	snapshot_finish(const char *dir);
/* Nobody is to find one any more. */
void	snapshot_remove(const char *dir);
/*
 * Reads and checks. 0; -ENOENT when there is none; else -errno with the reason
 * in why. info->settings is what it has to be; info->taken is set.
 */
int	snapshot_read(const char *dir, struct snapshot_info *info,
	    struct buf *ret_changes, char *why, size_t why_size);

#endif
