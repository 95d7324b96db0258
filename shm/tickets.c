/* SPDX-License-Identifier: BSD-2-Clause */
/* Session ticket keys; see tickets.h. */
#include "tickets.h"

#include "memfd.h"

#include <errno.h>
#include <string.h>

int
tickets_seal(const struct tickets *t)
{
	return memfd_seal("akkod-tickets", t, sizeof(*t));
}

int
tickets_read(int fd, struct tickets *ret)
{
	const void *p;
	size_t n;
	int err = memfd_map(fd, &p, &n);

	if (err < 0)
		return err;
	if (n == sizeof(*ret))
		memcpy(ret, p, n);
	else
		err = -EPROTO;
	memfd_unmap(p, n);
	return err;
}
