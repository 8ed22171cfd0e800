// SPDX-License-Identifier: BSD-2-Clause
/*
 * link.c - wires, the switch and virtual time
 *
 * Everything that is to happen lies in one heap by time.  A frame that is sent
 * makes two kinds of events: its last bit leaves (the sender's completion), and
 * it arrives at the switch, which delivers at once.
 */
#include "nic/sim/sim_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sim_frame *sim_frame_new(uint32_t len)
{
	struct sim_frame *f = malloc(sizeof(*f) + len);

	if (f) {
		f->refs = 1;
		f->len = len;
	}
	return f;
}

void sim_frame_put(struct sim_frame *f)
{
	if (!--f->refs)
		free(f);
}

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

/* Consumes the event's frame and pieces when there is no memory. */
static void event_add(struct sim_net *net, struct sim_event ev)
{
	size_t i;

	if (net->n_events == net->max_events) {
		size_t max = net->max_events ? net->max_events * 2 : 256;
		struct sim_event *heap = realloc(net->heap, max * sizeof(*heap));

		if (!heap) {
			sim_frame_put(ev.frame);
			free(ev.pieces);
			return;
		}
		net->heap = heap;
		net->max_events = max;
	}
	ev.order = net->order++;
	for (i = net->n_events++; i && earlier(&ev, &net->heap[(i - 1) / 2]); i = (i - 1) / 2)
		net->heap[i] = net->heap[(i - 1) / 2];
	net->heap[i] = ev;
}

static struct sim_event event_take(struct sim_net *net)
{
	struct sim_event top = net->heap[0], last = net->heap[--net->n_events];
	size_t i = 0, kid;

	while ((kid = 2 * i + 1) < net->n_events) {
		if (kid + 1 < net->n_events && earlier(&net->heap[kid + 1], &net->heap[kid]))
			kid++;
		if (!earlier(&net->heap[kid], &last))
			break;
		net->heap[i] = net->heap[kid];
		i = kid;
	}
	net->heap[i] = last;
	return top;
}

/* Time that @len bytes take on the wire. */
static uint64_t wire_ns(const struct sim_link *l, uint64_t len)
{
	if (!l->rate_bps)
		return 0;
	return (uint64_t)((__uint128_t)len * 8 * NSEC_PER_SEC / l->rate_bps);
}

static bool queue_full(const struct sim_port *p, uint32_t len)
{
	uint64_t wait, limit;

	if (!p->link.queue_bytes || p->wire_free_ns <= p->net->now_ns)
		return false;
	wait = p->wire_free_ns - p->net->now_ns;
	limit = wire_ns(&p->link, p->link.queue_bytes);
	return wait + wire_ns(&p->link, len) > limit;
}

static struct sim_frame *gather(struct sim_port *p, const struct sim_piece *pieces, unsigned n)
{
	struct sim_frame *f;
	uint32_t len = 0;
	unsigned i;

	for (i = 0; i < n; i++)
		len += pieces[i].len;
	f = sim_frame_new(len);
	if (!f)
		return NULL;
	for (i = 0, len = 0; i < n; i++) {
		memcpy(f->data + len,
		       p->frames + ((size_t)pieces[i].buf << p->shm->frame_shift) + pieces[i].off,
		       pieces[i].len);
		len += pieces[i].len;
	}
	return f;
}

/* A frame leaves the device: its way to the switch is decided here. */
static void onto_wire(struct sim_port *p, struct sim_frame *f, uint64_t left_ns)
{
	struct sim_net *net = p->net;
	uint64_t late[2];
	unsigned copies, i;

	copies = sim_faults(p, &f, late);
	for (i = 0; i < copies; i++) {
		f->refs++;
		event_add(net, (struct sim_event){
			.at = left_ns + p->link.delay_ns + late[i],
			.kind = SIM_EV_ARRIVED, .port = p->index, .frame = f,
		});
	}
	sim_frame_put(f);
}

void sim_send(struct sim_port *p, const struct sim_piece *pieces, unsigned n)
{
	struct sim_net *net = p->net;
	struct sim_frame *f = gather(p, pieces, n), *sent;
	struct sim_piece *kept = malloc(n * sizeof(*kept));
	bool drop = false;

	if (!f || !kept) {
		sim_complete(p, pieces, n);
		if (f)
			sim_frame_put(f);
		free(kept);
		return;
	}
	memcpy(kept, pieces, n * sizeof(*kept));
	p->stats.sent++;
	sim_pcap_write(net, f);

	/* What is held against the frame at completion is what was posted; a
	 * hook gets bytes of its own to change. */
	sent = f;
	if (p->hook) {
		sent = sim_frame_new(f->len);
		if (sent) {
			memcpy(sent->data, f->data, f->len);
			drop = p->hook(p->hook_arg, p->index, net->now_ns, sent->data, sent->len) ==
			       SIM_DROP;
			p->stats.hook_dropped += drop;
		} else {
			drop = true;
		}
	} else {
		f->refs++;
	}
	if (!drop && queue_full(p, f->len)) {
		p->stats.queue_dropped++;
		drop = true;
	}
	if (!drop) {
		p->wire_free_ns = max_t(uint64_t, p->wire_free_ns, net->now_ns) +
				  wire_ns(&p->link, f->len);
		onto_wire(p, sent, p->wire_free_ns);
	} else if (sent) {
		sim_frame_put(sent);
	}
	event_add(net, (struct sim_event){
		.at = drop ? net->now_ns : p->wire_free_ns, .kind = SIM_EV_SENT,
		.port = p->index, .frame = f, .pieces = kept, .n_pieces = n,
	});
}

