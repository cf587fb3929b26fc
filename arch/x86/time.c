/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The TSC's frequency, measured: what CPUID says of it is wrong on some machines. And time from the
 * TSC.
 */
#include "arch/x86/time.h"

#include "arch/x86/acpi.h"
#include "arch/x86/cpu.h"

#define PM_TIMER_HZ		3579545u	/* ACPI Specification, "Power Management Timer" */
#define PIT_HZ			1193182u
#define MEASUREMENTS		5
#define MEASURE_MS		4
#define READ_TRIES		8

/* The PIT's channel 2 counts while its gate, bit 0 of port 61H, is open. */
#define PIT_CHANNEL2		0x42
#define PIT_COMMAND		0x43
#define PIT_CHANNEL2_ONE_SHOT	0xb0		/* both bytes, mode 0 */
#define PIT_LATCH_CHANNEL2	0x80
#define SYSTEM_CONTROL		0x61
#define SYSTEM_CONTROL_GATE2	0x01
#define SYSTEM_CONTROL_SPEAKER	0x02

#define DELAY_PORT		0x80		/* a read takes about a microsecond */

/* A counter that runs at a known rate. */
struct reference {
	u32 hz;
	u32 mask;
	u32 (*read)(void);
};

/* Both clocks at one moment. */
struct sample {
	u64 tsc;
	u32 count;
};

u64 tsc_khz;
static struct acpi_register pm_timer;

static u32 read_pm_timer(void)
{
	u32 value = 0;

	return acpi_register_read(&pm_timer, &value) ? value : 0;
}

/* The PIT counts down; a counter that goes up is wanted. */
static u32 read_pit(void)
{
	u32 low;

	out8(PIT_COMMAND, PIT_LATCH_CHANNEL2);
	low = in8(PIT_CHANNEL2);
	return ~(low | (u32)in8(PIT_CHANNEL2) << 8);
}

static void start_pit(void)
{
	u8 control = in8(SYSTEM_CONTROL) & (u8)~SYSTEM_CONTROL_SPEAKER;

	out8(SYSTEM_CONTROL, control | SYSTEM_CONTROL_GATE2);
	out8(PIT_COMMAND, PIT_CHANNEL2_ONE_SHOT);
	out8(PIT_CHANNEL2, 0xff);
	out8(PIT_CHANNEL2, 0xff);
}

/* Reads both, several times, and keeps the pair that took least time: the others were held up by
 * system management mode, or by whoever emulates this machine. */
static struct sample read_both(const struct reference *ref)
{
	struct sample best = { 0 };
	u64 shortest = ~0ull;

	for (unsigned i = 0; i < READ_TRIES; i++) {
		u64 before = rdtsc_ordered();
		u32 count = ref->read();
		u64 took = rdtsc_ordered() - before;

		if (took < shortest) {
			shortest = took;
			best = (struct sample){ before + took / 2, count };
		}
	}
	return best;
}

/* TSC ticks a millisecond, from one measurement of about MEASURE_MS; 0: `ref` stands still. */
static u64 measure_once(const struct reference *ref)
{
	u32 wanted = ref->hz / 1000 * MEASURE_MS;
	struct sample start = read_both(ref), end;
	u32 last = start.count, counted = 0;
	unsigned stuck = 0;

	while (counted < wanted) {
		u32 now = ref->read();

		/* A live counter moves within microseconds; each look at it takes about one. */
		stuck = now == last ? stuck + 1 : 0;
		if (stuck > 10000)
			return 0;
		last = now;
		counted = (now - start.count) & ref->mask;
		cpu_pause();
	}
	end = read_both(ref);
	counted = (end.count - start.count) & ref->mask;
	if (!counted)
		return 0;
	return (end.tsc - start.tsc) * ref->hz / counted / 1000;
}

static void sort(u64 *values, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		for (unsigned j = i; j > 0 && values[j - 1] > values[j]; j--) {
			u64 value = values[j];

			values[j] = values[j - 1];
			values[j - 1] = value;
		}
	}
}

/* The median of several measurements; 0: `ref` stands still. */
static u64 measure(const struct reference *ref, void (*restart)(void))
{
	u64 khz[MEASUREMENTS];

	for (unsigned i = 0; i < MEASUREMENTS; i++) {
		if (restart)
			restart();
		khz[i] = measure_once(ref);
		if (!khz[i])
			return 0;
	}
	sort(khz, MEASUREMENTS);
	return khz[MEASUREMENTS / 2];
}

bool time_init(const struct acpi_info *tables)
{
	const struct reference pm = {
		PM_TIMER_HZ, tables->pm_timer_is_32_bit ? 0xffffffffu : 0xffffffu, read_pm_timer,
	};
	const struct reference pit = { PIT_HZ, 0xffff, read_pit };
	u64 khz = 0;
	u32 value;

	pm_timer = tables->pm_timer;
	if (acpi_register_read(&pm_timer, &value))
		khz = measure(&pm, NULL);
	if (!khz)
		khz = measure(&pit, start_pit);
	if (!khz)
		return false;
	tsc_khz = khz;
	return true;
}

void udelay(u64 us)
{
	u64 start = rdtsc();
	u64 ticks = us * tsc_khz / 1000 + 1;

	if (!tsc_khz) {
		while (us--)
			in8(DELAY_PORT);
		return;
	}
	while (rdtsc() - start < ticks)
		cpu_pause();
}
