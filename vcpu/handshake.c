/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * See handshake.h. Owns `place`, the numbers of flushes and the pauser; every access to them is an
 * atomic one that names its order. tests/host/test_handshake.c runs this file under all
 * interleavings of two and three vCPUs.
 */
#include "vcpu/handshake.h"

#include "vcpu/vm.h"

#define LOAD(p)		__atomic_load_n(p, __ATOMIC_SEQ_CST)
#define STORE(p, value)	__atomic_store_n(p, value, __ATOMIC_SEQ_CST)

/* --- Kicks --- */

void vcpu_kick(struct vcpu *v, u32 requests)
{
	vcpu_request(v, requests);
	if (LOAD(&v->place) != PLACE_PLINTH)
		handshake_interrupt(v);
}

/* The same for what concerns a vCPU only in the guest: one that waits sees it when it wakes up. */
static void ask_in_guest(struct vcpu *v, u32 requests)
{
	vcpu_request(v, requests);
	if (LOAD(&v->place) == PLACE_GUEST)
		handshake_interrupt(v);
}

/* --- Waiting --- */

/* From PARKED to PLINTH; but whoever has paused the others relies on PARKED. So the store comes
 * first, and is taken back while somebody has. */
static void unpark(struct vcpu *v)
{
	struct vm *vm = v->vm;

	for (;;) {
		STORE(&v->place, PLACE_PLINTH);
		if (likely(!LOAD(&vm->pauser)))
			return;
		STORE(&v->place, PLACE_PARKED);
		while (LOAD(&vm->pauser))
			handshake_sleep(v);	/* vm_resume() interrupts */
	}
}

void handshake_start(struct vcpu *v)
{
	unpark(v);
}

void handshake_stop(struct vcpu *v)
{
	STORE(&v->place, PLACE_PARKED);
}

void handshake_wait(struct vcpu *v)
{
	lock_order_none();
	STORE(&v->place, PLACE_PARKED);
	if (!LOAD(&v->requests))
		handshake_sleep(v);
	unpark(v);
}

/* --- Flushes ---
 *
 * They are numbered. A vCPU doesn't use what it cached before flush N if it has acknowledged N, or
 * isn't in the guest: then the request is set, or will be before the number can matter to it, and it
 * flushes before it enters. A vCPU that waits isn't woken for that.
 */

static bool is_flushed(const struct vm *vm, u64 wanted)
{
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		const struct vcpu *v = vm->vcpu[i];

		if (v && LOAD(&v->flush_acked) < wanted && LOAD(&v->place) == PLACE_GUEST)
			return false;
	}
	return true;
}

/* Every vCPU has its request before anybody looks where it is: is_flushed() needs that. */
static u64 ask_for_flush(struct vm *vm)
{
	u64 wanted = __atomic_add_fetch(&vm->flush_wanted, 1, __ATOMIC_SEQ_CST);

	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpu[i])
			ask_in_guest(vm->vcpu[i], REQUEST_FLUSH);
	return wanted;
}

bool handshake_mmu_flush(void *ctx, u64 epoch)
{
	struct vm *vm = ctx;
	u64 wanted = ask_for_flush(vm);

	/* vm_flush_done() tells the mmu. The newest epoch stands for all before it. While the two
	 * words don't belong together nobody waits: mmu_epoch_wanted never comes back to an old
	 * number. */
	STORE(&vm->mmu_epoch_wanted, 0);
	STORE(&vm->mmu_epoch, epoch);
	STORE(&vm->mmu_epoch_wanted, wanted);
	return is_flushed(vm, wanted) &&
	       __atomic_compare_exchange_n(&vm->mmu_epoch_wanted, &wanted, 0, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void vm_flush_done(struct vm *vm)
{
	u64 wanted = LOAD(&vm->mmu_epoch_wanted), epoch;

	if (likely(!wanted) || !is_flushed(vm, wanted))
		return;
	epoch = LOAD(&vm->mmu_epoch);
	if (__atomic_compare_exchange_n(&vm->mmu_epoch_wanted, &wanted, 0, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST))
		mmu_flushed(&vm->mmu, epoch);
}

void handshake_flush(struct vcpu *v)
{
	u64 wanted = LOAD(&v->vm->flush_wanted);

	v->backend->flush(v);
	STORE(&v->flush_acked, wanted);
	vm_flush_done(v->vm);
}

void vm_flush(struct vm *vm)
{
	u64 wanted = ask_for_flush(vm);

	lock_order_none();
	while (!is_flushed(vm, wanted))
		__builtin_ia32_pause();
	vm_flush_done(vm);
}

/* --- Pausing --- */

static bool are_others_parked(const struct vcpu *self)
{
	const struct vm *vm = self->vm;

	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpu[i] != self && LOAD(&vm->vcpu[i]->place) != PLACE_PARKED)
			return false;
	return true;
}

bool vm_pause(struct vcpu *self)
{
	struct vm *vm = self->vm;
	struct vcpu *nobody = NULL;

	lock_order_none();
	if (!__atomic_compare_exchange_n(&vm->pauser, &nobody, self, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return false;
	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpu[i] != self)
			ask_in_guest(vm->vcpu[i], REQUEST_PAUSE);
	while (!are_others_parked(self))
		__builtin_ia32_pause();
	return true;
}

void vm_resume(struct vcpu *self)
{
	struct vm *vm = self->vm;

	STORE(&vm->pauser, NULL);
	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpu[i] != self && LOAD(&vm->vcpu[i]->place) == PLACE_PARKED)
			handshake_interrupt(vm->vcpu[i]);
}

void handshake_pause(struct vcpu *v)
{
	STORE(&v->place, PLACE_PARKED);
	unpark(v);
}
