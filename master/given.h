/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listening sockets that a service manager made and passes on (sd_listen_fds(3):
 * LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES). The manager keeps them while akkod
 * is stopped, so clients wait instead of being refused.
 *
 * One belongs to the entry point of its name, else to the one of its address.
 * They are kept for the life of the master and handed over to the next one: an
 * entry point that is removed may come back, and could not bind its address,
 * which the manager has.
 */
#ifndef GIVEN_H
#define GIVEN_H

#include "addr.h"

struct listener;

struct given {
	int fd;
	char *name;
	struct addr addr;
	uint16_t port;
	const struct listener *user;	/* the entry point that has it; NULL */
	struct given *next;
};

/*
 * Takes those of the environment, which forgets them: no child is to find
 * them there. What is no listening TCP socket is named in the log and closed.
 */
struct given *given_from_environment(void);
/*
 * One more; takes the descriptor over. The same socket again, which another
 * master was given as well, is known. NULL: it cannot be used.
 */
struct given *given_add(struct given **all, const char *name, int fd);
/* A duplicate of one that is free and fits, or -1; then `user` has it. */
int	given_use(struct given *all, const struct listener *user,
	    struct str name, const struct addr *addr, uint16_t port);
/* Those of `user` are free again. */
void	given_leave(struct given *all, const struct listener *user);
/* Names in the log what belongs to no entry point. */
void	given_complain(const struct given *all);
void	given_fini(struct given **all);

#endif
