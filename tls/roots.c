/* SPDX-License-Identifier: BSD-2-Clause */
/* Trust anchors: bundles of DER certificates, and the system's. */
#include "tls_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <openssl/err.h>
#include <openssl/x509.h>

static bool
add_name(STACK_OF(X509_NAME) *names, X509 *x)
{
	X509_NAME *name = X509_NAME_dup(X509_get_subject_name(x));

	if (name == NULL)
		return false;
	if (sk_X509_NAME_push(names, name) == 0) {
		X509_NAME_free(name);
		return false;
	}
	return true;
}

int
roots_add(X509_STORE *store, STACK_OF(X509_NAME) *names, struct str der)
{
	const unsigned char *p = (const unsigned char *)der.p;
	const unsigned char *end = p + der.n;
	int n = 0;

	while (p < end) {
		X509 *x = d2i_X509(NULL, &p, (long)(end - p));
		bool ok = x != NULL && X509_STORE_add_cert(store, x) == 1 &&
		    (names == NULL || add_name(names, x));

		X509_free(x);
		if (!ok)
			return -EINVAL;
		n++;
	}
	return n > 0 ? n : -EINVAL;
}

X509_STORE *
roots_system(struct tls_contexts *set)
{
	X509_STORE *store;

	if (set->system_roots != NULL)
		return set->system_roots;
	if ((store = X509_STORE_new()) == NULL)
		return NULL;
	/* SSL_CERT_FILE and SSL_CERT_DIR are honoured, as by Go. */
	if (X509_STORE_set_default_paths(store) != 1) {
		X509_STORE_free(store);
		store = NULL;
	}
	ERR_clear_error();
	set->system_roots = store;
	return store;
}
