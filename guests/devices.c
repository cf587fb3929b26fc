/* SPDX-License-Identifier: MIT */
/* The PC's board register by register: PICs, RTC, keyboard controller, PCI, fw_cfg, I/O APIC, LAPIC
 * priorities. Interrupts stay off: requests are looked at, polled and ended by hand. */
#include "guests/lib/guest.h"

#define IOAPIC		0xfec00000u
#define RTC_A		10
#define RTC_B		11
#define RTC_C		12
#define SIX_BYTES	6

static volatile bool never;

/* ---- the 8259As ---- */

static u8 pic_read(u8 ocw3)
{
	outb(0x20, ocw3);
	return inb(0x20);
}

#define IRR	0x0a
#define ISR	0x0b
#define POLL	0x0c

/* IRQ 0 by the PIT, at once; IRQ 4 by the UART's empty transmitter. An emulator's PIT may be late. */
static void request_both(void)
{
	outb(0x43, 0x30);
	outb(0x40, 10);
	outb(0x40, 0);
	outb(0x3fc, 0x08);
	outb(0x3f9, 0x02);
	for (unsigned i = 0; i < 1000 && (pic_read(IRR) & 0x11) != 0x11; i++)
		wait_for(&never, 1, false);
}

static void end_request(void)
{
	outb(0x3f9, 0);
	(void)inb(0x3fa);
}

static void check_pic(void)
{
	pic_setup(0x11);
	check("PIC: mask reads back", (u64)inb(0x21) << 8 | inb(0xa1), 0xeeff);
	request_both();
	check("PIC: two requests", pic_read(IRR) & 0x11, 0x11);
	check("PIC: nothing in service", pic_read(ISR), 0);
	check("PIC: poll finds the timer", pic_read(POLL), 0x80);
	check("PIC: it is in service", pic_read(ISR), 0x01);
	check("PIC: it holds back the lower one", pic_read(POLL) & 0x80, 0);
	outb(0x20, 0x68);	/* special mask mode */
	outb(0x21, 0xef);
	check("PIC: special mask mode lets it through", pic_read(POLL), 0x84);
	check("PIC: both in service", pic_read(ISR), 0x11);
	outb(0x20, 0x64);
	check("PIC: specific end of one", pic_read(ISR), 0x01);
	outb(0x20, 0x60);
	check("PIC: and of the other", pic_read(ISR), 0);
	outb(0x20, 0x48);
	end_request();

	pic_setup(0x11);
	outb(0x20, 0xc3);	/* IRQ 3 has the lowest priority: 4 has the highest */
	request_both();
	check("PIC: set priority", pic_read(POLL), 0x84);
	outb(0x20, 0xa0);	/* end, and rotate: 4 is the lowest */
	check("PIC: rotate on end", pic_read(ISR), 0);
	check("PIC: the timer is next", pic_read(POLL), 0x80);
	outb(0x20, 0x20);
	check("PIC: end", pic_read(ISR), 0);
	end_request();
}

static void check_elcr(void)
{
	u8 before[2] = { inb(0x4d0), inb(0x4d1) };

	outb(0x4d0, 0xff);
	outb(0x4d1, 0xff);
	check("ELCR: only some inputs can be levels", (u64)inb(0x4d1) << 8 | inb(0x4d0), 0xdef8);
	outb(0x4d0, before[0]);
	outb(0x4d1, before[1]);
	pic_setup(0);
}

/* ---- the real-time clock ---- */

static u8 rtc(u8 index)
{
	outb(0x70, index);
	return inb(0x71);
}

static void rtc_write(u8 index, u8 value)
{
	outb(0x70, index);
	outb(0x71, value);
}

/* Seconds, minutes, hours, day, month, year. */
static const u8 clock_registers[SIX_BYTES] = { 0, 2, 4, 7, 8, 9 };

static void set_clock(u8 mode, const u8 *values)
{
	rtc_write(RTC_B, 0x80 | mode);
	for (unsigned i = 0; i < SIX_BYTES; i++)
		rtc_write(clock_registers[i], values[i]);
	rtc_write(RTC_B, mode);
}

static u64 read_clock(void)
{
	u64 value = 0;

	while (rtc(RTC_A) & 0x80)
		pause();
	for (unsigned i = 0; i < SIX_BYTES; i++)
		value = value << 8 | rtc(clock_registers[SIX_BYTES - 1 - i]);
	return value;
}

