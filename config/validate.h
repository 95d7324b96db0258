/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks of single objects that their schema cannot express. */
#ifndef VALIDATE_H
#define VALIDATE_H

#include "diag.h"
#include "model.h"

/* File errors of the static part. */
void	check_static(struct config *c, struct diags *d);
/* Parses rules, sets verdicts; the arena holds the rules. */
void	check_dynamic(struct dynamic *dyn, struct arena *a, struct diags *d);

#endif
