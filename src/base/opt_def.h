/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * opt_def.h - the table of options: every EF_ name, once
 *
 * Included several times with different macros, which make the fields of
 * struct opts, the enum, the descriptions and the manual's table.  So there is
 * no include guard.
 *
 *	OPT_GROUP(ID, title)
 *	OPT_INT(NAME, field, default, min, max, unit, status, help)
 *	OPT_BOOL(NAME, field, default, status, help)
 *	OPT_HEX(NAME, field, default, max, status, help)
 *	OPT_STR(NAME, field, default, size, status, help)
 *
 * The variable is EF_NAME.  A string's size counts its closing 0.  WORKS says
 * that the field is used; NOEFFECT that the name is known and its value checked,
 * but nothing follows from it.  Change the word in the commit that makes it true.
 */

OPT_GROUP(SPIN, "Spinning and locking")
OPT_INT(POLL_USEC, poll_usec, 0, -1, INT32_MAX, "us", WORKS,
	"spin this long in blocking calls before sleeping (-1: for ever); also sets "
	"EF_SPIN_USEC and turns on spinning in UDP and TCP receive and send, select, "
	"poll and epoll")
OPT_INT(SPIN_USEC, spin_usec, 0, -1, INT32_MAX, "us", WORKS,
	"how long a call that may spin does so (-1: for ever)")
OPT_INT(SLEEP_SPIN_USEC, sleep_spin_usec, 0, 0, INT32_MAX, "us", NOEFFECT,
	"sleep between spin iterations to save CPU (mode-3 epoll_wait only)")
OPT_INT(BUZZ_USEC, buzz_usec, 0, -1, INT32_MAX, "us", NOEFFECT,
	"how long to spin for a contended lock (-1 forever)")
OPT_BOOL(SOCK_LOCK_BUZZ, sock_lock_buzz, 0, NOEFFECT,
	"spin for the per-socket lock")
OPT_BOOL(STACK_LOCK_BUZZ, stack_lock_buzz, 0, NOEFFECT,
	"spin for the per-stack lock")
OPT_BOOL(SELECT_SPIN, select_spin, 0, WORKS,
	"spin in select()/pselect()")
OPT_BOOL(POLL_SPIN, poll_spin, 0, WORKS,
	"spin in poll()/ppoll()")
OPT_BOOL(EPOLL_SPIN, epoll_spin, 0, WORKS,
	"spin in epoll_wait()")
OPT_BOOL(UDP_RECV_SPIN, udp_recv_spin, 0, WORKS,
	"spin in blocking UDP receive")
OPT_BOOL(UDP_SEND_SPIN, udp_send_spin, 0, WORKS,
	"spin in blocking UDP send")
OPT_BOOL(TCP_RECV_SPIN, tcp_recv_spin, 0, WORKS,
	"spin in blocking TCP receive")
OPT_BOOL(TCP_SEND_SPIN, tcp_send_spin, 0, WORKS,
	"spin in blocking TCP send (window/buffer)")
OPT_BOOL(TCP_ACCEPT_SPIN, tcp_accept_spin, 0, WORKS,
	"spin in blocking accept()")
OPT_BOOL(TCP_CONNECT_SPIN, tcp_connect_spin, 0, WORKS,
	"spin in blocking connect()")
OPT_BOOL(PIPE_RECV_SPIN, pipe_recv_spin, 0, NOEFFECT,
	"spin in accelerated-pipe read")
OPT_BOOL(PIPE_SEND_SPIN, pipe_send_spin, 0, NOEFFECT,
	"spin in accelerated-pipe write")
OPT_BOOL(PKT_WAIT_SPIN, pkt_wait_spin, 0, NOEFFECT,
	"spin while waiting for a free packet buffer")
OPT_BOOL(SO_BUSY_POLL_SPIN, so_busy_poll_spin, 0, NOEFFECT,
	"as Linux: spin in poll/select/epoll only if the set contains a socket with "
	"SO_BUSY_POLL set")
OPT_INT(POLL_FAST_USEC, poll_fast_usec, 32, 0, INT32_MAX, "us", WORKS,
	"while spinning in poll(), look only at accelerated fds for this long before "
	"asking the kernel about the others")
OPT_INT(POLL_NONBLOCK_FAST_USEC, poll_nonblock_fast_usec, 200, 0, INT32_MAX, "us", WORKS,
	"with poll(timeout=0), ask the kernel about non-accelerated fds at most every N "
	"us")
OPT_INT(SELECT_FAST_USEC, select_fast_usec, 32, 0, INT32_MAX, "us", WORKS,
	"as EF_POLL_FAST_USEC for select()")
OPT_INT(SELECT_NONBLOCK_FAST_USEC, select_nonblock_fast_usec, 200, 0, INT32_MAX, "us", WORKS,
	"as EF_POLL_NONBLOCK_FAST_USEC for select()")
OPT_INT(DEFER_WORK_LIMIT, defer_work_limit, 32, 0, INT32_MAX, "", NOEFFECT,
	"how many work items may be queued to the lock holder before a thread must "
	"block for the lock")

OPT_GROUP(POLL, "select / poll / epoll")
OPT_BOOL(UL_SELECT, ul_select, 1, NOEFFECT,
	"handle select() at user level (always on)")
OPT_BOOL(UL_POLL, ul_poll, 1, NOEFFECT,
	"handle poll() (and pselect/ppoll) at user level (always on)")
OPT_BOOL(SELECT_FAST, select_fast, 1, WORKS,
	"a select() that spins returns as soon as an accelerated fd is ready, without "
	"asking the kernel about the rest")
OPT_BOOL(POLL_FAST, poll_fast, 1, WORKS,
	"same for poll(); and epoll_wait() with accelerated members ready asks the kernel "
	"about the others every EF_POLL_FAST_USEC only")
OPT_INT(UL_EPOLL, ul_epoll, 1, 0, 3, "", WORKS,
	"epoll: 0 kernel, 1 to 3 user level")
OPT_BOOL(EPOLL_CTL_FAST, epoll_ctl_fast, 1, NOEFFECT,
	"defer epoll_ctl() kernel calls until epoll_wait() blocks")
