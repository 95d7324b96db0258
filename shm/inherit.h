/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a child inherits. Children are forked and re-executed, so that the
 * master's memory, layout and stack cookie are not theirs (security 4.1); of
 * its descriptors they get exactly these, at fixed numbers.
 */
#ifndef INHERIT_H
#define INHERIT_H

enum inherit_fd {
	INHERIT_CONTROL = 3,	/* messages with the master (msg.h) */
	INHERIT_LIVE,		/* live state (live.h) */
	INHERIT_LOG,		/* general log, for writing */
	INHERIT_END
};

/*
 * In the forked child: puts the descriptors at their places, closes all others
 * at exec, cleans environment and umask, and executes this program again as
 * "akkod ROLE ID". Returns only on failure: -errno.
 */
int	inherit_exec(const char *role, unsigned id, int control, int live,
	    int log);
/* In the new program: are all of them open? 0 or -EBADF. */
int	inherit_check(void);

#endif
