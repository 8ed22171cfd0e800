/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ctld.h - posternd's objects and the calls between its files
 *
 * One thread, one struct ctld.  Persistent facts are in state.h; the structs here
 * hold the descriptors that go with them.
 */
#ifndef POSTERN_CTLD_CTLD_H
#define POSTERN_CTLD_CTLD_H

#include <sys/types.h>

#include "base/log.h"
#include "cp/cp_keeper.h"
#include "cp/cp_lookup.h"
#include "cp/cp_writer.h"
#include "ctld/loop.h"
#include "ctld/state.h"
#include "nic/filter.h"
#include "nic/xdp/xdp_open.h"

enum { MAX_IFS = 64, LEASE_BATCH = 32 };

struct ctld;
struct nlmsghdr;
struct client;
struct stack;
struct raw;

/* An interface with our XDP program. */
struct iface {
	uint32_t ifindex;		/* 0: free */
	struct xdp_prog *prog;
	uint32_t flags;			/* VI_F_* of the attachment */
	uint64_t sets;			/* VI sets in use */
};

struct lease_fds {
	struct lease_fds *next;
	int n;
	int fd[LEASE_BATCH];
};

struct proc {
	struct loop_fd w;		/* pidfd; -1: free */
	struct stack *st;
};

struct stack {
	struct ctld *ctl;
	struct st_stack *rec;
	int arena_fd;
	int doorbell[CP_N_DOORBELLS];
	int xsk[ST_MAX_VIS][CP_MAX_FDS];
	struct proc procs[ST_MAX_PROCS];
	struct lease_fds *leases;

	struct loop_fd kp;		/* our end of the keeper's socket pair */
	struct loop_fd kp_pid;		/* its pidfd */
};

struct client {
	struct loop_fd w;
	struct ctld *ctl;
	struct client *next;
	uid_t uid;
	gid_t gid;
	pid_t pid;
	int pidfd;
	bool may_ring;			/* root or member of the group */
	uint32_t granted[4];		/* stacks that it proved to share by their arena */
	uint32_t joining[4];		/* stacks opened, process not yet registered */
};

struct conf {
	bool automatic;			/* leave when unused */
	bool no_keeper;
	bool no_sandbox;
	const char *group;
	char keeper[256];
	uint64_t quota_bytes;		/* arenas per uid */
	uint32_t max_leases;		/* descriptors that ports may take, all stacks */
};


struct ctld {
	struct conf conf;
	struct loop loop;
	gid_t group;			/* of conf.group; (gid_t)-1: there is no such group */

	struct cp_shm *tables;
	struct cp cp;			/* a reader of our own tables */
	int tables_rw;			/* never leaves posternd and the holder */
	int tables_fd;			/* the same, for reading: what applications get */
	struct state *st;
	int state_fd;

	struct loop_fd listen;
	struct loop_fd signals;
	struct client *clients;
	uint32_t n_clients;

	struct stack *stacks[ST_MAX_STACKS];	/* index as in st->stacks */
	struct iface ifs[MAX_IFS];
	struct raw *raws;
	uint32_t next_raw_id;

	/* filter.c: heads and links of the hash chains, values are index + 1 */
	uint32_t *key_head, *key_next;
	uint32_t *cookie_head, *cookie_next;
	uint32_t free_hint;

	/* nl.c */
	struct loop_fd nl_events;
	int nl_dump;			/* requests and dumps */
	uint32_t nl_seq;
	bool dirty_links, dirty_addrs, dirty_routes, dirty_neighs;
	struct loop_timer resync;
	struct cp_route *route_scratch;
	uint64_t netns_cookie;

	/* holder.c: keys are "state", "tables", "if/IFINDEX", and "st/ID/..." with arena,
 * vi/IFINDEX, kp, pr/SLOT, ls/N */
	struct loop_fd holder;
	uint32_t holder_starts;

	struct loop_timer tick;		/* heartbeat, host settings, idle check */
	uint32_t ticks;
	uint32_t idle_ticks;
};

/* nl.c: the mirror */
int nl_open(struct ctld *ctl);
void nl_close(struct ctld *ctl);
int nl_sync(struct ctld *ctl);			/* everything, now */
void nl_mark_dirty(struct ctld *ctl);
typedef int (*nl_fn)(struct ctld *ctl, const struct nlmsghdr *nlh, void *arg);
int nl_dump(struct ctld *ctl, uint16_t type, uint8_t family, nl_fn fn, void *arg);
int nl_talk(struct ctld *ctl, struct nlmsghdr *nlh);	/* one request, its acknowledgement */

/* link.c, route.c, neigh.c, host.c */
int link_sync(struct ctld *ctl);
int addr_sync(struct ctld *ctl);
int route_sync(struct ctld *ctl);
int neigh_sync(struct ctld *ctl);
void neigh_event(struct ctld *ctl, const struct nlmsghdr *nlh);
int neigh_resolve(struct ctld *ctl, uint32_t ifindex, const struct ipaddr *addr);
void neigh_unmanage(struct ctld *ctl, uint32_t ifindex);	/* 0: all */
void host_sync(struct ctld *ctl);
/* 16-byte form from a netlink attribute of @len 4 or 16; false: another length */
bool addr_from_attr(struct cp_addr128 *out, const void *p, size_t len);

/* iface.c */
struct iface *iface_find(struct ctld *ctl, uint32_t ifindex);
int iface_get(struct ctld *ctl, uint32_t ifindex, struct iface **out, char why[96]);
void iface_put_set(struct ctld *ctl, struct iface *ifc, uint32_t set);
void iface_gone(struct ctld *ctl, uint32_t ifindex);
void iface_local_addrs(struct ctld *ctl, struct iface *ifc, const struct cp_addr *old, uint32_t n_old);
int iface_restore(struct ctld *ctl, uint32_t ifindex, const int *fds, int n);

