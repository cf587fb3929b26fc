/* SPDX-License-Identifier: GPL-2.0-only */
/* Building the guest's ACPI tables. See acpi.h. */
#include "devices/acpi.h"

#include "devices/pm.h"
#include "devices/rtc.h"
#include "include/assert.h"
#include "include/x86/apic.h"
#include "lib/string.h"

#define SCI_IRQ		9u
#define SPACE_IO	1u
#define RESET_PORT	0xcf9u
#define RESET_VALUE	0x06u
#define NO_C_STATE	0xfffu		/* a latency that means "not supported" */

/* FADT flags */
#define FADT_WBINVD		0x00000001u
#define FADT_C1			0x00000004u
#define FADT_NO_SLEEP_BUTTON	0x00000020u
#define FADT_NO_RTC_WAKE	0x00000040u
#define FADT_RESET_REGISTER	0x00000400u

/* IA-PC boot architecture: devices of a PC, but no 8042 to look for, no VGA, no PCIe ASPM. */
#define BOOT_LEGACY_DEVICES	0x0001u
#define BOOT_NO_VGA		0x0004u
#define BOOT_NO_ASPM		0x0010u

#define MADT_8259_TOO		0x00000001u
#define MADT_LAPIC		0u
#define MADT_IOAPIC		1u
#define MADT_OVERRIDE		2u
#define MADT_LAPIC_NMI		4u
#define MADT_CPU_ENABLED	0x00000001u
#define MADT_ALL_CPUS		0xffu
#define MADT_ACTIVE_HIGH_LEVEL	0x000du

struct packed_struct acpi_header {
	char signature[4];
	u32 length;
	u8 revision, checksum;
	char oem_id[6], oem_table_id[8];
	u32 oem_revision;
	char creator_id[4];
	u32 creator_revision;
};

struct packed_struct acpi_address {
	u8 space, bits, offset, access;
	u64 address;
};

struct packed_struct acpi_rsdp {
	char signature[8];
	u8 checksum;
	char oem_id[6];
	u8 revision;
	u32 rsdt, length;
	u64 xsdt;
	u8 extended_checksum, reserved[3];
};

#define NR_LISTED	2u	/* FADT and MADT */

struct packed_struct acpi_rsdt {
	struct acpi_header header;
	u32 table[NR_LISTED];
};

struct packed_struct acpi_xsdt {
	struct acpi_header header;
	u64 table[NR_LISTED];
};

struct packed_struct acpi_facs {
	char signature[4];
	u32 length, hardware_signature, waking_vector, global_lock, flags;
	u64 x_waking_vector;
	u8 version, reserved[31];
};

struct packed_struct acpi_fadt {
	struct acpi_header header;
	u32 facs, dsdt;
	u8 reserved_1, profile;
	u16 sci;
	u32 smi_command;
	u8 acpi_enable, acpi_disable, s4bios, pstate;
	u32 pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
	u8 pm1_event_length, pm1_control_length, pm2_control_length, pm_timer_length;
	u8 gpe0_length, gpe1_length, gpe1_base, cst;
	u16 c2_latency, c3_latency, flush_size, flush_stride;
	u8 duty_offset, duty_width, day_alarm, month_alarm, century;
	u16 boot_architecture;
	u8 reserved_2;
	u32 flags;
	struct acpi_address reset;
	u8 reset_value;
	u16 arm_boot;
	u8 minor;
	u64 x_facs, x_dsdt;
	struct acpi_address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control;
	struct acpi_address x_pm2_control, x_pm_timer, x_gpe0, x_gpe1;
};

struct packed_struct acpi_madt {
	struct acpi_header header;
	u32 lapic_base, flags;
};

struct packed_struct madt_lapic {
	u8 type, length, uid, apic_id;
	u32 flags;
};

struct packed_struct madt_ioapic {
	u8 type, length, id, reserved;
	u32 base, first_irq;
};

struct packed_struct madt_override {
	u8 type, length, bus, source;
	u32 irq;
	u16 flags;
};

struct packed_struct madt_lapic_nmi {
	u8 type, length, uid;
	u16 flags;
	u8 lint;
};

static_assert(sizeof(struct acpi_header) == 36, "ACPI, table 5.4");
static_assert(sizeof(struct acpi_rsdp) == 36, "ACPI, table 5.3");
static_assert(sizeof(struct acpi_facs) == 64, "ACPI, table 5.12");
static_assert(sizeof(struct acpi_fadt) == 244, "ACPI, FADT of revision 3");

