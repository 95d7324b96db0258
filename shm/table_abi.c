/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The number of the table's layout as this program knows it. It stands alone
 * in its file, so that a program for the tests can be linked with another one
 * (tests/other_abi.c).
 */
#include "table.h"

const uint32_t table_abi = TABLE_ABI;
