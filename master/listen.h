/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listening sockets. The master binds all of them and keeps them for as long
 * as the entry point is configured; workers get duplicates, so a dying worker
 * never closes the last reference and its backlog survives (security 5.2).
 *
 * Each address has one SO_REUSEPORT socket per worker: the kernel spreads new
 * connections, and a worker that is respawned takes over the queue of its
 * slot. SO_REUSEPORT would also let a second akkod of the same user bind the
 * same port in silence; so the first socket is bound without it.
 *
 * A service manager may give the first socket (given.h). Where this user may
 * not bind more of its address, all workers accept from that one.
 */
#ifndef LISTEN_H
#define LISTEN_H

#include "given.h"
#include "str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define LISTEN_NAME_MAX	119	/* bytes of an entry point's name: msg.h */

struct listener {
	uint32_t id;		/* unique for the life of the master */
	char *name;		/* of the entry point */
	char *address;		/* as configured */
	int *fds;		/* one per worker */
	unsigned nfds;		/* more for a while after there were more */
	uint16_t port;
	bool wanted;		/* by the newest configuration */
	char *new_name;		/* takes effect with the next table; NULL */
	bool closing;		/* takes no new ones; closes in a moment */
	bool given;		/* by a service manager */
	struct listener *next;
};

struct listeners {
	struct listener *first;
	struct given *given;
	unsigned nworkers;
	uint32_t next_id;
};

/*
 * Opens the sockets of one entry point and links it in. The same name and
 * address again is found, not opened. 0 or -errno with a message in err.
 */
int	listen_open(struct listeners *all, struct str name, struct str address,
	    struct listener **ret, char *err, size_t err_size);
struct listener *listen_find(const struct listeners *all, struct str name,
	    struct str address);
/* An address that no wanted entry point uses any more; NULL. */
struct listener *listen_find_unwanted(const struct listeners *all,
	    struct str address);
/* An entry point with the sockets that another master had for it. */
void	listen_take(struct listeners *all, const char *name,
	    const char *address, const int *fds, unsigned nfds);
/*
 * Each address gets as many sockets as there are workers. On failure some of
 * them have: listen_shrink() takes them back. 0, or -errno with a message.
 */
int	listen_grow(struct listeners *all, char *err, size_t err_size);
/* Closes the sockets of slots that are no longer. */
void	listen_shrink(struct listeners *all);
/* While there are such: new connections go to the others only. */
void	listen_steer(struct listeners *all);
/*
 * Before an address is closed it must be empty: connections in its queue, and
 * such whose handshake is not over, would be reset. From now on the kernel
 * drops the first packet of new ones, as if it had been lost on the way: it is
 * sent again and then meets whoever listens there next.
 */
void	listen_deafen(struct listener *l, bool deaf);
/* One that another master was given, for an entry point, or for none (""). */
void	listen_give(struct listeners *all, const char *name,
	    const char *user, int fd);
/* Closes and unlinks one. */
void	listen_close(struct listeners *all, struct listener *l);
void	listen_close_all(struct listeners *all);

#endif
