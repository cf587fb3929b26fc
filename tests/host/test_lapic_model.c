/* SPDX-License-Identifier: MIT */
/*
 * The LAPIC's timer against a model that counts nanosecond by nanosecond, its clock being 1 GHz:
 * every write that its registers know at random moments, the count and the interrupts in between.
 * SDM vol. 3A, "APIC Timer".
 */
#include "devices/lapic.h"
#include "tests/host/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define VECTOR	0x61

enum mode { ONE_SHOT, PERIODIC, DEADLINE };

static struct lapic lapic;

static struct {
	u64 now;
	enum mode mode;
	bool masked;
	unsigned divide, prescaler, initial, count;
	u64 deadline;		/* of a TSC that counts nanoseconds; 0: disarmed */
	unsigned fired;
} m;

static unsigned taken;

static unsigned send(void *ctx, const struct apic_message *message)
{
	return 0;
}

static void eoi(void *ctx, u8 vector)
{
}

static void kick(void *ctx, u32 index)
{
}

static void event(void *ctx, u32 index, enum apic_delivery delivery, u8 vector)
{
}

static u64 tsc_to_ns(void *ctx, u32 index, u64 tsc)
{
	return tsc;
}

static const struct lapic_ops ops = { send, eoi, kick, event, tsc_to_ns };

/* ---- the model ---- */

static void fire(void)
{
	m.fired += !m.masked;
}

static void check_deadline(void)
{
	if (!m.deadline || m.now < m.deadline)
		return;
	m.deadline = 0;
	fire();
}

static void nanosecond(void)
{
	m.now++;
	check_deadline();
	if (!m.count || ++m.prescaler < m.divide)
		return;
	m.prescaler = 0;
	if (--m.count)
		return;
	fire();
	if (m.mode == PERIODIC)
		m.count = m.initial;
}

/* ---- writes to both ---- */

static void write(u32 offset, u32 value)
{
	lapic_write(&lapic, offset, 4, value, m.now);
}

static void write_lvt(enum mode mode, bool masked)
{
	write(0x320, VECTOR | (u32)mode << 17 | (u32)masked << 16);
	if (mode != m.mode && (mode == DEADLINE || m.mode == DEADLINE)) {
		m.count = 0;
		m.deadline = 0;
	}
	m.mode = mode;
	m.masked = masked;
}

static void write_initial(unsigned count)
{
	write(0x380, count);
	if (m.mode == DEADLINE)
		return;
	m.initial = m.count = count;
	m.prescaler = 0;
}

static void write_divide(unsigned code)
{
	static const unsigned divide[] = { 2, 4, 8, 16, 32, 64, 128, 1 };

	write(0x3e0, (code & 3) | (code & 4) << 1);
	m.divide = divide[code];
	m.prescaler = 0;
}

static void write_deadline(u64 tsc)
{
	assert_true(lapic_wrmsr(&lapic, 0x6e0, tsc, m.now));
	if (m.mode != DEADLINE)
		return;
	m.deadline = tsc;
	check_deadline();
}

static void write_something(u64 *seed)
{
	u64 r = xorshift(seed);

	switch (r % 8) {
	case 0:
		write_lvt(r >> 8 & 1 ? PERIODIC : ONE_SHOT, r >> 9 & 1);
		break;
	case 1:
		write_lvt(r >> 10 & 3 ? m.mode : DEADLINE, r >> 9 & 1);
		break;
	case 2: case 3:
		write_initial(r >> 8 & 7 ? r >> 12 & 63 : 0);
		break;
	case 4:
		write_divide(r >> 8 & 7);
		break;
	default:
		write_deadline(r >> 8 & 7 ? m.now + (r >> 12 & 511) : r >> 11 & 1 ? 0 : m.now / 2 + 1);
	}
}

/* ---- comparing ---- */

static void take(void)
{
	if (lapic_pending(&lapic) < 0)
		return;
	assert_int_equal(lapic_pending(&lapic), VECTOR);
	lapic_accept(&lapic, VECTOR);
	lapic_eoi(&lapic);
	taken++;
}

static void compare(void)
{
	u64 value;

	/* A look at the timer serves it too. */
	assert_int_equal(lapic_read(&lapic, 0x390, 4, m.now), m.mode == DEADLINE ? 0 : m.count);
	assert_int_equal(lapic_read(&lapic, 0x380, 4, m.now), m.initial);
	assert_true(lapic_rdmsr(&lapic, 0x6e0, m.now, &value));
	assert_int_equal(value, m.deadline);
	take();
	assert_int_equal(taken, m.fired);
}

static void setup(void)
{
	lapic_init(&lapic, 0, true, &ops, NULL);
	memset(&m, 0, sizeof(m));
	taken = 0;
	write_divide(7);
	write_lvt(ONE_SHOT, false);
}

static void test_random(void **state)
{
	u64 seed = 31;

	setup();
	for (unsigned i = 0; i < 3000000; i++) {
		nanosecond();
		if (xorshift(&seed) % 2)
			lapic_tick(&lapic, m.now);
		compare();
		if (xorshift(&seed) % 64 == 0)
			write_something(&seed);
	}
	assert_true(m.fired > 5000);
}

/* The host learns of each interrupt beforehand, and of none that doesn't come; but for periods below
 * 50 µs, whose host timer is held back. */
static void test_next_event(void **state)
{
	u64 seed = 32;

	setup();
	for (unsigned i = 0; i < 300000; i++) {
		u64 next = lapic_next_event(&lapic);
		unsigned before = m.fired;

		nanosecond();
		if (m.mode != PERIODIC)
			assert_int_equal(m.fired > before, next == m.now);
		lapic_tick(&lapic, m.now);
		take();
		if (xorshift(&seed) % 256 == 0)
			write_something(&seed);
		take();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random), cmocka_unit_test(test_next_event),
	};

	return cmocka_run_group_tests_name("lapic_model", tests, NULL, NULL);
}
