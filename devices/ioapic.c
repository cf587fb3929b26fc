/* SPDX-License-Identifier: GPL-2.0-only */
/* The I/O APIC. See ioapic.h. */
#include "devices/ioapic.h"

#define VERSION		(0x11u | (IOAPIC_NR_PINS - 1) << 16)
#define ENTRY_WRITABLE	0xff0000000001afffull
#define ID_SHIFT	24
#define ID_MASK		15u

static unsigned delivery_mode(u64 entry)
{
	return (entry & IOAPIC_ENTRY_DELIVERY) >> APIC_DELIVERY_SHIFT;
}

/* Only fixed and lowest-priority interrupts know levels: "SMI, NMI, INIT, ExtINT: edge". */
static bool is_level(u64 entry)
{
	return (entry & IOAPIC_ENTRY_LEVEL) && delivery_mode(entry) <= APIC_LOWEST;
}

/* Returns how many LAPICs accepted it. */
static unsigned deliver(struct ioapic *ioapic, u64 entry)
{
	u32 dest = entry >> IOAPIC_ENTRY_DEST_SHIFT;
	struct apic_message message = {
		.dest = dest == 0xff ? APIC_BROADCAST : dest,
		.source = APIC_NO_SOURCE,
		.vector = entry & IOAPIC_ENTRY_VECTOR,
		.delivery = delivery_mode(entry),
		.logical = entry & IOAPIC_ENTRY_LOGICAL,
		.level = is_level(entry),
		.assert = true,
	};

	return ioapic->send(ioapic->ctx, &message);
}

/* A level-triggered input that is high is delivered once, until its EOI. Remote IRR says that a
 * LAPIC has accepted it; as long as none does, it waits. */
static void service_level(struct ioapic *ioapic, unsigned pin)
{
	u64 *entry = &ioapic->entry[pin];

	ioapic->waiting &= ~BIT(pin);
	if (!is_level(*entry) || !(ioapic->lines & BIT(pin)) ||
	    (*entry & (IOAPIC_ENTRY_MASKED | IOAPIC_ENTRY_REMOTE_IRR)))
		return;
	if (deliver(ioapic, *entry))
		*entry |= IOAPIC_ENTRY_REMOTE_IRR;
	else
		ioapic->waiting |= BIT(pin);
}

void ioapic_retry(struct ioapic *ioapic)
{
	for (u32 left = ioapic->waiting; left; left &= left - 1)
		service_level(ioapic, __builtin_ctz(left));
}

void ioapic_init(struct ioapic *ioapic, unsigned (*send)(void *, const struct apic_message *),
		 void *ctx)
{
	*ioapic = (struct ioapic){ .send = send, .ctx = ctx };
	for (unsigned i = 0; i < IOAPIC_NR_PINS; i++)
		ioapic->entry[i] = IOAPIC_ENTRY_MASKED;
}

static u32 read_window(const struct ioapic *ioapic)
{
	unsigned pin = (ioapic->select - IOAPIC_REG_TABLE) >> 1;

	if (ioapic->select == IOAPIC_REG_VERSION)
		return VERSION;
	if (ioapic->select == IOAPIC_REG_ID || ioapic->select == IOAPIC_REG_ARBITRATION)
		return (u32)ioapic->id << ID_SHIFT;
	if (ioapic->select < IOAPIC_REG_TABLE || pin >= IOAPIC_NR_PINS)
		return 0;
	if (ioapic->select & 1)
		return ioapic->entry[pin] >> 32;
	return ioapic->entry[pin] | (ioapic->waiting & BIT(pin) ? IOAPIC_ENTRY_PENDING : 0);
}

static void write_window(struct ioapic *ioapic, u32 value)
{
	unsigned pin = (ioapic->select - IOAPIC_REG_TABLE) >> 1;
	u64 *entry, kept, next;

	if (ioapic->select == IOAPIC_REG_ID)
		ioapic->id = value >> ID_SHIFT & ID_MASK;
	if (ioapic->select < IOAPIC_REG_TABLE || pin >= IOAPIC_NR_PINS)
		return;
	entry = &ioapic->entry[pin];
	if (ioapic->select & 1)
		next = (*entry & BITS(31, 0)) | (u64)value << 32;
	else
		next = (*entry & BITS(63, 32)) | value;
	/* An edge-triggered input has no remote IRR: kernels clear a stuck one by that. */
	kept = is_level(next) ? *entry & IOAPIC_ENTRY_REMOTE_IRR : 0;
	*entry = (next & ENTRY_WRITABLE) | kept;
	service_level(ioapic, pin);
}

u64 ioapic_read(struct ioapic *ioapic, u32 offset, unsigned size)
{
	u32 value = 0;

	if ((offset & ~3u) == IOAPIC_SELECT)
		value = ioapic->select;
	else if ((offset & ~3u) == IOAPIC_WINDOW)
		value = read_window(ioapic);
	value >>= 8 * (offset & 3);
	return size < 4 ? value & ((1u << 8 * size) - 1) : value;
}

void ioapic_write(struct ioapic *ioapic, u32 offset, unsigned size, u64 value)
{
	if (offset == IOAPIC_SELECT)
		ioapic->select = value;
	else if (offset == IOAPIC_WINDOW && size >= 4)
		write_window(ioapic, value);
}

void ioapic_set_pin(struct ioapic *ioapic, unsigned pin, bool level)
{
	u64 entry = ioapic->entry[pin];
	bool rises = level && !(ioapic->lines & BIT(pin));

	ioapic->lines = level ? ioapic->lines | BIT(pin) : ioapic->lines & ~BIT(pin);
	if (is_level(entry))
		service_level(ioapic, pin);
	else if (rises && !(entry & IOAPIC_ENTRY_MASKED))
		deliver(ioapic, entry);
}

void ioapic_eoi(struct ioapic *ioapic, u8 vector)
{
	for (unsigned pin = 0; pin < IOAPIC_NR_PINS; pin++) {
		u64 entry = ioapic->entry[pin];

		if (!(entry & IOAPIC_ENTRY_REMOTE_IRR) ||
		    (entry & IOAPIC_ENTRY_VECTOR) != vector)
			continue;
		ioapic->entry[pin] &= ~IOAPIC_ENTRY_REMOTE_IRR;
		service_level(ioapic, pin);
	}
}
