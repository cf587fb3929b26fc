/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's clock is the host's TSC since the guest's start, in nanoseconds. The devices say when
 * they want to be called next: a vCPU's LAPIC by the timer of that vCPU's CPU, all others by vCPU 0's.
 */
#include "vcpu/time.h"

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/time.h"
#include "console/console.h"
#include "vcpu/vm.h"

/* While typed bytes wait for room in the guest's UART. */
#define INPUT_RETRY_NS	1000000
/*
 * From the host's timer to the guest's handler a LAPIC timer's interrupt takes about LEAD_TICKS of the
 * TSC. So the host's timer is set that much earlier, the interrupt is made ready, and the entry
 * waits for the moment, less ENTRY_TICKS: fewer than any CPU takes from there to the guest.
 */
#define LEAD_TICKS	1500
#define ENTRY_TICKS	48

u64 vm_now(const struct vm *vm)
{
	return tsc_to_ns(rdtsc() - vm->start_tsc);
}

u64 vcpu_tsc(const struct vcpu *v)
{
	return rdtsc() + v->l0.tsc_offset;
}

void vcpu_set_tsc(struct vcpu *v, u64 value)
{
	v->l0.tsc_offset = value - rdtsc();
	board_tsc_changed(&v->vm->board, v->index);
	vcpu_request(v, REQUEST_CONTROLS | REQUEST_TIMER);
}

/* When this vCPU's CPU has something to do for the devices. */
static u64 next_event(const struct vcpu *v)
{
	return board_next_event(&v->vm->board, v->index);
}

/* Typed bytes are tried again too. */
static void arm(struct vcpu *v, u64 next)
{
	struct vm *vm = v->vm;

	if (unlikely(!v->index && vm->input.head != vm->input.tail))
		next = MIN(next, vm->input.retry);
	if (next == CLOCK_NEVER)
		timer_disarm();
	else
		timer_arm(vm->start_tsc + ns_to_tsc(next) -
			  (next == board_apic_next_event(&vm->board, v->index) ? LEAD_TICKS : 0));
}

/*
 * Sets this CPU's timer, if what it waits for has changed. vCPU 0's also serves the devices, which
 * others may set going: they look at its next_event after that, it looks at the devices once more
 * after storing it, so that one of both sees the other. What has become later meanwhile waits for
 * the timer: others that reprogram a device all the time can't keep this CPU here.
 */
static void set_timer(struct vcpu *v)
{
	u64 next = next_event(v);

	if (likely(next == v->next_event))
		return;
	do {
		__atomic_store_n(&v->next_event, next, __ATOMIC_SEQ_CST);
		arm(v, next);
		next = next_event(v);
	} while (unlikely(next < v->next_event));
}

/* After an access to a device, which may now want to be called earlier than vCPU 0 knows. */
static void set_device_timer(struct vcpu *v)
{
	if (unlikely(v->index)) {
		struct vcpu *first = v->vm->vcpu[0];

		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (board_devices_next_event(&v->vm->board) <
		    __atomic_load_n(&first->next_event, __ATOMIC_SEQ_CST))
			vcpu_kick(first, REQUEST_TIMER);
	}
	set_timer(v);
}

bool vcpu_apic_rdmsr(struct vcpu *v, u32 index, u64 *value)
{
	return board_rdmsr(&v->vm->board, v->index, index, vm_now(v->vm), value);
}

bool vcpu_apic_wrmsr(struct vcpu *v, u32 index, u64 value)
{
	bool done = board_wrmsr(&v->vm->board, v->index, index, value, vm_now(v->vm));

	set_device_timer(v);
	return done;
}

void vcpu_apic_init(struct vcpu *v)
{
	board_apic_init(&v->vm->board, v->index);
}

u64 vcpu_apic_cr8(struct vcpu *v)
{
	return board_tpr(&v->vm->board, v->index) >> 4;
}

void vcpu_apic_set_cr8(struct vcpu *v, u8 value)
{
	board_set_tpr(&v->vm->board, v->index, value << 4);
}

u32 vcpu_port_read(struct vcpu *v, u16 port, unsigned size)
{
	u32 value = board_io_read(&v->vm->board, v->index, port, size, vm_now(v->vm));

	set_device_timer(v);
	return value;
}

void vcpu_port_write(struct vcpu *v, u16 port, unsigned size, u32 value)
{
	board_io_write(&v->vm->board, v->index, port, size, value, vm_now(v->vm));
	set_device_timer(v);
}

u64 vcpu_mmio_read(struct vcpu *v, gpa_t at, unsigned size)
{
	u64 value;

	if (!board_mmio_read(&v->vm->board, v->index, at, size, vm_now(v->vm), &value))
		return ~0ull;
	return value;
}

void vcpu_mmio_write(struct vcpu *v, gpa_t at, unsigned size, u64 value)
{
	if (board_mmio_write(&v->vm->board, v->index, at, size, value, vm_now(v->vm)))
		set_device_timer(v);
}

/* Hands typed bytes to the UART as long as it takes them. */
static void feed_input(struct vm *vm, u64 now)
{
	struct vm_input *in = &vm->input;

	spin_lock(&in->lock);
	while (in->head != in->tail &&
	       board_console_input(&vm->board, in->ring[in->head % VM_INPUT_SIZE], now))
		in->head++;
	spin_unlock(&in->lock);
	if (in->head == in->tail && in->drained)
		in->drained();
}

bool vm_input_has_room(const struct vm *vm)
{
	return __atomic_load_n(&vm->input.tail, __ATOMIC_SEQ_CST) -
	       __atomic_load_n(&vm->input.head, __ATOMIC_SEQ_CST) < VM_INPUT_SIZE;
}

bool vm_console_input(struct vm *vm, u8 byte)
{
	struct vm_input *in = &vm->input;
	bool room;

	spin_lock(&in->lock);
	room = in->tail - in->head < VM_INPUT_SIZE;
	if (room)
		in->ring[in->tail++ % VM_INPUT_SIZE] = byte;
	spin_unlock(&in->lock);
	vcpu_kick(vm->vcpu[0], REQUEST_TIMER);
	return room;
}

/* Where the LAPIC's timer is nearly due, its moment is now for the LAPIC, and the vCPU, which alone
 * sees it, waits for that. */
static void run_ahead(struct vcpu *v, u64 now)
{
	struct vm *vm = v->vm;
	u64 due = board_apic_next_event(&vm->board, v->index);

	if (due <= now || due - now > tsc_to_ns(LEAD_TICKS))
		return;
	board_apic_tick(&vm->board, v->index, due);
	v->hold_until = vm->start_tsc + ns_to_tsc(due) - ENTRY_TICKS;
	vcpu_request(v, REQUEST_HOLD);
}

void vcpu_hold(struct vcpu *v)
{
	while ((s64)(v->hold_until - rdtsc()) > 0)
		cpu_pause();
}

void vcpu_run_devices(struct vcpu *v)
{
	struct vm *vm = v->vm;
	u64 now = vm_now(vm);

	board_tick(&vm->board, v->index, now);
	run_ahead(v, now);
	if (!v->index) {
		if (unlikely(vm->input.head != vm->input.tail))
			feed_input(vm, now);
		vm->input.retry = now + INPUT_RETRY_NS;
	}
	v->next_event = 0;		/* the timer has run out or was for somebody else: set it anew */
	set_timer(v);
}

bool vcpu_interrupt_pending(struct vcpu *v)
{
	return board_interrupt_pending(&v->vm->board, v->index);
}

int vcpu_interrupt_accept(struct vcpu *v)
{
	return board_interrupt_accept(&v->vm->board, v->index);
}