OPT_BOOL(EPOLL_CTL_HANDOFF, epoll_ctl_handoff, 1, NOEFFECT,
	"pass epoll_ctl() to the thread that holds the set lock (modes 1, 3)")
OPT_BOOL(EPOLL_MT_SAFE, epoll_mt_safe, 0, NOEFFECT,
	"caller promises no concurrent use of an epoll set: drop its locking")
OPT_BOOL(WODA_SINGLE_INTERFACE, woda_single_interface, 0, NOEFFECT,
	"ordered epoll: only order traffic within one interface (lower latency)")

OPT_GROUP(PROCESS, "Processes, fds, signals")
OPT_HEX(FORK_NETIF, fork_netif, 0x3, 0x3, NOEFFECT,
	"after fork(): who gets a new stack for new sockets: 0 none, 1 child, 2 parent, "
	"3 both")
OPT_INT(VFORK_MODE, vfork_mode, 1, 0, 2, "", NOEFFECT,
	"0 vfork->fork; 1 vfork->fork with parent blocked till exec/exit; 2 real vfork "
	"(child must not create sockets)")
OPT_HEX(NETIF_DTOR, netif_dtor, 0x1, 0x2, NOEFFECT,
	"when to destroy a stack whose last socket closed: 0 never, 1 only if shared, 2 "
	"always")
OPT_BOOL(PROBE, probe, 1, WORKS,
	"on first use of an inherited/unknown fd ask whether it is an Onload fd and map "
	"its stack (exec, SCM_RIGHTS)")
OPT_INT(FDTABLE_SIZE, fdtable_size, 0, 0, INT32_MAX, "", WORKS,
	"highest number of file descriptors tracked (0: the hard limit)")
OPT_BOOL(FDTABLE_STRICT, fdtable_strict, 0, NOEFFECT,
	"stricter locking of the fd table (needed with racy dup2/close)")
OPT_BOOL(FDS_MT_SAFE, fds_mt_safe, 1, NOEFFECT,
	"app promises not to change an fd in one thread while another uses it -> skip "
	"atomic ref-counting")
OPT_INT(ONLOAD_FD_BASE, onload_fd_base, 4, 0, INT32_MAX, "", NOEFFECT,
	"try to keep internal fds at or above this number")
OPT_STR(SIGNALS_NOPOSTPONE, signals_nopostpone, "4,7,8,11,27", 128, WORKS,
	"signals whose handlers run immediately even inside the library (comma list of "
	"numbers)")
OPT_BOOL(SA_ONSTACK_INTERCEPT, sa_onstack_intercept, 0, NOEFFECT,
	"also defer handlers installed with SA_ONSTACK")
OPT_BOOL(ACCEPT_INHERIT_NONBLOCK, accept_inherit_nonblock, 0, NOEFFECT,
	"accepted sockets inherit O_NONBLOCK from the listener (BSD style)")
OPT_INT(PIPE, pipe, 2, 0, 2, "", NOEFFECT,
	"accelerate pipes: 0 no, 1 always, 2 only once a stack exists")
OPT_INT(PIPE_SIZE, pipe_size, 235520, 1, INT32_MAX, "bytes", NOEFFECT,
	"default accelerated pipe capacity")
OPT_BOOL(LOAD_ENV, load_env, 1, WORKS,
	"0 = ignore every other EF_ variable")
OPT_BOOL(VALIDATE_ENV, validate_env, 1, WORKS,
	"warn about unknown EF_ names")
OPT_BOOL(NO_FAIL, no_fail, 1, WORKS,
	"0: an accelerated socket that cannot be made is an error; 1: it stays on the "
	"kernel and the reason is recorded")
OPT_BOOL(NO_PRELOAD_RESTORE, no_preload_restore, 0, WORKS,
	"1: do not put LD_PRELOAD and EF_ variables back into the environment on exec")
OPT_STR(LD_PRELOAD, ld_preload, "", 256, NOEFFECT,
	"if set, add this library to the saved LD_PRELOAD for children")

OPT_GROUP(STACK, "Stack naming, sharing, clustering, which sockets/interfaces")
OPT_STR(NAME, name, "", 17, WORKS,
	"name of the stack to make or to join, up to 16 characters")
OPT_BOOL(STACK_PER_THREAD, stack_per_thread, 0, NOEFFECT,
	"each thread's sockets go to its own stack: refused with a warning, since an "
	"interface's queues belong to one stack")
OPT_BOOL(DONT_ACCELERATE, dont_accelerate, 0, WORKS,
	"default to no acceleration; opt in with onload_set_stackname()")
OPT_INT(SHARE_WITH, share_with, 0, -1, INT32_MAX, "uid", NOEFFECT,
	"uid allowed to map this stack (-1 any, 0 owner+root only); non-zero disables "
	"huge pages")
OPT_STR(INTERFACE_WHITELIST, interface_whitelist, "", 256, WORKS,
	"space-separated interfaces to use (bond/VLAN names allowed, resolved to ports)")
OPT_STR(INTERFACE_BLACKLIST, interface_blacklist, "", 256, WORKS,
	"interfaces not to use; wins over whitelist")
OPT_BOOL(NO_HW, no_hw, 0, NOEFFECT,
	"no NIC resources: only local/loopback acceleration, remote -> kernel")
OPT_BOOL(TCP, tcp, 1, WORKS,
	"accelerate TCP sockets")
OPT_BOOL(UDP, udp, 1, WORKS,
	"accelerate UDP sockets")
OPT_STR(CLUSTER_NAME, cluster_name, "", 14, NOEFFECT,
	"name of the SO_REUSEPORT cluster (<=13 chars); stacks are <name>-c<i>")
OPT_INT(CLUSTER_SIZE, cluster_size, 0, 0, INT32_MAX, "", NOEFFECT,
	"number of stacks in a cluster; 0 = clustering off (SO_REUSEPORT then not "
	"spread by hardware)")
