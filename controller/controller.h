/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The controller process: unprivileged, all control-plane conversations with
 * the network. It takes orders from the master as fixed messages (shm/msg.h)
 * and answers in the same form; it names no file, port or process.
 */
#ifndef CONTROLLER_H
#define CONTROLLER_H

/*
 * Entry of the re-executed child; returns its exit status. With "1" as its id
 * a Kubernetes provider is configured, and settings come first.
 */
int	controller_main(int argc, char **argv);

#endif
