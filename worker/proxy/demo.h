/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Built-in services to try akkod with: one tells what it received, one plays a
 * login for forward-auth. They are reachable only through routers that name
 * demo@internal or demo-login@internal.
 */
#ifndef DEMO_H
#define DEMO_H

struct exchange;
struct fiber;

int	demo_serve(struct fiber *f, struct exchange *x);
int	demo_login_serve(struct fiber *f, struct exchange *x);

#endif
