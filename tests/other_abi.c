/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes of the same objects a program whose tables the others do not read:
 * what an upgrade meets after a change of the layout. Only tests use it.
 */
#include "table.h"

const uint32_t table_abi = TABLE_ABI + 1000;
