/* SPDX-License-Identifier: BSD-2-Clause */
/* One line of the access log, as text or JSON (Traefik's accessLog). */
#ifndef ACCESS_LINE_H
#define ACCESS_LINE_H

struct buf;
struct exchange;
struct taccess_log;

/* Both append a line with its newline. */
void	access_line_common(const struct exchange *x,
	    const struct taccess_log *a, struct buf *out);
void	access_line_json(const struct exchange *x,
	    const struct taccess_log *a, struct buf *out);

#endif
