/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages between master and children over SOCK_SEQPACKET: one fixed struct
 * and an exact number of descriptors per type (msg.c has the table). What does
 * not fit its row is refused; the receiver then ends the conversation.
 */
#ifndef MSG_H
#define MSG_H

#include "addr.h"
#include "clock.h"

#include <stddef.h>

#define MSG_VERSION	1
#define MSG_FDS_MAX	4
#define MSG_BYTES_MAX	4096

enum msg_type {
	/* master -> worker */
	MSG_HELLO,		/* struct msg_hello */
	MSG_LISTENER,		/* struct msg_listener, 1 fd */
	MSG_LISTENER_GONE,	/* struct msg_listener */
	MSG_TABLE,		/* struct msg_table, 2 fds: table, keys */
	MSG_TICKETS,		/* no payload, 1 fd */
	MSG_LOG,		/* struct msg_log, 2 fds: log, access log */
	MSG_DRAIN,		/* struct msg_drain */
	MSG_STATUS,		/* no payload: asks for MSG_STATUS_REPLY */
	MSG_WILL,		/* struct msg_will, 2 fds: will, heir (master/will.c) */
	MSG_CONNECTIONS,	/* no payload: asks for MSG_CONNECTIONS_REPLY */
	/* worker -> master */
	MSG_READY,		/* struct msg_ready: the ring runs */
	MSG_TABLE_ACK,		/* struct msg_table_ack */
	MSG_STATUS_REPLY,	/* struct msg_status */
	MSG_CONNECTIONS_REPLY,	/* struct msg_connections */
	MSG_ORPHAN,		/* struct msg_orphan, 1 fd: will */
	MSG_WANT_RSA,		/* no payload: a client knows no ECDSA */
	/* master -> controller */
	MSG_RESOLVE,		/* struct msg_name */
	MSG_SETTINGS,		/* struct msg_bytes: of a stream of records */
	/* controller -> master */
	MSG_RESOLVED,		/* struct msg_resolved */
	MSG_CHANGES,		/* struct msg_bytes: of a stream of records */
	/* master -> worker; new ones come last, for orphans of older programs */
	MSG_PASSAGE,		/* struct msg_passage, 1 fd */
	MSG_TYPES
};

struct msg_hello {
	uint32_t id, workers;
	uint32_t io;			/* enum ring_backend as configured */
	uint32_t max_conns, max_per_address, max_fibers;
	uint32_t max_per_server, reserved;
	uint32_t log_level, log_format;
	/* Of one client; 0 is the default. */
	int64_t handshake_ns, first_byte_ns, head_ns, body_gap_ns, write_gap_ns,
	    tunnel_idle_ns;
	char hostname[65];
	char padding[7];
};

/* Entry points are named by number for the life of the master. */
struct msg_listener { uint32_t entry_point, address; char name[120]; };
struct msg_table { uint64_t generation; };
struct msg_log { uint32_t level, format; uint32_t has_access_log, reserved; };
/* UNREADY: serve as before, but ping says no. END: accept no more, and end. */
enum drain_stage { DRAIN_NOT, DRAIN_UNREADY, DRAIN_END };
struct msg_drain {
	int64_t grace_ns;		/* how long work may go on */
	int64_t idle_ns;		/* and how long a client may stay idle */
	uint32_t stage, reserved;
};
struct msg_will { int64_t grace_ns; };	/* how long to serve without a master */
/* passages: it knows MSG_PASSAGE. */
struct msg_orphan { uint32_t id, table_abi; int32_t pid; uint32_t passages; };
/*
 * One end of a way from one worker to another for connections that move
 * (worker/passage.h): GIVE or TAKE, and the key of what passes there.
 */
enum passage_end { PASSAGE_TAKE, PASSAGE_GIVE };
struct msg_passage { uint8_t key[32]; uint32_t end, reserved; };
struct msg_ready { uint32_t backend, reserved; char why[120]; };
struct msg_table_ack { uint64_t generation; int32_t error, reserved; char text[200]; };

struct msg_status {
	uint64_t generation, requests, accepted, connections;
	uint64_t fibers, fibers_most, buffers, turns, completions;
	uint64_t log_dropped, access_log_dropped, old_generations;
	uint64_t tls_own, tls_openssl;	/* connections by what makes their records */
	uint64_t moved_in, moved_out, moved_not;	/* connections, by passages */
	uint32_t backend, draining;
	char why[120];
};

#define MSG_OLDEST	32
struct msg_connection {
	int64_t age_ns;
	struct addr peer;
	uint16_t peer_port;
	uint8_t tls, http2;
	uint8_t state;			/* enum conn_state of the worker */
	uint8_t reserved[3];
	uint32_t requests;
	char entry_point[36];
};
/* A worker's client connections by kind, and the oldest, those first. */
struct msg_connections {
	uint32_t all, looked;		/* more than that are not counted below */
	uint32_t plain, tls, tls_own, tls_openssl, http2;
	uint32_t parked, serving, lingering, tunnels;
	uint32_t n;
	struct msg_connection oldest[MSG_OLDEST];
};

struct msg_name { char name[256]; };
struct msg_bytes { uint32_t n, reserved; char data[MSG_BYTES_MAX - 8]; };
struct msg_resolved { char name[256]; uint32_t n, reserved; struct addr addrs[16]; };

/*
 * Sends one message with its descriptors (borrowed). 0, -EAGAIN when the peer
 * does not read, or -errno. Never blocks.
 */
int	msg_send(int sock, enum msg_type type, const void *payload,
	    const int *fds);

struct msg {
	enum msg_type type;
	int fds[MSG_FDS_MAX];		/* the receiver owns them */
	unsigned nfds;
	_Alignas(8) char payload[MSG_BYTES_MAX];
};
/*
 * Receives one. 1, 0 at end of file, -EAGAIN, or -EPROTO after which the
 * peer is not to be listened to any more; no descriptor is open then.
 */
int	msg_recv(int sock, struct msg *ret);
/* A connected pair, close-on-exec and non-blocking. */
int	msg_pair(int ret[2]);

#endif
