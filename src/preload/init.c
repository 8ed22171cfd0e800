// SPDX-License-Identifier: BSD-2-Clause
/*
 * init.c - start of the library
 *
 * The constructor only remembers the environment and finds libc's functions: a
 * program without Internet sockets pays for nothing else.  It need not run
 * first; every call works before it.  preload_start() does the rest when the
 * first socket is made.  Run as a program, libonload.so prints its version.
 */
#include <linux/futex.h>

#include "base/sys.h"
#include "ext/ext.h"
#include "preload/fdtab.h"
#include "preload/libc.h"

__thread struct preload_thread preload_thread __attribute__((tls_model("initial-exec")));

extern char **environ;

__attribute__((constructor)) static void init(void)
{
	libc_resolve();
	exec_init(environ);
	fork_init();
	ext_find_sock = fdtab_object;
	ext_start = preload_start;
}

enum { START_NOT, START_NOW, START_DONE };
static _Atomic uint32_t start_state;

static __cold void start_slow(void)
{
	uint32_t state = START_NOT;

	if (!atomic_compare_exchange_strong(&start_state, &state, START_NOW)) {
		while (atomic_load_explicit(&start_state, memory_order_acquire) == START_NOW)
			sys_futex(&start_state, FUTEX_WAIT_PRIVATE, START_NOW, NULL);
		return;
	}
	fork_init();
	sock_proc_init();
	signal_start();
	/* Release: pairs with the acquire in preload_start(). */
	atomic_store_explicit(&start_state, START_DONE, memory_order_release);
	sys_futex(&start_state, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL);
}

void preload_start(void)
{
	if (unlikely(atomic_load_explicit(&start_state, memory_order_acquire) != START_DONE))
		start_slow();
}

bool preload_started(void)
{
	return atomic_load_explicit(&start_state, memory_order_acquire) == START_DONE;
}

/* ---- as a program ----------------------------------------------------------------- */

#if defined(__x86_64__)
#define INTERPRETER "/lib64/ld-linux-x86-64.so.2"
#else
#define INTERPRETER "/lib/ld-linux-aarch64.so.1"
#endif

__attribute__((section(".interp"), used)) static const char interpreter[] = INTERPRETER;

/* The linker's entry point: no stack frame to return to, no arguments. */
__attribute__((noreturn, used, visibility("default"))) void onload_main(void);
void onload_main(void)
{
	static const char text[] = "Postern " POSTERN_VERSION "\n"
		"Use: onload PROGRAM ..., or LD_PRELOAD=libonload.so PROGRAM ...\n";

	sys_write(1, text, sizeof(text) - 1);
	sys1(SYS_exit_group, 0);
	__builtin_unreachable();
}
