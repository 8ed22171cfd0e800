// SPDX-License-Identifier: BSD-2-Clause
/*
 * vfork.c - the child of vfork() is marked, so that nobody must ask for process ids
 *
 * The child runs in our memory, with the calling thread's own words, until it calls
 * exec or ends; the parent's thread stands still meanwhile.  So a word of the thread
 * that is raised before the system call and put back after it in the parent alone says
 * in the child who it is.  It keeps the old value for a child that itself calls vfork().
 *
 * The function returns twice on one stack: the return address must not lie there while
 * the child runs, hence assembly.  x86-64 only; elsewhere fork.c asks the kernel.
 */
#include <errno.h>
#include <sys/types.h>

#include "preload/preload.h"

__thread uint32_t fork_in_vfork __attribute__((tls_model("initial-exec")));

pid_t vfork_failed(int err);
__attribute__((used)) pid_t vfork_failed(int err)
{
	errno = err;
	return -1;
}

/* System calls keep %rdi, %rsi and %rdx, in both processes. */
__asm__(".text\n"
	".globl vfork\n"
	".globl __vfork\n"
	".type vfork, @function\n"
	".type __vfork, @function\n"
	".p2align 4\n"
	"vfork:\n"
	"__vfork:\n"
	"	popq %rdi\n"
	"	movq fork_in_vfork@gottpoff(%rip), %rdx\n"
	"	movl %fs:(%rdx), %esi\n"
	"	movl $1, %fs:(%rdx)\n"
	"	movl $58, %eax\n"
	"	syscall\n"
	"	pushq %rdi\n"
	"	testl %eax, %eax\n"
	"	jz 1f\n"
	"	movl %esi, %fs:(%rdx)\n"
	"	cmpl $-4095, %eax\n"
	"	jae 2f\n"
	"1:	ret\n"
	"2:	movl %eax, %edi\n"
	"	negl %edi\n"
	"	jmp vfork_failed\n"
	".size vfork, . - vfork\n"
	".size __vfork, . - __vfork\n");
