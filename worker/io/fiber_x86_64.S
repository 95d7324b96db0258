/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * void fiber_switch(void **save_sp, void *load_sp)
 *
 * Saves what the System V ABI makes a callee keep, stores the stack pointer
 * and takes up another stack that was saved the same way. The SHSTK mark is
 * left out on purpose: a user shadow stack is not switched here.
 */
	.text
	.globl	fiber_switch
	.type	fiber_switch, @function
	.p2align 4
fiber_switch:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	popq	%r15
	.cfi_adjust_cfa_offset -8
	popq	%r14
	.cfi_adjust_cfa_offset -8
	popq	%r13
	.cfi_adjust_cfa_offset -8
	popq	%r12
	.cfi_adjust_cfa_offset -8
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	fiber_switch, .-fiber_switch

/*
 * The first return of a new stack lands here; %rbx holds the fiber. The frame
 * chain ends here, so that backtraces do.
 */
	.globl	fiber_first
	.type	fiber_first, @function
	.p2align 4
fiber_first:
	.cfi_startproc
	.cfi_undefined %rip
	endbr64
	xorl	%ebp, %ebp
	movq	%rbx, %rdi
	call	fiber_enter
	ud2
	.cfi_endproc
	.size	fiber_first, .-fiber_first
	.section .note.GNU-stack,"",@progbits
