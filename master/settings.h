/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the machine, the environment and `akkod:` in the configuration say about
 * processes: how many, as whom, with what. Fixed for the life of the master.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "master.h"

#define RUNTIME_DIR_DEFAULT	"/run/akkod"
#define STATE_DIR_DEFAULT	"/var/lib/akkod"

/* Fills the process-related members of *m from m->source. 0 or -EINVAL with err. */
int	settings_apply(struct master *m, char *err, size_t err_size);
struct akkod_config;
/* How many workers there are to be: as configured, else one per usable CPU. */
unsigned settings_workers(const struct akkod_config *a);
/*
 * Keeps only the capabilities that a running master needs (P-02): binding low
 * ports, giving children another user, signalling them, reading key files.
 */
void	settings_drop(const struct master *m);

#endif
