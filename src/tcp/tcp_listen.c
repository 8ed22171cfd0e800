// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_listen.c - listeners: SYNs in, connections out
 *
 * A SYN makes a connection in SYN_RCVD (an embryo, on the listener's `embryos`), whose
 * final ACK moves it to the accept queue.  RFC 9293 section 3.10.7.2; limits and
 * what happens at them as in Linux: backlog + 1 connections wait to be accepted, a
 * SYN that finds the queue full is dropped, and so is a final ACK.
 *
 * Until tcp_accept() an embryo counts as an orphan of ep.h: nobody hears its events,
 * and it frees its own slot, unless it is on the accept queue.
 */
#include "tcp/tcp_int.h"

/* Embryos for a small backlog: Linux would go on with SYN cookies there. */
enum { MIN_EMBRYOS = 64 };

static struct tcp_conn *queued(struct net *net, struct shm_link *l)
{
	(void)net;
	return container_of(l, struct tcp_conn, acceptq);
}

int tcp_listen_start(struct net *net, struct tcp_listen *l, uint32_t backlog)
{
	const struct net_conf *conf = &net->shm->conf;
	int rc;

	if (conf->somaxconn && backlog > conf->somaxconn)
		backlog = conf->somaxconn;
	if (l->ep.kind == EP_TCP_LISTEN) {
		l->backlog = backlog;
		return 0;
	}
	if (l->ep.kind != EP_RESERVED)
		return -EINVAL;
	l->ep.kind = EP_TCP_LISTEN;
	l->backlog = backlog;
	shm_list_init(net->base, &l->acceptq);
	shm_list_init(net->base, &l->embryos);
	if (!l->keep_idle_ms)
		l->keep_idle_ms = conf->keepalive_time_ms;
	if (!l->keep_intvl_ms)
		l->keep_intvl_ms = conf->keepalive_intvl_ms;
	if (!l->keep_cnt)
		l->keep_cnt = conf->keepalive_probes;
	rc = demux_insert(net, &l->ep);
	if (rc < 0)
		l->ep.kind = EP_RESERVED;
	return rc;
}

static void inherit(struct tcp_conn *c, const struct tcp_listen *l)
{
	enum {
		USER = TCP_F_NODELAY | TCP_F_CORK | TCP_F_KEEPALIVE | TCP_F_QUICKACK |
		       TCP_F_RCVBUF_LOCKED | TCP_F_SNDBUF_LOCKED | TCP_F_OOBINLINE
	};

	c->flags |= l->conn_flags & USER;
	if (l->sndbuf)
		c->sndbuf = l->sndbuf;
	if (l->rcvbuf)
		c->rcvbuf = l->rcvbuf;
	c->mss_user = l->mss_user;
	c->keep_idle_ms = l->keep_idle_ms;
	c->keep_intvl_ms = l->keep_intvl_ms;
	c->keep_cnt = l->keep_cnt;
	c->user_timeout_ms = l->user_timeout_ms;
	c->linger2_ms = l->linger2_ms;
	c->ep.ttl = l->ep.ttl;
	c->ep.tos = l->ep.tos;
	c->ep.bound_if = l->ep.bound_if;
	c->ep.flags = (l->ep.flags & (EP_F_V6ONLY | EP_F_V4)) | EP_F_ORPHAN;
}

static bool room_for_embryo(const struct net *net, const struct tcp_listen *l)
{
	uint32_t max = max_t(uint32_t, l->backlog + 1, MIN_EMBRYOS);

	return l->n_embryonic < min_t(uint32_t, max, max_t(uint32_t, net->n_eps / 4, 1));
}

/* Borrows the SYN. */
static void syn_in(struct net *net, struct tcp_listen *l, const struct pkt *p,
		   const struct rx_info *ri, const struct tcp_seg *s, uint32_t iss)
{
	struct tcp_syn_opts o;
	struct tcp_conn *c;
	struct ep *ep;
	int rc;

	l->syns++;
	if (l->n_accept > l->backlog || !room_for_embryo(net, l)) {
		NET_DROP(net, tcp_backlog);
		NET_STAT(net, tcp_listen_overflows);
		l->overflows++;
		return;
	}
	if (unlikely(l->room == TCP_LISTEN_SHUT))
		return;
	tcp_relieve_time_wait(net, NULL);
	ep = ep_alloc(net);
	if (!ep) {
		l->room = TCP_LISTEN_SHORT;
		ep_ready(net, &l->ep, EP_IN);
		return;
	}
	l->room = TCP_LISTEN_ROOM;
	c = tcp_conn(ep);
	c->ep.flow = ri->flow;
	tcp_conn_init(net, c);
	inherit(c, l);
	if (ipaddr_is_linklocal6(&ri->flow.raddr))
		c->ep.bound_if = p->ifindex;
	rc = net_route(net, &c->ep);
	if (rc < 0 && rc != -EAGAIN)
		goto out;
	rc = demux_insert(net, &c->ep);
	if (rc < 0)
		goto out;

	tcp_conn_start(net, c, iss ? iss : tcp_iss(net, &c->ep.flow));
	c->flags |= TCP_F_PASSIVE;
	if (tcp_opt_parse_syn((const uint8_t *)pkt_l4(p) + TCP_HDR_LEN, s->hdr_len - TCP_HDR_LEN,
			      &o) < 0)
		NET_DROP(net, tcp_opt);
	c->irs = s->seq;
	c->rcv_nxt = c->rcv_last_ack = s->seq + 1;
	c->snd_wnd = c->snd_wnd_max = s->wnd;
	c->snd_wl1 = s->seq;
	tcp_take_syn_opts(net, c, &o);
	c->state = TCPS_SYN_RCVD;
	c->snd_nxt = c->snd_end = c->snd_sml = c->iss + 1;
	c->established_ns = net->now;		/* of the SYN, until there is a better one */
	c->listener = l->ep.id;
	shm_list_add_tail(net->base, &l->embryos, &c->acceptq);
	l->n_embryonic++;
	(void)tcp_send_syn(net, c);
	rexmit_set(net, c, net->now + conn_rto_ns(net, c));
	return;
out:
	net->shm->tcp_n_conns--;
	ep_free(net, &c->ep);
	NET_STAT(net, tcp_attempt_fails);
}

/* RFC 9293 section 3.10.7.2 */
void tcp_listen_rx(struct net *net, struct tcp_listen *l, struct pkt *p, const struct rx_info *ri,
		   uint32_t iss)
{
	uint32_t room = (uint32_t)(p->off + p->len - p->l4_off);
	struct tcp_seg s;

	if (l->ep.kind != EP_TCP_LISTEN) {
		NET_DROP(net, no_socket);
	} else if (tcp_parse(pkt_l4(p), min_t(uint32_t, ri->l4_len, room), &s) < 0) {
		NET_DROP(net, l4_short);
	} else if (s.flags & TCP_RST) {
		NET_DROP(net, tcp_flags);
	} else if (s.flags & TCP_ACK) {
		NET_DROP(net, tcp_flags);
		tcp_reset_segment(net, p, ri);
	} else if (!(s.flags & TCP_SYN) || s.flags & TCP_FIN) {
		NET_DROP(net, tcp_flags);
	} else {
		syn_in(net, l, p, ri, &s, iss);
	}
	pkt_free(net, p);
}

static struct tcp_listen *listener_of(struct net *net, const struct tcp_conn *c)
{
	return tcp_listener(ep_get(net, c->listener));
}

/* Deferred accept still waits for data. */
static bool deferring(const struct net *net, const struct tcp_conn *c, const struct tcp_listen *l)
{
	return l->defer_accept_ms &&
	       net->now - c->established_ns < l->defer_accept_ms * NSEC_PER_MSEC;
}

int tcp_listen_estab(struct net *net, struct tcp_conn *c, bool has_data)
{
	struct tcp_listen *l = listener_of(net, c);

	if (!has_data && deferring(net, c, l)) {
		c->flags |= TCP_F_SYN_ACKED;
		return -EAGAIN;
	}
	if (l->n_accept > l->backlog) {
		NET_DROP(net, tcp_backlog);
		NET_STAT(net, tcp_listen_overflows);
		l->overflows++;
		return -EAGAIN;
	}
	shm_list_del(net->base, &c->acceptq);
	l->n_embryonic--;
	shm_list_add_tail(net->base, &l->acceptq, &c->acceptq);
	l->n_accept++;
	c->flags |= TCP_F_ON_ACCEPTQ;
	NET_STAT(net, tcp_passive_opens);
	ep_ready(net, &l->ep, EP_IN);
	return 0;
}

bool tcp_listen_resend(struct net *net, struct tcp_conn *c)
{
	return !(c->flags & TCP_F_SYN_ACKED && deferring(net, c, listener_of(net, c)));
}

void tcp_listen_forget(struct net *net, struct tcp_conn *c)
{
	struct tcp_listen *l = listener_of(net, c);

	shm_list_del(net->base, &c->acceptq);
	if (c->flags & TCP_F_ON_ACCEPTQ)
		l->n_accept--;
	else
		l->n_embryonic--;
	c->flags &= ~(uint32_t)TCP_F_ON_ACCEPTQ;
	c->listener = ID_NONE;
}

struct tcp_conn *tcp_accept(struct net *net, struct tcp_listen *l)
{
	struct shm_link *first = shm_list_first(net->base, &l->acceptq);
	struct tcp_conn *c;

	if (!first)
		return NULL;
	c = queued(net, first);
	tcp_listen_forget(net, c);
	c->ep.flags &= ~(uint32_t)EP_F_ORPHAN;
	l->accepted++;
	return c;
}

void tcp_listen_close(struct net *net, struct tcp_listen *l)
{
	struct shm_link *q[] = { &l->acceptq, &l->embryos };

	for (unsigned i = 0; i < ARRAY_SIZE(q); i++) {
		struct shm_link *first;

		while ((first = shm_list_first(net->base, q[i]))) {
			struct tcp_conn *c = queued(net, first);

			if (c->state != TCPS_CLOSED && c->state != TCPS_TIME_WAIT)
				tcp_send_rst(net, c);
			tcp_destroy(net, c);
		}
	}
	ep_free(net, &l->ep);
}