/*
 * The definition block, assembled by hand (ACPI, chapter 20, "AML Specification"). Lengths count
 * themselves; 0x40 | n, m means n + 16 * m.
 *
 *	Name (_S5_, Package () { 0, 0, 0, 0 })
 *	Scope (\_SB_) {
 *		Device (PCI0) {
 *			Name (_HID, EisaId ("PNP0A03"))
 *			Name (_UID, 0)  Name (_BBN, 0)
 *			Name (_CRS, ResourceTemplate () {
 *				WordBusNumber 0-0xff
 *				IO 0xcf8-0xcff
 *				WordIO 0-0xcf7, WordIO 0xd00-0xffff
 *				DWordMemory 0xe0000000-0xfebfffff, not cacheable
 *			})
 *		}
 *	}
 */
static const u8 definition_block[] = {
	0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, PM_SLEEP_S5, 0x00, 0x00, 0x00,
	0x10, 0x43, 0x08, '\\', '_', 'S', 'B', '_',
	0x5b, 0x82, 0x4a, 0x07, 'P', 'C', 'I', '0',
	0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0a, 0x03,
	0x08, '_', 'U', 'I', 'D', 0x00,
	0x08, '_', 'B', 'B', 'N', 0x00,
	0x08, '_', 'C', 'R', 'S', 0x11, 0x48, 0x05, 0x0a, 0x54,
	0x88, 0x0d, 0x00, 0x02, 0x0c, 0x00,
	0x00, 0x00, 0x00, 0x00, 0xff, 0x00, 0x00, 0x00, 0x00, 0x01,
	0x47, 0x01, 0xf8, 0x0c, 0xf8, 0x0c, 0x01, 0x08,
	0x88, 0x0d, 0x00, 0x01, 0x0c, 0x03,
	0x00, 0x00, 0x00, 0x00, 0xf7, 0x0c, 0x00, 0x00, 0xf8, 0x0c,
	0x88, 0x0d, 0x00, 0x01, 0x0c, 0x03,
	0x00, 0x00, 0x00, 0x0d, 0xff, 0xff, 0x00, 0x00, 0x00, 0xf3,
	0x87, 0x17, 0x00, 0x00, 0x0c, 0x01, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0xe0, 0xff, 0xff, 0xbf, 0xfe, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0xc0, 0x1e,
	0x79, 0x00,
};

/* Where each table lies, from the start of the buffer. */
enum {
	RSDP_AT = 0,
	FACS_AT = 64,		/* a multiple of 64 is demanded */
	RSDT_AT = FACS_AT + sizeof(struct acpi_facs),
	XSDT_AT = RSDT_AT + ALIGN_UP(sizeof(struct acpi_rsdt), 16),
	FADT_AT = XSDT_AT + ALIGN_UP(sizeof(struct acpi_xsdt), 16),
	DSDT_AT = FADT_AT + ALIGN_UP(sizeof(struct acpi_fadt), 16),
	DSDT_SIZE = sizeof(struct acpi_header) + sizeof(definition_block),
	MADT_AT = DSDT_AT + ALIGN_UP(DSDT_SIZE, 16),
};

static size_t madt_size(unsigned nr_cpus)
{
	return sizeof(struct acpi_madt) + nr_cpus * sizeof(struct madt_lapic) +
	       sizeof(struct madt_ioapic) + 2 * sizeof(struct madt_override) +
	       sizeof(struct madt_lapic_nmi);
}

static u8 checksum(const void *table, size_t size)
{
	u8 sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += ((const u8 *)table)[i];
	return -sum;
}

static struct acpi_header header(const char *signature, u32 length, u8 revision)
{
	struct acpi_header h = {
		.length = length, .revision = revision, .oem_revision = 1, .creator_revision = 1,
	};

	memcpy(h.signature, signature, sizeof(h.signature));
	memcpy(h.oem_id, "PLINTH", sizeof(h.oem_id));
	memcpy(h.oem_table_id, "PLINTHVM", sizeof(h.oem_table_id));
	memcpy(h.creator_id, "PLNT", sizeof(h.creator_id));
	return h;
}

static void put_table(u8 *to, void *table, size_t size)
{
	struct acpi_header *h = table;

	h->checksum = checksum(table, size);
	memcpy(to, table, size);
}

static void put_roots(u8 *buffer, u32 at)
{
	struct acpi_rsdp rsdp = {
		.revision = 2, .rsdt = at + RSDT_AT, .length = sizeof(rsdp), .xsdt = at + XSDT_AT,
	};
	struct acpi_rsdt rsdt = {
		.header = header("RSDT", sizeof(rsdt), 1), .table = { at + FADT_AT, at + MADT_AT },
	};
	struct acpi_xsdt xsdt = {
		.header = header("XSDT", sizeof(xsdt), 1), .table = { at + FADT_AT, at + MADT_AT },
	};

	memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
	memcpy(rsdp.oem_id, "PLINTH", sizeof(rsdp.oem_id));
	rsdp.checksum = checksum(&rsdp, offsetof(struct acpi_rsdp, length));	/* as of ACPI 1.0 */
	rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
	memcpy(buffer + RSDP_AT, &rsdp, sizeof(rsdp));
	put_table(buffer + RSDT_AT, &rsdt, sizeof(rsdt));
	put_table(buffer + XSDT_AT, &xsdt, sizeof(xsdt));
}

