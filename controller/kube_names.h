/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of Kubernetes providers' objects, and texts in rules, as Traefik makes them. */
#ifndef KUBE_NAMES_H
#define KUBE_NAMES_H

#include "buf.h"

/*
 * Runs of bytes that are no letters and digits become one '-', none at the
 * ends. The caller frees it.
 */
char   *kube_normal(const char *s);
char   *kube_normalf(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));
/* The first 20 hex digits of the SHA-256 of a text. */
void	kube_digest(const char *s, char out[21]);
/* Appends a text as Go writes it between double quotes. */
void	kube_quote(struct buf *b, const char *s);

#endif
