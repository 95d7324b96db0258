/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker without a master; see orphan.h. */
#include "orphan.h"

#include "inherit.h"
#include "log.h"
#include "table.h"
#include "worker.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

void
orphan_will(struct worker *w, const struct msg_will *m, const int *fds)
{
	orphan_end(w);
	w->will_fd = fds[0];
	w->heir_fd = fds[1];
	w->orphan_grace = m->grace_ns;
}

void
orphan_end(struct worker *w)
{
	if (w->heir != NULL)
		watch_stop(w->heir);
	w->heir = NULL;
	if (w->will_fd >= 0)
		close(w->will_fd);
	if (w->heir_fd >= 0)
		close(w->heir_fd);
	w->will_fd = w->heir_fd = -1;
	w->orphan_until = NSEC_NEVER;
}

/* Only root, or whoever runs this worker, may become its master. */
static bool
may_inherit(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
	    (peer.uid == 0 || peer.uid == getuid());
}

static void
on_heir(void *arg)
{
	struct worker *w = arg;
	struct msg_orphan msg = { .id = w->id, .table_abi = table_abi,
	    .pid = (int32_t)getpid(), .passages = 1 };
	int fd = accept4(w->heir_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;		/* another orphan was faster */
	if (!may_inherit(fd) || msg_send(fd, MSG_ORPHAN, &msg, &w->will_fd) <
	    0 || dup3(fd, INHERIT_CONTROL, O_CLOEXEC) < 0) {
		close(fd);
		return;
	}
	close(fd);
	log_info("there is a master again");
	orphan_end(w);
	worker_obey(w);
}

bool
orphan_begin(struct worker *w)
{
	if (w->will_fd < 0 || w->draining || w->orphan_grace <= 0 ||
	    (w->heir = watch_start(w->ring, w->heir_fd, on_heir, w)) == NULL)
		return false;
	w->orphan_until = ring_now(w->ring) + w->orphan_grace;
	log_warn("the master is gone: serving on for %d s, for another to come",
	    (int)(w->orphan_grace / NSEC_SEC));
	return true;
}

bool
orphan_expired(const struct worker *w)
{
	return ring_now(w->ring) >= w->orphan_until;
}
