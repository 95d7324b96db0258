/* SPDX-License-Identifier: BSD-2-Clause */
/* What a refused client is told, in the words of Go's server; see h1.h. */
#include "h1.h"

#include "h1_write.h"

#include <stdio.h>

struct str
h1_error_body(const struct h1_error *err, char out[128])
{
	struct str text = h1_status_text(err->status);
	int n;

	if (err->reason == REASON_CODING)
		return STR("Unsupported transfer encoding");
	if (err->reason == REASON_EXPECT)
		return STR("");
	n = snprintf(out, 128, "%u %.*s%s%s", err->status, STR_ARG(text),
	    err->detail != NULL ? ": " : "",
	    err->detail != NULL ? err->detail : "");
	return str_n(out, n < 128 ? (size_t)n : 127);
}

struct str
h1_error_phrase(const struct h1_error *err, char out[128])
{
	return err->detail != NULL ? str_from(h1_error_body(err, out), 4) :
	    STR_NONE;
}
