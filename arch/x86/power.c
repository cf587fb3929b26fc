/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Power-off by the ACPI registers (ACPI Specification, "Transitioning from the Working to the Soft
 * Off State"), without the AML methods that may go before it; reset by the ACPI register, then by
 * the ways that older machines have. No port of a particular machine or emulator.
 */
#include "arch/x86/power.h"

#include "arch/x86/acpi.h"
#include "arch/x86/cpu.h"
#include "arch/x86/time.h"
#include "console/console.h"

/* PM1 control register. */
#define PM1_SCI_EN		0x0001u
#define PM1_SLP_TYPE_SHIFT	10
#define PM1_SLP_TYPE		0x1c00u
#define PM1_SLP_EN		0x2000u
/* Sleep control register of hardware-reduced ACPI. */
#define SLEEP_TYPE_SHIFT	2
#define SLEEP_EN		0x20u

#define ENABLE_TIMEOUT_MS	3000
#define POWER_OFF_TIMEOUT_US	2000000
#define RESET_TIMEOUT_US	100000

/* The keyboard controller's pulse of the CPU's reset line, and the reset register of PCI chip sets.
 */
#define I8042_STATUS		0x64
#define I8042_INPUT_FULL	0x02
#define I8042_PULSE_RESET	0xfe
#define CHIPSET_RESET		0xcf9
#define CHIPSET_RESET_FULL	0x02
#define CHIPSET_RESET_NOW	0x06

/* PM1 registers do nothing until firmware has handed them over. */
static void enable_acpi(void)
{
	u32 control = 0;

	if (!acpi_register_read(&acpi.pm1a_control, &control) || (control & PM1_SCI_EN) ||
	    !acpi.smi_command || !acpi.acpi_enable)
		return;
	out8(acpi.smi_command, acpi.acpi_enable);
	for (unsigned ms = 0; ms < ENABLE_TIMEOUT_MS; ms++) {
		if (!acpi_register_read(&acpi.pm1a_control, &control) || (control & PM1_SCI_EN))
			return;
		udelay(1000);
	}
}

static u32 sleep_value(const struct acpi_register *control, u8 type)
{
	u32 value = 0;

	acpi_register_read(control, &value);
	value &= ~(PM1_SLP_TYPE | PM1_SLP_EN);
	return value | (u32)type << PM1_SLP_TYPE_SHIFT;
}

static void sleep_by_pm1(void)
{
	const struct acpi_register *a = &acpi.pm1a_control, *b = &acpi.pm1b_control;
	u32 value_a, value_b;

	enable_acpi();
	value_a = sleep_value(a, acpi.s5_type[0]);
	value_b = sleep_value(b, acpi.s5_type[1]);
	/* The type first, in both blocks, and then the order to sleep. */
	acpi_register_write(a, value_a);
	acpi_register_write(b, value_b);
	acpi_register_write(a, value_a | PM1_SLP_EN);
	acpi_register_write(b, value_b | PM1_SLP_EN);
}

void machine_power_off(void)
{
	irq_disable();
	console_drain();
	if (!acpi.has_fadt || !acpi.has_s5)
		return;
	if (acpi.hw_reduced)
		acpi_register_write(&acpi.sleep_control,
				    (u32)acpi.s5_type[0] << SLEEP_TYPE_SHIFT | SLEEP_EN);
	else
		sleep_by_pm1();
	udelay(POWER_OFF_TIMEOUT_US);
}

static void reset_by_i8042(void)
{
	for (unsigned i = 0; i < 1000 && (in8(I8042_STATUS) & I8042_INPUT_FULL); i++)
		udelay(10);
	out8(I8042_STATUS, I8042_PULSE_RESET);
	udelay(RESET_TIMEOUT_US);
}

static void reset_by_chipset(void)
{
	out8(CHIPSET_RESET, CHIPSET_RESET_FULL);
	udelay(50);
	out8(CHIPSET_RESET, CHIPSET_RESET_NOW);
	udelay(RESET_TIMEOUT_US);
}

void machine_reset(void)
{
	const struct descriptor_pointer none = { 0, 0 };

	irq_disable();
	console_drain();
	if (acpi_register_write(&acpi.reset, acpi.reset_value))
		udelay(RESET_TIMEOUT_US);
	reset_by_i8042();
	reset_by_chipset();
	/* Without gates, an exception is a triple fault. */
	lidt(&none);
	asm volatile("int3");
	cpu_halt();
}
