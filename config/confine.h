/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects from the network name no files. Where the configuration takes "a file
 * or its content", they must hold the content; else who writes a Secret could
 * make the master read any file.
 */
#ifndef CONFINE_H
#define CONFINE_H

#include "schema.h"

/*
 * The key of the first field that could name a file, or NULL. Fields are known
 * by their key: ca, cert, key, rootCAs and whatever ends in File or Files.
 */
const char *confine_check(const struct schema *s, const void *obj);

#endif
