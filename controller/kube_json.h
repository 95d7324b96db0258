/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON of the API server. Tenants wrote parts of it, and may write what the
 * server takes and no parser here does: numbers beyond 64 bits, a nesting
 * without end, NUL. Such an object is lost alone, not with the list or the
 * watch that it is in.
 */
#ifndef KUBE_JSON_H
#define KUBE_JSON_H

#include <jansson.h>
#include <stddef.h>

/*
 * A list or an event, which the caller owns; the text is changed. An object in
 * it that cannot be read has its metadata alone, and is named in the log, or is
 * left out when not even that can be read. NULL with the fault in *err when
 * nothing can be made of it.
 */
json_t *kube_json_load(char *p, size_t n, json_error_t *err);

#endif