OPT_BOOL(CLUSTER_RESTART, cluster_restart, 0, NOEFFECT,
	"if the cluster is full of orphans: 0 fail, 1 kill the orphan stacks")
OPT_BOOL(CLUSTER_HOT_RESTART, cluster_hot_restart, 0, NOEFFECT,
	"let two processes per stack bind the same port so a new instance can take over "
	"seamlessly")
OPT_BOOL(CLUSTER_IGNORE, cluster_ignore, 1, NOEFFECT,
	"deprecated: ignore clustering")
OPT_STR(TCP_FORCE_REUSEPORT, tcp_force_reuseport, "", 128, NOEFFECT,
	"ports for which SO_REUSEPORT is applied automatically (TCP)")
OPT_STR(UDP_FORCE_REUSEPORT, udp_force_reuseport, "", 128, NOEFFECT,
	"same for UDP")
OPT_BOOL(TCP_LISTEN_HANDOVER, tcp_listen_handover, 0, NOEFFECT,
	"hand listening sockets to the kernel")
OPT_BOOL(TCP_CONNECT_HANDOVER, tcp_connect_handover, 0, NOEFFECT,
	"hand active-open TCP to the kernel")
OPT_INT(UDP_CONNECT_HANDOVER, udp_connect_handover, 1, 0, 2, "", NOEFFECT,
	"connect() to a non-acceleratable address: 0 keep, 1 hand over, 2 always hand "
	"over")
OPT_INT(UDP_PORT_HANDOVER_MIN, udp_port_handover_min, 2, 0, 65535, "port", NOEFFECT,
	"a UDP bind to a port in MIN..MAX goes to the kernel (empty when MIN > MAX)")
OPT_INT(UDP_PORT_HANDOVER_MAX, udp_port_handover_max, 1, 0, 65535, "port", NOEFFECT,
	"end of that range")
OPT_INT(UDP_PORT_HANDOVER2_MIN, udp_port_handover2_min, 2, 0, 65535, "port", NOEFFECT,
	"second range")
OPT_INT(UDP_PORT_HANDOVER2_MAX, udp_port_handover2_max, 1, 0, 65535, "port", NOEFFECT,
	"second range")
OPT_INT(UDP_PORT_HANDOVER3_MIN, udp_port_handover3_min, 2, 0, 65535, "port", NOEFFECT,
	"third range")
OPT_INT(UDP_PORT_HANDOVER3_MAX, udp_port_handover3_max, 1, 0, 65535, "port", NOEFFECT,
	"third range")
OPT_BOOL(BINDTODEVICE_HANDOVER, bindtodevice_handover, 0, NOEFFECT,
	"SO_BINDTODEVICE sockets -> kernel")
OPT_BOOL(UNCONFINE_SYN, unconfine_syn, 1, NOEFFECT,
	"accept connections crossing private-network boundaries")
OPT_INT(SYNC_CPLANE_AT_CREATE, sync_cplane_at_create, 1, 0, 2, "", NOEFFECT,
	"control-plane sync at stack creation: 0 none, 1 light, 2 full dump")
OPT_STR(SCALABLE_FILTERS, scalable_filters, "", 128, NOEFFECT,
	"if=mode[:mode]: one MAC-level filter instead of per-socket filters (modes rss, "
	"passive, active, transparent_active; any interface)")
OPT_INT(SCALABLE_FILTERS_ENABLE, scalable_filters_enable, 0, 0, 2, "", NOEFFECT,
	"turn scalable filters on; 2 = master/worker mode")
OPT_INT(SCALABLE_FILTERS_MODE, scalable_filters_mode, -1, -1, INT32_MAX, "", NOEFFECT,
	"mode if not given in EF_SCALABLE_FILTERS")
OPT_INT(SCALABLE_FILTERS_IFINDEX_ACTIVE, scalable_filters_ifindex_active, 0, 0, INT32_MAX,
	"", NOEFFECT,
	"derived, not set by users")
OPT_INT(SCALABLE_FILTERS_IFINDEX_PASSIVE, scalable_filters_ifindex_passive, 0, 0, INT32_MAX,
	"", NOEFFECT,
	"derived, not set by users")
OPT_INT(SCALABLE_LISTEN_MODE, scalable_listen_mode, 0, 0, 1, "", NOEFFECT,
	"0 also listen in kernel for other interfaces, 1 refuse them")
OPT_BOOL(SCALABLE_ACTIVE_WILDS_NEED_FILTER, scalable_active_wilds_need_filter, 0, NOEFFECT,
	"install a filter per shared local port")

OPT_GROUP(UDP, "UDP and multicast")
OPT_BOOL(MCAST_RECV, mcast_recv, 1, WORKS,
	"accelerate multicast receive")
OPT_INT(MCAST_SEND, mcast_send, 0, 0, 3, "", WORKS,
	"multicast is looped back to: 0, when set, nobody (sent without looking for members "
	"on this host); 1 to 3 as IP_MULTICAST_LOOP says")
OPT_BOOL(MCAST_RECV_HW_LOOP, mcast_recv_hw_loop, 1, NOEFFECT,
	"accept multicast looped back by the adapter from other stacks")
OPT_BOOL(FORCE_SEND_MULTICAST, force_send_multicast, 1, NOEFFECT,
	"accelerate multicast sends even with IP_MULTICAST_LOOP on (kills loopback to "
	"non-sharing local receivers)")
OPT_BOOL(MULTICAST_LOOP_OFF, multicast_loop_off, 1, WORKS,
	"deprecated alias: 0 => EF_MCAST_SEND=1")
OPT_INT(MCAST_JOIN_HANDOVER, mcast_join_handover, 0, 0, 2, "", NOEFFECT,
	"join on a non-accelerated interface: 0 keep, 1 hand over; 2 always hand over "
	"on join")
OPT_BOOL(MCAST_JOIN_BINDTODEVICE, mcast_join_bindtodevice, 0, NOEFFECT,
	"bind the socket to the interface it joined on (dropped if it joins on a "
	"second)")
OPT_BOOL(UDP_SEND_UNLOCKED, udp_send_unlocked, 1, NOEFFECT,
	"UDP send without the stack lock for concurrency")
