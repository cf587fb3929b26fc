/* SPDX-License-Identifier: MIT */
/* Finds ACPI's tables and fixed registers as an operating system does: RSDP, RSDT or XSDT, FADT (ACPI 5.2). */
#include "guests/lib/guest.h"

#define FADT_DSDT	40
#define FADT_PM1A_CNT	64
#define FADT_PM_TMR	76
#define SLP_EN		0x2000u
#define PM_TIMER_MASK	0xffffffu
#define PM_TIMER_KHZ	3580u

static u32 field32(const u8 *p)
{
	u32 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

static const u8 *rsdp(void)
{
	for (const u8 *p = (const u8 *)0xe0000; p < (const u8 *)0x100000; p += 16)
		if (memcmp(p, "RSD PTR ", 8) == 0)
			return p;
	return NULL;
}

const u8 *acpi_table(const char signature[4])
{
	const u8 *root = rsdp(), *table;
	unsigned step = 4;
	u32 size;

	if (!root)
		return NULL;
	table = (const u8 *)(word)field32(root + 16);
	if (root[15] >= 2 && field32(root + 24)) {
		table = (const u8 *)(word)field32(root + 24);
		step = 8;
	}
	size = field32(table + 4);
	for (u32 at = 36; at + step <= size; at += step) {
		const u8 *one = (const u8 *)(word)field32(table + at);

		if (memcmp(one, signature, 4) == 0)
			return one;
	}
	return NULL;
}

const u8 *acpi_fadt(void)
{
	return acpi_table("FACP");
}

u32 pm_timer(void)
{
	static u16 port;

	if (!port) {
		const u8 *fadt = acpi_fadt();

		port = fadt ? (u16)field32(fadt + FADT_PM_TMR) : 0x608;
	}
	return inl(port) & PM_TIMER_MASK;
}

/* One element of the package: a byte, or the constants 0 and 1. */
static u8 element(const u8 **at)
{
	u8 op = *(*at)++;

	return op == 0x0a ? *(*at)++ : op;
}

void acpi_power_off(void)
{
	const u8 *fadt = acpi_fadt(), *dsdt, *end;

	if (!fadt)
		return;
	dsdt = (const u8 *)(word)field32(fadt + FADT_DSDT);
	end = dsdt + field32(dsdt + 4);
	for (const u8 *p = dsdt + 36; p + 8 < end; p++) {
		const u8 *at = p + 7;	/* behind name, package op, length and count */

		if (memcmp(p, "_S5_", 4) != 0 || p[4] != 0x12)
			continue;
		outw((u16)field32(fadt + FADT_PM1A_CNT), (u16)(element(&at) << 10 | SLP_EN));
	}
}

bool wait_for(volatile bool *done, unsigned ms, bool halt)
{
	u32 last = pm_timer(), passed = 0;

	while (!*done && passed < ms * PM_TIMER_KHZ) {
		u32 now;

		if (halt)
			sti_hlt_cli();
		else
			pause();
		now = pm_timer();
		passed += (now - last) & PM_TIMER_MASK;
		last = now;
	}
	return *done;
}