static bool knows(const struct sim_port *p, const uint8_t *mac)
{
	unsigned i;

	for (i = 0; i < p->n_macs && i < SIM_MACS_PER_PORT; i++)
		if (!memcmp(p->mac[i], mac, 6))
			return true;
	return false;
}

static void learn(struct sim_net *net, unsigned port, const uint8_t *mac)
{
	unsigned i, j;

	if ((mac[0] & 1) || knows(&net->port[port], mac))
		return;
	for (i = 0; i < net->n_ports; i++)	/* moved */
		for (j = 0; j < SIM_MACS_PER_PORT; j++)
			if (!memcmp(net->port[i].mac[j], mac, 6))
				memset(net->port[i].mac[j], 0, 6);
	memcpy(net->port[port].mac[net->port[port].n_macs++ % SIM_MACS_PER_PORT], mac, 6);
}

static void deliver_to(struct sim_net *net, unsigned port, const struct sim_frame *f)
{
	if (net->port[port].shm)
		sim_deliver(&net->port[port], f);
}

static void arrived(struct sim_net *net, unsigned from, const struct sim_frame *f)
{
	int known = -1;
	unsigned i;

	if (net->n_ports <= 2) {
		if (net->n_ports == 2)
			deliver_to(net, !from, f);
		return;
	}
	if (f->len < 14)
		return;
	learn(net, from, f->data + 6);
	if (!(f->data[0] & 1))
		for (i = 0; i < net->n_ports; i++)
			if (knows(&net->port[i], f->data))
				known = (int)i;
	for (i = 0; i < net->n_ports; i++)
		if (i != from && (known < 0 || known == (int)i))
			deliver_to(net, i, f);
}

/* The stack promised not to touch a posted frame before its completion. */
static void check_unchanged(struct sim_port *p, const struct sim_event *ev)
{
	struct sim_frame *f = gather(p, ev->pieces, ev->n_pieces);

	if (f && memcmp(f->data, ev->frame->data, f->len))
		p->stats.tx_rewritten++;
	if (f)
		sim_frame_put(f);
}

static void happen(struct sim_net *net, struct sim_event *ev)
{
	struct sim_port *p = &net->port[ev->port];

	switch (ev->kind) {
	case SIM_EV_SENT:
		if (p->shm && ev->n_pieces) {
			check_unchanged(p, ev);
			sim_complete(p, ev->pieces, ev->n_pieces);
		}
		break;
	case SIM_EV_ARRIVED:
		arrived(net, ev->port, ev->frame);
		break;
	}
	sim_frame_put(ev->frame);
	free(ev->pieces);
}

void sim_advance(struct sim_net *net, uint64_t now_ns)
{
	while (net->n_events && net->heap[0].at <= now_ns) {
		struct sim_event ev = event_take(net);

		if (ev.at > net->now_ns)
			net->now_ns = ev.at;
		happen(net, &ev);
	}
	if (now_ns > net->now_ns)
		net->now_ns = now_ns;
}

uint64_t sim_next_ns(const struct sim_net *net)
{
	return net->n_events ? net->heap[0].at : UINT64_MAX;
}

uint64_t sim_now_ns(const struct sim_net *net)
{
	return net->now_ns;
}

const struct sim_stats *sim_stats(const struct sim_net *net, unsigned port)
{
	return &net->port[port].stats;
}

void sim_link_set(struct sim_net *net, unsigned port, const struct sim_link *link)
{
	net->port[port].link = *link;
}

void sim_hook_set(struct sim_net *net, unsigned port, sim_hook_fn *fn, void *arg)
{
	net->port[port].hook = fn;
	net->port[port].hook_arg = arg;
}

int sim_net_create(unsigned n_ports, uint64_t seed, struct sim_net **out)
{
	struct sim_net *net;
	unsigned i;

	if (!n_ports || n_ports > SIM_PORTS_MAX)
		return -EINVAL;
	net = calloc(1, sizeof(*net) + n_ports * sizeof(net->port[0]));
	if (!net)
		return -ENOMEM;
	net->rng = seed;
	net->n_ports = n_ports;
	for (i = 0; i < n_ports; i++) {
		net->port[i].net = net;
		net->port[i].index = i;
	}
	*out = net;
	return 0;
}

void sim_net_destroy(struct sim_net *net)
{
	size_t i;
	unsigned j;

	if (!net)
		return;
	for (i = 0; i < net->n_events; i++) {
		sim_frame_put(net->heap[i].frame);
		free(net->heap[i].pieces);
	}
	for (j = 0; j < net->n_ports; j++) {
		free(net->port[j].fill);
		free(net->port[j].comp);
		free(net->port[j].rx);
		free(net->port[j].tx);
	}
	if (net->pcap)
		fclose(net->pcap);
	free(net->heap);
	free(net);
}