OPT_INT(UDP_SEND_UNLOCK_THRESH, udp_send_unlock_thresh, 1500, 0, INT32_MAX, "bytes", NOEFFECT,
	"below this size take the stack lock early")
OPT_INT(UDP_SNDBUF, udp_sndbuf, 0, 0, INT32_MAX, "bytes", NOEFFECT,
	"override SO_SNDBUF for UDP (real size doubled)")
OPT_INT(UDP_RCVBUF, udp_rcvbuf, 0, 0, INT32_MAX, "bytes", WORKS,
	"override SO_RCVBUF for UDP (real size doubled)")
OPT_BOOL(UDP_SEND_NONBLOCK_NO_PACKETS_MODE, udp_send_nonblock_no_packets_mode, 0, NOEFFECT,
	"non-blocking send with no packet buffers: 0 block, 1 ENOBUFS")
OPT_INT(ICMP_PKTS, icmp_pkts, 64, 0, INT32_MAX, "packets", NOEFFECT,
	"queue limit of ICMP errors per stack")
OPT_INT(AUTO_FLOWLABELS, auto_flowlabels, 1, 0, 3, "", NOEFFECT,
	"IPv6 flow-label policy 0 off / 1 opt-out / 2 opt-in / 3 forced")

OPT_GROUP(MEMORY, "Packet memory and stack resources")
OPT_INT(MAX_PACKETS, max_packets, 32768, 1024, 16777216, "packets", WORKS,
	"packet buffers per stack")
OPT_INT(MAX_RX_PACKETS, max_rx_packets, 24576, 0, 16777216, "packets", NOEFFECT,
	"cap on buffers held by receive path")
OPT_INT(MAX_TX_PACKETS, max_tx_packets, 24576, 0, 16777216, "packets", NOEFFECT,
	"cap on buffers held by transmit path")
OPT_INT(MIN_FREE_PACKETS, min_free_packets, 100, 0, 16777216, "packets", NOEFFECT,
	"free buffers that must exist at stack creation")
OPT_BOOL(PREALLOC_PACKETS, prealloc_packets, 0, NOEFFECT,
	"allocate all EF_MAX_PACKETS up front")
OPT_INT(PREFAULT_PACKETS, prefault_packets, 1, 0, 16777216, "packets", NOEFFECT,
	"touch/mmap this many extra buffers at creation")
OPT_INT(FREE_PACKETS_LOW_WATERMARK, free_packets_low_watermark, 0, 0, 16777216, "packets", NOEFFECT,
	"keep at least this many buffers free at run time")
OPT_INT(USE_HUGE_PAGES, use_huge_pages, 1, 0, 2, "", NOEFFECT,
	"huge pages for the stack: 0 no, 1 try, 2 require")
OPT_INT(COMPOUND_PAGES_MODE, compound_pages_mode, 0, 0, 2, "", NOEFFECT,
	"debug: kernel page allocation style")
OPT_INT(PACKET_BUFFER_MODE, packet_buffer_mode, 0, 0, 3, "", NOEFFECT,
	"0 buffer table, 2 physical addressing")
OPT_INT(MAX_ENDPOINTS, max_endpoints, 65536, 16, 2097152, "sockets", WORKS,
	"sockets per stack (rounded up to a power of two)")
OPT_INT(ENDPOINT_PACKET_RESERVE, endpoint_packet_reserve, 0, 0, INT32_MAX, "packets", NOEFFECT,
	"buffers guaranteed per TCP socket")
OPT_INT(DEFER_ARP_MAX, defer_arp_max, 128, 0, INT32_MAX, "packets", NOEFFECT,
	"packets held while a MAC address is resolved")
OPT_INT(DEFER_ARP_TIMEOUT, defer_arp_timeout, 60, 1, INT32_MAX, "s", NOEFFECT,
	"how long to hold them")

OPT_GROUP(RINGS, "Rings, polling, interrupts")
OPT_INT(RXQ_SIZE, rxq_size, -1, -1, 65536, "entries", WORKS,
	"receive ring entries")
OPT_INT(TXQ_SIZE, txq_size, -1, -1, 65536, "entries", WORKS,
	"transmit ring entries")
OPT_INT(RXQ_LIMIT, rxq_limit, 65535, 1, 65535, "entries", NOEFFECT,
	"max RX ring fill level")
OPT_INT(RXQ_MIN, rxq_min, 256, 1, 65535, "entries", NOEFFECT,
	"min initial RX fill or creation fails")
OPT_INT(EVS_PER_POLL, evs_per_poll, 64, 1, 4096, "events", WORKS,
	"events handled per poll")
OPT_INT(SEND_POLL_THRESH, send_poll_thresh, 64, 0, 65535, "sends", NOEFFECT,
	"poll for events after this many sends")
OPT_INT(SEND_POLL_MAX_EVS, send_poll_max_evs, 96, 1, 65535, "events", NOEFFECT,
	"event budget of that poll")
OPT_BOOL(POLL_ON_DEMAND, poll_on_demand, 1, NOEFFECT,
	"poll the NIC from application calls")
OPT_BOOL(INT_DRIVEN, int_driven, 1, NOEFFECT,
	"keep interrupts enabled rather than by heuristics")
OPT_BOOL(INT_REPRIME, int_reprime, 0, NOEFFECT,
	"re-enable interrupts more aggressively")
OPT_INT(HELPER_USEC, helper_usec, 500, 0, INT32_MAX, "us", NOEFFECT,
	"count-down interrupt timer if the app stops polling")
OPT_INT(HELPER_PRIME_USEC, helper_prime_usec, 250, 0, INT32_MAX, "us", NOEFFECT,
	"how often to reset that timer")
OPT_INT(PERIODIC_TIMER_CPU, periodic_timer_cpu, -1, -1, INT32_MAX, "cpu", NOEFFECT,
	"CPU for background (90 ms) polling work")
OPT_INT(IRQ_CORE, irq_core, -1, -1, INT32_MAX, "cpu", NOEFFECT,
	"CPU for this stack's interrupts")