/* Register C once any of `flags` is set, 0 after 3 s. */
static u8 wait_for_flag(u8 flags)
{
	u8 c = 0;

	for (unsigned i = 0; i < 3000 && !(c & flags); i++) {
		c |= rtc(RTC_C);
		wait_for(&never, 1, false);
	}
	return c & flags;
}

static void check_rtc_formats(void)
{
	/* 31 December 2023, 23:59:58, in BCD; then the same in binary and with 12 hours. */
	static const u8 bcd[] = { 0x58, 0x59, 0x23, 0x31, 0x12, 0x23 };
	static const u8 binary[] = { 58, 59, 23, 31, 12, 23 };
	static const u8 twelve[] = { 0x58, 0x59, 0x91, 0x31, 0x12, 0x23 };

	set_clock(0x80 | 0x02, bcd);
	check("RTC: BCD, 24 hours, held", read_clock(), 0x231231235958);
	set_clock(0x80 | 0x06, binary);
	check("RTC: binary, 24 hours, held", read_clock(), 0x170c1f173b3a);
	set_clock(0x80 | 0x00, twelve);
	check("RTC: BCD, 12 hours, held", read_clock(), 0x231231915958);
	wait_for(&never, 20, false);
	check("RTC: stands still", read_clock(), 0x231231915958);
}

static void check_rtc_flags(void)
{
	static const u8 bcd[] = { 0x58, 0x59, 0x23, 0x31, 0x12, 0x23 };

	(void)rtc(RTC_C);
	for (unsigned i = 1; i <= 5; i += 2)
		rtc_write(i, 0xff);		/* an alarm each second */
	set_clock(0x02 | 0x20, bcd);
	check("RTC: the alarm", wait_for_flag(0x20), 0x20);
	rtc_write(RTC_B, 0x02 | 0x10);
	(void)rtc(RTC_C);
	check("RTC: update ended", wait_for_flag(0x10), 0x10);
	for (unsigned i = 0; i < 40 && (read_clock() & 0xff) > 0x10; i++)
		wait_for(&never, 100, false);
	check("RTC: into the new year", read_clock() & ~0xfull, 0x240101000000);
	rtc_write(RTC_A, 0x26);
	rtc_write(RTC_B, 0x02 | 0x40);
	(void)rtc(RTC_C);
	check("RTC: periodic", wait_for_flag(0x40), 0x40);
	rtc_write(RTC_B, 0x02);
	(void)rtc(RTC_C);
	check("RTC: register C is empty after a read", rtc(RTC_C) & 0xb0, 0);
	rtc_write(0x70, 0x5a);
	check("RTC: memory", rtc(0x70), 0x5a);
}

/* ---- keyboard controller ---- */

static u8 kbc_answer(u8 command)
{
	for (unsigned i = 0; i < 16 && (inb(0x64) & 1); i++)
		(void)inb(0x60);
	outb(0x64, command);
	for (unsigned i = 0; i < 1000 && !(inb(0x64) & 1); i++)
		pause();
	return inb(0x60);
}

static void check_kbc(void)
{
	u8 mode;

	check("8042: self-test", kbc_answer(0xaa), 0x55);
	check("8042: keyboard line", kbc_answer(0xab), 0x00);
	mode = kbc_answer(0x20);
	outb(0x64, 0x60);
	outb(0x60, mode ^ 0x10);
	check_true("8042: command byte", kbc_answer(0x20) == (mode ^ 0x10));
	outb(0x64, 0x60);
	outb(0x60, mode);
	outb(0x64, 0xd2);
	outb(0x60, 0xa5);
	check("8042: a byte into the output buffer", inb(0x60), 0xa5);
}

/* ---- PCI configuration ---- */

static void check_pci(void)
{
	outl(0xcf8, 0x80000000);
	check("PCI: address reads back", inl(0xcf8), 0x80000000);
	check("PCI: host bridge", inl(0xcfc), 0x12378086);
	check("PCI: upper word", inw(0xcfe), 0x1237);
	check("PCI: second byte", inb(0xcfd), 0x80);
	outl(0xcf8, 0x0000ff00);
	check("PCI: not enabled", inl(0xcfc), 0xffffffff);
	outl(0xcf8, 0x8000f800);
	check("PCI: no such device", inl(0xcfc), 0xffffffff);
	outl(0xcf8, 0x80000800);
	check("PCI: ISA bridge", inl(0xcfc), 0x70008086);
	outl(0xcf8, 0);
}

/* ---- fw_cfg ---- */