/* stack.c */
struct stack *stack_by_id(struct ctld *ctl, uint32_t id);
struct stack *stack_by_name(struct ctld *ctl, uid_t uid, const char *name);
int stack_create(struct ctld *ctl, struct client *c, const struct cp_stack_req *req,
		 struct stack **out, char why[96]);
void stack_destroy(struct stack *st, const char *reason);
int stack_vi_open(struct stack *st, const struct cp_vi_req *req, struct st_vi **out, char why[96]);
void stack_vi_gone(struct stack *st, uint32_t ifindex);
int stack_proc_add(struct stack *st, uint32_t slot, pid_t pid, int pidfd);
uint32_t stack_n_procs(const struct stack *st);
struct stack *stack_restore(struct ctld *ctl, struct st_stack *rec);
int stack_take_fds(struct stack *st, const char *what, const int *fds, int n);
int stack_restored(struct stack *st);	/* all descriptors are there? */
/* Ends the stack if its keeper is done and nobody is joining. */
void stack_check_done(struct stack *st);
bool stack_is_being_joined(const struct stack *st, const struct client *except);
bool ctld_has_stacks(const struct ctld *ctl);
bool stack_on_iface(const struct ctld *ctl, uint32_t ifindex);
/* May there be rings on it?  0 and the link, or -errno with the reason. */
int stack_check_link(struct ctld *ctl, uint32_t ifindex, struct cp_link *l, char why[96]);

/* raw.c: ef_vi */
struct raw *raw_by_id(struct client *c, uint32_t id);
bool raw_on_iface(const struct ctld *ctl, uint32_t ifindex);
uint64_t raw_used_by(const struct ctld *ctl, uid_t uid);
int raw_open(struct client *c, const struct cp_raw_open_req *q, const int *fds, int n_fds,
	     uint32_t *id, char why[96]);
int raw_reserve(struct client *c, struct raw *r, uint32_t n, uint32_t *first);
/* Returns the number of queues. */
int raw_vi_open(struct client *c, struct raw *r, const struct cp_raw_vi_req *q,
		struct cp_raw_vi_rep *rep, int *out_fds, char why[96]);
int raw_vi_close(struct client *c, struct raw *r, uint32_t set);
void raw_close(struct ctld *ctl, struct raw *r);
void raw_client_gone(struct client *c);
void raw_iface_gone(struct ctld *ctl, uint32_t ifindex);
int raw_filter(struct client *c, struct raw *r, const struct cp_raw_filter *f);

/* filter.c */
int filters_init(struct ctld *ctl);
int filter_add(struct stack *st, const struct cp_filter *f, int proof_fd);
int filter_del(struct stack *st, const struct cp_filter *f);
int filter_vi_opened(struct stack *st, struct iface *ifc, uint32_t vi_set);
void filter_stack_gone(struct stack *st);
uint32_t filter_lease_add(struct stack *st, struct iface *ifc, uint32_t vi_set,
			  const struct ipaddr *laddr, const uint16_t *ports, uint32_t n);
int filter_cookie_set(struct stack *st, uint64_t cookie);
bool filter_knows_cookie(struct stack *st, uint64_t cookie);
struct stack *filter_cookie_find(struct ctld *ctl, uint64_t cookie);

/* lease.c */
int lease_ports(struct stack *st, const struct ipaddr *laddr, uint32_t n, uint16_t *out);
void lease_close(struct stack *st);
int lease_restore(struct stack *st, const int *fds, int n);

/* keeper.c */
int keeper_start(struct stack *st, bool again);
void keeper_send_vi(struct stack *st, const struct st_vi *vi, const int *xsk);
void keeper_send_vi_gone(struct stack *st, uint32_t ifindex);
void keeper_send_proc(struct stack *st, const struct st_proc *p, int pidfd);
void keeper_stop(struct stack *st);
int keeper_restore(struct stack *st, const int *fds, int n);

/* client.c */
int clients_open(struct ctld *ctl);	/* takes the address */
int clients_listen(struct ctld *ctl);	/* answers */
void clients_close(struct ctld *ctl);
/* One request; the reply is written into @rep, its descriptors (borrowed) into
 * @out_fds.  Exposed for the tests of hostile input. */
size_t client_request(struct client *c, const void *req, size_t len, const int *fds, int n_fds,
		      void *rep, int *out_fds, int *n_out);
enum { CLIENT_REQ_MAX = sizeof(struct cp_filter_req), CLIENT_REP_MAX = sizeof(struct cp_list_rep) };

/* holder.c: keys are "state", "tables", "if/IFINDEX", and "st/ID/..." with arena,
 * vi/IFINDEX, kp, pr/SLOT, ls/N */
int holder_open(struct ctld *ctl, bool *found);	/* connects, or starts one */
int holder_fetch(struct ctld *ctl);		/* takes over what the predecessor left */
void holder_put(struct ctld *ctl, const char *key, const int *fds, int n);
void holder_drop(struct ctld *ctl, const char *key);	/* "st/5/": all that begin so */
void holder_put_all(struct ctld *ctl);
void holder_quit(struct ctld *ctl);		/* no stack left: it may go */

/* priv.c */
int priv_drop(bool sandbox);
int priv_limits(void);		/* raises them; returns the number of descriptors, or -errno */

/* send and receive with descriptors; -errno.  Received ones are close-on-exec. */
int msg_send(int fd, const void *buf, size_t len, const int *fds, int n, int flags);
ssize_t msg_recv(int fd, void *buf, size_t room, int *fds, int *n, int room_fds, int flags);
void fds_close(const int *fds, int n);

#endif