OPT_INT(IRQ_CHANNEL, irq_channel, -1, -1, INT32_MAX, "queue", NOEFFECT,
	"net-driver channel/queue used; on AF_XDP this picks the RX queue")
OPT_STR(ONLOAD_IRQ_CORES, onload_irq_cores, "", 128, NOEFFECT,
	"CPU mask hint for Onload-managed IRQs")
OPT_INT(SHARED_RXQ_NUM, shared_rxq_num, -1, -1, INT32_MAX, "queue", NOEFFECT,
	"X3 shared receive queue number")
OPT_BOOL(TX_PUSH, tx_push, 1, NOEFFECT,
	"push descriptors with doorbell (low latency)")
OPT_INT(TX_PUSH_THRESHOLD, tx_push_threshold, 100, 0, 65535, "sends", NOEFFECT,
	"stop pushing beyond this many outstanding sends")
OPT_BOOL(HIGH_THROUGHPUT_MODE, high_throughput_mode, 0, NOEFFECT,
	"RX event merging: throughput over latency")
OPT_INT(KERNEL_PACKETS_BATCH_SIZE, kernel_packets_batch_size, 1, 0, 64, "packets", NOEFFECT,
	"batch for packets reinjected into the kernel")
OPT_INT(KERNEL_PACKETS_TIMER_USEC, kernel_packets_timer_usec, 500, 0, INT32_MAX, "us", NOEFFECT,
	"max delay of that batch")
OPT_BOOL(POLL_IN_KERNEL, poll_in_kernel, 0, NOEFFECT,
	"poll event queue through the kernel")
OPT_STR(XDP_MODE, xdp_mode, "disabled", 16, NOEFFECT,
	"run the NIC's attached XDP program on accelerated packets")
OPT_BOOL(AF_XDP_ZEROCOPY, af_xdp_zerocopy, 0, WORKS,
	"bind AF_XDP sockets in zero-copy mode (else copy mode)")
OPT_BOOL(ENABLE_TX_ERROR_RECOVERY, enable_tx_error_recovery, 1, NOEFFECT,
	"rebuild a TX queue after a transmit error")

OPT_GROUP(TCP, "TCP behaviour")
OPT_INT(FORCE_TCP_NODELAY, force_tcp_nodelay, 0, 0, 2, "", WORKS,
	"0 leave, 1 always NODELAY, 2 never")
OPT_INT(NONAGLE_INFLIGHT_MAX, nonagle_inflight_max, 50, -1, 65535, "packets", NOEFFECT,
	"with TCP_NODELAY, start Nagling again above this many packets in flight "
	"(65535/-1 = never)")
OPT_INT(DELACK_THRESH, delack_thresh, 1, 0, 65535, "segments", WORKS,
	"segments that may be received before an ACK (0 = no delayed ACK)")
OPT_INT(DYNAMIC_ACK_THRESH, dynamic_ack_thresh, 16, 0, 65535, "segments", NOEFFECT,
	"adaptive ACK rate upper limit (0 = standard); forced >= DELACK_THRESH")
OPT_INT(TCP_FASTSTART_INIT, tcp_faststart_init, 65536, 0, INT32_MAX, "bytes", NOEFFECT,
	"bytes on a new connection during which every segment is ACKed")
OPT_INT(TCP_FASTSTART_IDLE, tcp_faststart_idle, 65536, 0, INT32_MAX, "bytes", NOEFFECT,
	"same after idle")
OPT_INT(TCP_FASTSTART_LOSS, tcp_faststart_loss, 65536, 0, INT32_MAX, "bytes", NOEFFECT,
	"same after loss")
OPT_INT(TCP_INITIAL_CWND, tcp_initial_cwnd, 0, 0, INT32_MAX, "bytes", WORKS,
	"initial congestion window (0: RFC 6928)")
OPT_INT(TCP_MIN_CWND, tcp_min_cwnd, 0, 0, INT32_MAX, "bytes", NOEFFECT,
	"floor for the congestion window")
OPT_INT(TCP_LOSS_MIN_CWND, tcp_loss_min_cwnd, 0, 0, INT32_MAX, "bytes", NOEFFECT,
	"deprecated floor after loss")
OPT_INT(CONG_AVOID_SCALE_BACK, cong_avoid_scale_back, 0, 0, INT32_MAX, "", NOEFFECT,
	"slow down congestion-window growth")
OPT_INT(CONG_NOTIFY_THRESH, cong_notify_thresh, 24, 0, INT32_MAX, "", NOEFFECT,
	"TX-queue use that triggers burst control")
OPT_INT(BURST_CONTROL_LIMIT, burst_control_limit, 0, 0, INT32_MAX, "bytes", NOEFFECT,
	"max bytes sent in one burst")
OPT_BOOL(TCP_COMBINE_SENDS_MODE, tcp_combine_sends_mode, 0, NOEFFECT,
	"0 fill the last packet, 1 new packet per send()")
OPT_HEX(TCP_SYN_OPTS, tcp_syn_opts, 0x7, 0xf, NOEFFECT,
	"SYN options mask 1 timestamps, 2 window scale, 4 SACK, 8 ECN (ECN not "
	"implemented)")
OPT_INT(TCP_TSOPT_MODE, tcp_tsopt_mode, 2, 0, 2, "", NOEFFECT,
	"TCP timestamps 0 off / 1 on / 2 sysctl")
OPT_INT(TCP_ADV_WIN_SCALE_MAX, tcp_adv_win_scale_max, 14, 0, 14, "", NOEFFECT,
	"max window scale advertised")
OPT_BOOL(USE_DSACK, use_dsack, 1, NOEFFECT,
	"send duplicate-SACK")
OPT_BOOL(TCP_EARLY_RETRANSMIT, tcp_early_retransmit, 1, NOEFFECT,
	"RFC 5827 + RFC 3042")
OPT_BOOL(TAIL_DROP_PROBE, tail_drop_probe, 1, NOEFFECT,
	"tail loss probe")
OPT_BOOL(TCP_SYNCOOKIES, tcp_syncookies, 0, NOEFFECT,
	"SYN cookies")
