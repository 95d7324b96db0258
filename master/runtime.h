/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The runtime directory: pid file and control socket. Whoever holds the lock on
 * the pid file is the akkod of this directory; files that a dead one left
 * behind are taken over, since the lock died with it.
 */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdbool.h>
#include <stddef.h>

struct runtime {
	char *dir;
	char *pid_path;
	char *socket_path;
	int pid_fd;		/* holds the lock; -1 */
	int socket_fd;		/* listens; -1 */
	char *heir_path;
	int heir_fd;		/* for whoever comes after this one's end; -1 */
	bool lent;		/* another master has the directory */
};

#define RUNTIME_INIT	{ .pid_fd = -1, .socket_fd = -1, .heir_fd = -1 }

/*
 * Takes the directory (made when missing, 0755), writes the pid and opens the
 * control socket (0600). 0, or -errno with a message in err: -EBUSY when
 * another akkod runs there.
 */
int	runtime_claim(struct runtime *r, const char *dir, char *err,
	    size_t err_size);
/*
 * A directory whose lock another master holds through the same description;
 * the descriptors are taken over. It is that one's until runtime_take().
 */
void	runtime_adopt(struct runtime *r, const char *dir, int pid_fd,
	    int socket_fd);
/* The directory becomes this one's: its pid is in the file. */
void	runtime_take(struct runtime *r);
/* And another one's: the files stay when this one ends. */
void	runtime_lend(struct runtime *r);
/* Holds neither lock nor socket any more, which others may have as well. */
void	runtime_unlock(struct runtime *r);
/* Removes socket and pid file and gives the lock up. */
void	runtime_release(struct runtime *r);
/* Frees without touching the files: for a forked child. */
void	runtime_forget(struct runtime *r);

/* Makes akkod.heir anew. 0 or -errno. */
int	runtime_open_heir(struct runtime *r);
/*
 * A connection to a worker that a killed master left behind. May wait for what
 * comes over it. -errno when there is none.
 */
int	runtime_find_orphan(const struct runtime *r);
/* The pid of the akkod that runs there, 0 when none does. */
int	runtime_pid(const char *dir);
/* Connects to the control socket; a descriptor or -errno. May wait. */
int	runtime_connect(const char *dir);

#endif