#define FW_READ		2u
#define FW_SKIP		4u
#define FW_SELECT	8u
#define FW_WRITE	16u

static volatile struct {
	u32 control, length, high, low;		/* big-endian */
} command __attribute__((aligned(16)));
static volatile u8 fetched[8];

static u32 big(u32 value)
{
	return __builtin_bswap32(value);
}

static u32 fw_dma(u32 control, u32 length)
{
	command.control = big(control);
	command.length = big(length);
	command.high = 0;
	command.low = big((u32)(word)fetched);
	outl(0x514, 0);
	outl(0x518, big((u32)(word)&command));
	return big(command.control);
}

static u64 fetched_value(unsigned bytes)
{
	u64 value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | fetched[i];
	return value;
}

static u64 fw_item(u16 key, unsigned bytes)
{
	u64 value = 0;

	outw(0x510, key);
	for (unsigned i = 0; i < bytes; i++)
		value |= (u64)inb(0x511) << 8 * i;
	return value;
}

static void check_fw_cfg(void)
{
	check("fw_cfg: signature", fw_item(0, 4), 0x554d4551);
	check("fw_cfg: zero behind an item", fw_item(0, 6) >> 32, 0);
	check("fw_cfg: ID", fw_item(1, 4), 3);
	check("fw_cfg: CPUs", fw_item(5, 2), 1);
	check("fw_cfg: an item that isn't there", fw_item(0x3ffe, 8), 0);
	check("fw_cfg: DMA register, upper half", big(inl(0x514)), 0x51454d55);
	check("fw_cfg: DMA register, lower half", big(inl(0x518)), 0x20434647);
	check("fw_cfg: DMA select and read", fw_dma(FW_SELECT | FW_READ, 4), 0);
	check("fw_cfg: what it read", fetched_value(4), 0x51454d55);
	check("fw_cfg: DMA select", fw_dma(FW_SELECT, 0), 0);
	check("fw_cfg: DMA skip", fw_dma(FW_SKIP, 2), 0);
	check("fw_cfg: DMA read", fw_dma(FW_READ, 4), 0);
	check("fw_cfg: the rest, then zeroes", fetched_value(4), 0x4d550000);
	check("fw_cfg: DMA write of a constant", fw_dma(FW_SELECT | FW_WRITE, 4), 1);
}

/* ---- I/O APIC and LAPIC ---- */

static u32 ioapic(u8 index)
{
	*(volatile u32 *)(word)IOAPIC = index;
	return *(volatile u32 *)(word)(IOAPIC + 0x10);
}

static void ioapic_write(u8 index, u32 value)
{
	*(volatile u32 *)(word)IOAPIC = index;
	*(volatile u32 *)(word)(IOAPIC + 0x10) = value;
}

static void check_ioapic(void)
{
	check("IOAPIC: 24 inputs", ioapic(1) >> 16 & 0xff, 23);
	check("IOAPIC: selector reads back", *(volatile u32 *)(word)IOAPIC, 1);
	ioapic_write(0x20, 0x1a9a5);
	ioapic_write(0x21, 0x5a000000);
	check("IOAPIC: an entry", (u64)ioapic(0x21) << 32 | ioapic(0x20), 0x5a0000000001a9a5);
	ioapic_write(0x20, 0x15000 | 0x10000);
	check("IOAPIC: status bits are read only", ioapic(0x20), 0x10000);
	ioapic_write(0x21, 0);
}

static void check_priorities(void)
{
	lapic_write(LAPIC_SVR, 0x1ff);
	lapic_write(LAPIC_TPR, 0x35);
	check("LAPIC: TPR alone makes PPR", lapic_read(0xa0), 0x35);
	lapic_write(LAPIC_ICR + 0x10, 0);
	lapic_write(LAPIC_ICR, 0x40031);		/* to itself, of TPR's class */
	check("LAPIC: requested", lapic_read(0x210), 1u << 17);
	lapic_write(LAPIC_TPR, 0x20);
	check("LAPIC: PPR follows TPR", lapic_read(0xa0), 0x20);
	lapic_write(LAPIC_TPR, 0);
}

void guest_main(u32 magic, u32 info)
{
	check_pic();
	check_elcr();
	check_rtc_formats();
	check_rtc_flags();
	check_kbc();
	check_pci();
	if (like_qemu())
		check_fw_cfg();
	else
		skip("fw_cfg", "not on this machine");
	check_ioapic();
	check_priorities();
}