OPT_BOOL(TCP_RST_DELAYED_CONN, tcp_rst_delayed_conn, 0, NOEFFECT,
	"reset instead of retransmitting late data")
OPT_STR(TCP_URG_MODE, tcp_urg_mode, "ignore", 16, NOEFFECT,
	"allow / ignore urgent data")
OPT_BOOL(URG_RFC, urg_rfc, 0, NOEFFECT,
	"urgent pointer RFC1122 (1) or BSD (0)")
OPT_BOOL(TCP_TIME_WAIT_ASSASSINATION, tcp_time_wait_assassination, 1, NOEFFECT,
	"allow RST to kill TIME_WAIT")
OPT_INT(INVALID_ACK_RATELIMIT, invalid_ack_ratelimit, 500, 0, INT32_MAX, "ms", NOEFFECT,
	"rate limit of ACKs to bad segments, per socket")
OPT_INT(TCP_RST_COOLDOWN, tcp_rst_cooldown, 0, 0, INT32_MAX, "us", NOEFFECT,
	"min gap between RSTs to one peer")
OPT_INT(ACCEPTQ_MIN_BACKLOG, acceptq_min_backlog, 1, 0, INT32_MAX, "connections", WORKS,
	"minimum listen() backlog")
OPT_INT(ACCEPTQ_MAX_BACKLOG, acceptq_max_backlog, 4096, 0, INT32_MAX, "connections", NOEFFECT,
	"maximum listen() backlog")
OPT_INT(TCP_BACKLOG_MAX, tcp_backlog_max, 256, 1, INT32_MAX, "connections", NOEFFECT,
	"half-open connections per listener")
OPT_INT(TCP_SYNRECV_MAX, tcp_synrecv_max, 1024, 1, INT32_MAX, "connections", NOEFFECT,
	"half-open connections per stack")
OPT_STR(TCP_ISN_MODE, tcp_isn_mode, "clocked+cache", 32, NOEFFECT,
	"ISN choice; +cache remembers last seq of closed 4-tuples")
OPT_INT(TCP_ISN_CACHE_SIZE, tcp_isn_cache_size, 0, 0, INT32_MAX, "entries", NOEFFECT,
	"size of that cache (0: automatic)")
OPT_BOOL(TCP_ISN_INCLUDE_PASSIVE, tcp_isn_include_passive, 0, NOEFFECT,
	"also remember passive connections")
OPT_INT(TCP_ISN_2MSL, tcp_isn_2msl, 240, 0, INT32_MAX, "s", NOEFFECT,
	"how long a peer is assumed to stay in TIME_WAIT")
OPT_INT(TCP_ISN_OFFSET, tcp_isn_offset, 65537, 1, INT32_MAX, "", NOEFFECT,
	"sequence step between incarnations")
OPT_INT(TCP_SHARED_LOCAL_PORTS, tcp_shared_local_ports, 0, 0, INT32_MAX, "ports", NOEFFECT,
	"share N local ports among active opens (one wild filter per port)")
OPT_INT(TCP_SHARED_LOCAL_PORTS_MAX, tcp_shared_local_ports_max, 100, 0, INT32_MAX,
	"ports", NOEFFECT,
	"most shared local ports")
OPT_INT(TCP_SHARED_LOCAL_PORTS_STEP, tcp_shared_local_ports_step, 1, 1, INT32_MAX,
	"ports", NOEFFECT,
	"ports added to the shared pool at a time")
OPT_BOOL(TCP_SHARED_LOCAL_PORTS_PER_IP, tcp_shared_local_ports_per_ip, 0, NOEFFECT,
	"one shared pool for each local address")
OPT_INT(TCP_SHARED_LOCAL_PORTS_PER_IP_MAX, tcp_shared_local_ports_per_ip_max, 0, 0, INT32_MAX,
	"ports", NOEFFECT,
	"most shared ports for an address (0: no limit)")
OPT_BOOL(TCP_SHARED_LOCAL_PORTS_NO_FALLBACK, tcp_shared_local_ports_no_fallback, 0, NOEFFECT,
	"fail connect() when the pool is exhausted")
OPT_BOOL(TCP_SHARED_LOCAL_PORTS_REUSE_FAST, tcp_shared_local_ports_reuse_fast, 0, NOEFFECT,
	"reuse a port at once when closed via LAST-ACK")
OPT_INT(SOCKET_CACHE_MAX, socket_cache_max, 0, 0, INT32_MAX, "sockets", NOEFFECT,
	"cache this many closed TCP sockets per stack for fast reuse (needs "
	"EF_UL_EPOLL=3, EF_FDS_MT_SAFE=1, no fork)")
OPT_INT(PER_SOCKET_CACHE_MAX, per_socket_cache_max, -1, -1, INT32_MAX, "sockets", NOEFFECT,
	"most cached sockets of a listener (-1: EF_SOCKET_CACHE_MAX)")
OPT_STR(SOCKET_CACHE_PORTS, socket_cache_ports, "", 128, NOEFFECT,
	"only cache sockets on these ports")
OPT_INT(TCP_SERVER_LOOPBACK, tcp_server_loopback, 0, 0, 2, "", NOEFFECT,
	"accelerated loopback, server side 0/1 same stack/2 allow alien")
OPT_INT(TCP_CLIENT_LOOPBACK, tcp_client_loopback, 0, 0, 4, "", NOEFFECT,
	"client side 0/1 same stack/2 move server socket here/3 move to server's "
	"stack/4 new stack")

OPT_GROUP(TCP_BUFS, "TCP buffers and timers")
OPT_INT(TCP_SNDBUF, tcp_sndbuf, 0, 0, INT32_MAX, "bytes", WORKS,
	"override SO_SNDBUF (doubled like Linux)")
OPT_INT(TCP_RCVBUF, tcp_rcvbuf, 0, 0, INT32_MAX, "bytes", WORKS,
	"override SO_RCVBUF (doubled)")
OPT_INT(TCP_SNDBUF_MODE, tcp_sndbuf_mode, 1, 0, 2, "", NOEFFECT,
	"0 limit send queue only, 1 send+retransmit queue, 2 auto-size to peer window")
