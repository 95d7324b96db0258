/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a service manager is told, in systemd's protocol (sd_notify(3)): lines
 * of NAME=VALUE in one datagram to $NOTIFY_SOCKET. Without that variable
 * nothing is sent. Nothing here waits.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include "clock.h"

/* Lines, each with its newline. */
void	notify_send(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));
/* How often WATCHDOG=1 is wanted; NSEC_NEVER when it is not. */
nsec_t	notify_watchdog(void);

#endif