static struct acpi_address io_address(u16 port, u8 bits)
{
	return (struct acpi_address){ .space = SPACE_IO, .bits = bits, .address = port };
}

static void put_fadt(u8 *buffer, u32 at)
{
	struct acpi_facs facs = { .length = sizeof(facs), .version = 1 };
	struct acpi_fadt fadt = {
		.header = header("FACP", sizeof(fadt), 3),
		.facs = at + FACS_AT, .dsdt = at + DSDT_AT, .x_dsdt = at + DSDT_AT,
		.sci = SCI_IRQ,
		.pm1a_event = PM_PORT_EVENT, .pm1_event_length = 4,
		.pm1a_control = PM_PORT_CONTROL, .pm1_control_length = 2,
		.pm_timer = PM_PORT_TIMER, .pm_timer_length = 4,
		.c2_latency = NO_C_STATE, .c3_latency = NO_C_STATE,
		.century = RTC_CENTURY,
		.boot_architecture = BOOT_LEGACY_DEVICES | BOOT_NO_VGA | BOOT_NO_ASPM,
		.flags = FADT_WBINVD | FADT_C1 | FADT_NO_SLEEP_BUTTON | FADT_NO_RTC_WAKE |
			 FADT_RESET_REGISTER,
		.reset = io_address(RESET_PORT, 8), .reset_value = RESET_VALUE,
		.x_pm1a_event = io_address(PM_PORT_EVENT, 32),
		.x_pm1a_control = io_address(PM_PORT_CONTROL, 16),
		.x_pm_timer = io_address(PM_PORT_TIMER, 32),
	};

	memcpy(facs.signature, "FACS", sizeof(facs.signature));
	memcpy(buffer + FACS_AT, &facs, sizeof(facs));
	put_table(buffer + FADT_AT, &fadt, sizeof(fadt));
}

static void put_dsdt(u8 *buffer)
{
	struct acpi_header h = header("DSDT", DSDT_SIZE, 2);
	u8 *to = buffer + DSDT_AT;

	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), definition_block, sizeof(definition_block));
	h.checksum = checksum(to, DSDT_SIZE);
	memcpy(to, &h, sizeof(h));
}

static u8 *append(u8 *to, const void *entry, size_t size)
{
	memcpy(to, entry, size);
	return to + size;
}

static void put_madt(u8 *buffer, unsigned nr_cpus)
{
	struct acpi_madt madt = {
		.header = header("APIC", madt_size(nr_cpus), 3),
		.lapic_base = APIC_DEFAULT_BASE, .flags = MADT_8259_TOO,
	};
	struct madt_lapic lapic = {
		.type = MADT_LAPIC, .length = sizeof(lapic), .flags = MADT_CPU_ENABLED,
	};
	struct madt_ioapic ioapic = {
		.type = MADT_IOAPIC, .length = sizeof(ioapic), .base = IOAPIC_DEFAULT_BASE,
	};
	struct madt_override timer = {
		.type = MADT_OVERRIDE, .length = sizeof(timer), .source = 0, .irq = 2,
	};
	struct madt_override sci = {
		.type = MADT_OVERRIDE, .length = sizeof(sci), .source = SCI_IRQ, .irq = SCI_IRQ,
		.flags = MADT_ACTIVE_HIGH_LEVEL,
	};
	struct madt_lapic_nmi nmi = {
		.type = MADT_LAPIC_NMI, .length = sizeof(nmi), .uid = MADT_ALL_CPUS, .lint = 1,
	};
	u8 *to = append(buffer + MADT_AT, &madt, sizeof(madt));

	for (unsigned i = 0; i < nr_cpus; i++) {
		lapic.uid = lapic.apic_id = i;
		to = append(to, &lapic, sizeof(lapic));
	}
	to = append(to, &ioapic, sizeof(ioapic));
	to = append(to, &timer, sizeof(timer));
	to = append(to, &sci, sizeof(sci));
	append(to, &nmi, sizeof(nmi));
	madt.header.checksum = checksum(buffer + MADT_AT, madt_size(nr_cpus));
	memcpy(buffer + MADT_AT, &madt, sizeof(madt));
}

size_t acpi_build(u8 *buffer, size_t size, gpa_t at, unsigned nr_cpus)
{
	size_t used = MADT_AT + madt_size(nr_cpus);

	if (nr_cpus < 1 || nr_cpus > ACPI_MAX_CPUS || size < used || (at.v & 63) ||
	    at.v + used > GIB(4))
		return 0;
	memset(buffer, 0, used);
	put_roots(buffer, at.v);
	put_fadt(buffer, at.v);
	put_dsdt(buffer);
	put_madt(buffer, nr_cpus);
	return used;
}