OPT_INT(TCP_RCVBUF_MODE, tcp_rcvbuf_mode, 0, 0, 1, "", NOEFFECT,
	"0 fixed, 1 auto-tune (DRS)")
OPT_BOOL(TCP_RCVBUF_STRICT, tcp_rcvbuf_strict, 0, NOEFFECT,
	"count packets too: defence against tiny-segment attack")
OPT_INT(TCP_SOCKBUF_MAX_FRACTION, tcp_sockbuf_max_fraction, 1, 1, 10, "", NOEFFECT,
	"auto modes: one socket may use at most MAX_*_PACKETS/2^N")
OPT_INT(TCP_SNDBUF_ESTABLISHED_DEFAULT, tcp_sndbuf_established_default, 131072, 0, INT32_MAX,
	"bytes", NOEFFECT,
	"clamp of OS default once established: [v,4v]")
OPT_INT(TCP_RCVBUF_ESTABLISHED_DEFAULT, tcp_rcvbuf_established_default, 131072, 0, INT32_MAX,
	"bytes", NOEFFECT,
	"same for receive")
OPT_BOOL(TCP_SEND_NONBLOCK_NO_PACKETS_MODE, tcp_send_nonblock_no_packets_mode, 0, NOEFFECT,
	"non-blocking send with no buffers: 0 block, 1 ENOBUFS")
OPT_INT(RFC_RTO_INITIAL, rfc_rto_initial, 1000, 1, 120000, "ms", WORKS,
	"initial RTO")
OPT_INT(RFC_RTO_MIN, rfc_rto_min, 200, 1, 120000, "ms", WORKS,
	"minimum RTO")
OPT_INT(RFC_RTO_MAX, rfc_rto_max, 120000, 1, 120000, "ms", WORKS,
	"maximum RTO")
OPT_INT(RETRANSMIT_THRESHOLD, retransmit_threshold, 15, 0, 255, "retries", WORKS,
	"RTOs before abort")
OPT_INT(RETRANSMIT_THRESHOLD_ORPHAN, retransmit_threshold_orphan, 8, 0, 255, "retries", WORKS,
	"same for orphaned connections")
OPT_INT(RETRANSMIT_THRESHOLD_SYN, retransmit_threshold_syn, 4, 0, 127, "retries", WORKS,
	"SYN retries")
OPT_INT(RETRANSMIT_THRESHOLD_SYNACK, retransmit_threshold_synack, 5, 0, 10, "retries", WORKS,
	"SYN-ACK retries")
OPT_INT(KEEPALIVE_TIME, keepalive_time, 7200000, 1, INT32_MAX, "ms", WORKS,
	"keepalive idle")
OPT_INT(KEEPALIVE_INTVL, keepalive_intvl, 75000, 1, INT32_MAX, "ms", WORKS,
	"keepalive interval")
OPT_INT(KEEPALIVE_PROBES, keepalive_probes, 9, 1, 255, "probes", WORKS,
	"keepalive probes")
OPT_INT(TCP_TCONST_MSL, tcp_tconst_msl, 25, 1, 3600, "s", WORKS,
	"MSL (TIME_WAIT = 2x)")
OPT_INT(TCP_FIN_TIMEOUT, tcp_fin_timeout, 60, 1, INT32_MAX, "s", WORKS,
	"orphan FIN_WAIT2 / zero-window close timeout")

OPT_GROUP(TSTAMP, "Timestamping")
OPT_INT(RX_TIMESTAMPING, rx_timestamping, 0, 0, 3, "", NOEFFECT,
	"hardware RX timestamps: 0 off, 1 try, 2 fail if capable but failed, 3 require")
OPT_INT(TX_TIMESTAMPING, tx_timestamping, 0, 0, 3, "", NOEFFECT,
	"hardware TX timestamps, same scale")
OPT_BOOL(TIMESTAMPING_REPORTING, timestamping_reporting, 0, NOEFFECT,
	"report translated stamps when 0 NIC clock set / 1 NIC and system clocks in "
	"sync")
OPT_STR(RX_TIMESTAMPING_ORDERING, rx_timestamping_ordering, "nic", 16, NOEFFECT,
	"source used for ordered delivery: nic / trailer (cpacket)")
OPT_STR(RX_TIMESTAMPING_TRAILER_FORMAT, rx_timestamping_trailer_format, "cpacket", 16, NOEFFECT,
	"cpacket / ttag / brcm trailer parser")

OPT_GROUP(LOG, "Logging and debug")
OPT_STR(LOG, log, "banner,resource_warnings,config_warnings,usage_warnings", 128, WORKS,
	"classes of messages: banner, resource_warnings, config_warnings, "
	"usage_warnings, conn_drop, more_config_warnings; a leading - removes one")
OPT_HEX(UNIX_LOG, unix_log, 0x3, UINT32_MAX, NOEFFECT,
	"bit mask of library trace classes")
OPT_INT(LOG_VIA_IOCTL, log_via_ioctl, -1, -1, 1, "", NOEFFECT,
	"1 system log, 0 standard error, -1 decided by what standard error is")
OPT_STR(LOG_FILE, log_file, "", 256, WORKS,
	"write messages to this file instead of standard error")
OPT_BOOL(LOG_TIMESTAMPS, log_timestamps, 0, NOEFFECT,
	"prefix log lines with time")
OPT_BOOL(LOG_THREAD, log_thread, 0, NOEFFECT,
	"prefix with thread id")
OPT_BOOL(CONFIG_DUMP, config_dump, 0, NOEFFECT,
	"print process options at start")
OPT_BOOL(DUMP_STACK_ON_EXIT, dump_stack_on_exit, 0, NOEFFECT,
	"dump state at exit")
OPT_HEX(TCP_RX_CHECKS, tcp_rx_checks, 0x0, UINT32_MAX, NOEFFECT,
	"debug consistency checks")
OPT_HEX(TCP_RX_LOG_FLAGS, tcp_rx_log_flags, 0x0, UINT32_MAX, NOEFFECT,
	"log segments with these TCP flags")
