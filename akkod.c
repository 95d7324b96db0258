/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program. It is also its own children: the master executes it again with
 * the name of a role, so that no child shares the master's memory.
 */
#include "cli.h"
#include "controller.h"
#include "worker.h"

#include <string.h>

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "worker") == 0)
		return worker_main(argc, argv);
	if (argc == 3 && strcmp(argv[1], "controller") == 0)
		return controller_main(argc, argv);
	if (argc == 2 && strcmp(argv[1], "successor") == 0)
		return cli_successor();
	return cli_main(argc, argv);
}