OPT_INT(TCP_MAX_SEQERR_MSGS, tcp_max_seqerr_msgs, -1, -1, INT32_MAX, "", NOEFFECT,
	"limit of sequence-error messages")
OPT_INT(RX_DROP_RATE, rx_drop_rate, 0, 0, INT32_MAX, "", NOEFFECT,
	"drop 1 in N received packets, to test loss")
OPT_BOOL(POISON_RX_BUF, poison_rx_buf, 0, NOEFFECT,
	"poison freed buffers")

OPT_GROUP(OTHER, "Solarflare hardware, development, removed features")
OPT_BOOL(PIO, pio, 1, NOEFFECT,
	"programmed I/O sends")
OPT_INT(PIO_THRESHOLD, pio_threshold, 1514, 0, 65535, "bytes", NOEFFECT,
	"max PIO packet")
OPT_BOOL(CTPIO, ctpio, 1, NOEFFECT,
	"cut-through PIO")
OPT_STR(CTPIO_MODE, ctpio_mode, "sf-np", 16, NOEFFECT,
	"sf / sf-np / ct")
OPT_INT(CTPIO_MAX_FRAME_LEN, ctpio_max_frame_len, 500, 0, 65535, "bytes", NOEFFECT,
	"max CTPIO frame")
OPT_INT(CTPIO_CT_THRESH, ctpio_ct_thresh, 64, 0, 65535, "bytes", NOEFFECT,
	"cut-through threshold")
OPT_BOOL(CTPIO_SWITCH_BYPASS, ctpio_switch_bypass, 0, NOEFFECT,
	"CTPIO with adapter switch firmware")
OPT_INT(TPH_MODE, tph_mode, 0, 0, 2, "", NOEFFECT,
	"PCIe steering hints")
OPT_STR(TX_DATAPATH, tx_datapath, "auto", 16, NOEFFECT,
	"X4 enterprise / express / auto")
OPT_STR(RX_DATAPATH, rx_datapath, "auto", 16, NOEFFECT,
	"X4 enterprise / express / auto / both")
OPT_INT(SHRUB_CONTROLLER, shrub_controller, -1, -1, INT32_MAX, "", NOEFFECT,
	"X4 shared-queue daemon id")
OPT_INT(SHRUB_BUFFER_COUNT, shrub_buffer_count, 32, 0, INT32_MAX, "", NOEFFECT,
	"buffers of the X4 shared-queue daemon")
OPT_INT(SHRUB_MAX_CLIENT_BUFFERS, shrub_max_client_buffers, 2, 0, INT32_MAX, "", NOEFFECT,
	"most buffers of a client of that daemon")
OPT_BOOL(SHRUB_UNICAST, shrub_unicast, 0, NOEFFECT,
	"send unicast to that daemon too")
OPT_BOOL(SHRUB_USE_INTERRUPTS, shrub_use_interrupts, 1, NOEFFECT,
	"that daemon uses interrupts")
OPT_INT(SHRUB_AUTO_CLOSE_DELAY, shrub_auto_close_delay, 15000, 0, INT32_MAX, "ms", NOEFFECT,
	"how long that daemon lingers")
OPT_BOOL(SHRUB_DEBUG, shrub_debug, 0, NOEFFECT,
	"debug output of that daemon")
OPT_STR(STRIPE_NETMASK, stripe_netmask, "255.255.255.255", 32, NOEFFECT,
	"port striping")
OPT_INT(STRIPE_DUPACK_THRESHOLD, stripe_dupack_threshold, 3, 0, INT32_MAX, "", NOEFFECT,
	"port striping: duplicate ACKs before retransmission")
OPT_INT(STRIPE_TCP_OPT, stripe_tcp_opt, 251, 0, 255, "", NOEFFECT,
	"port striping")
OPT_STR(USERBUILD, userbuild, "", 32, NOEFFECT,
	"developer: in-tree build selection")
OPT_STR(BUILDTREE_UL, buildtree_ul, "", 128, NOEFFECT,
	"developer: in-tree build selection")
OPT_INT(VI_TXQ_SIZE, vi_txq_size, -1, -1, 65536, "entries", NOEFFECT,
	"ef_vi apps: TX ring size")
OPT_INT(VI_RXQ_SIZE, vi_rxq_size, -1, -1, 65536, "entries", NOEFFECT,
	"ef_vi apps: RX ring size")
OPT_INT(VI_EVQ_SIZE, vi_evq_size, -1, -1, 65536, "entries", NOEFFECT,
	"ef_vi apps: event ring size")
OPT_INT(VI_LOG_LEVEL, vi_log_level, 0, 0, INT32_MAX, "", NOEFFECT,
	"ef_vi log level")
OPT_STR(VI_PD_FLAGS, vi_pd_flags, "", 64, NOEFFECT,
	"ef_vi protection-domain flags override")
OPT_STR(VI_EXTRA_VI_FLAGS, vi_extra_vi_flags, "", 64, NOEFFECT,
	"ef_vi flag override")
OPT_STR(VI_CTPIO_MODE, vi_ctpio_mode, "", 16, NOEFFECT,
	"ef_vi CTPIO mode")
OPT_INT(VI_CTPIO_WB_TICKS, vi_ctpio_wb_ticks, 0, 0, INT32_MAX, "", NOEFFECT,
	"ef_vi CTPIO write-back timer")
OPT_INT(VI_EVQ_CLEAR_STRIDE, vi_evq_clear_stride, 0, 0, INT32_MAX, "", NOEFFECT,
	"ef_vi event clearing")
OPT_STR(VI_CLUSTER_SOCKET, vi_cluster_socket, "", 108, NOEFFECT,
	"solar_clusterd socket path")
OPT_INT(VI_COMPAT_MODE, vi_compat_mode, 0, 0, INT32_MAX, "", NOEFFECT,
	"run X3/X4 behind the older ef_vi model")

#undef OPT_GROUP
#undef OPT_INT
#undef OPT_BOOL
#undef OPT_HEX
#undef OPT_STR
