/* SPDX-License-Identifier: MIT */
/* The 8259A pair against the data sheet's sentences. */
#include "devices/pic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static bool intr;

static void on_intr(void *ctx, unsigned line, bool level)
{
	assert_int_not_equal(level, intr);	/* told only of changes */
	intr = level;
}

/* As Linux's init_8259A(): vectors 0x30 and 0x38, all unmasked. */
static void setup(struct pic *pic, u8 icw4)
{
	intr = false;
	pic_init(pic, (struct irq_out){ .set = on_intr });
	pic_write(pic, 0x20, 0x11);
	pic_write(pic, 0x21, 0x30);
	pic_write(pic, 0x21, 0x04);
	pic_write(pic, 0x21, icw4);
	pic_write(pic, 0xa0, 0x11);
	pic_write(pic, 0xa1, 0x38);
	pic_write(pic, 0xa1, 0x02);
	pic_write(pic, 0xa1, 0x01);
	assert_int_equal(pic_read(pic, 0x21), 0);
	assert_int_equal(pic_read(pic, 0xa1), 0);
}

static void pulse(struct pic *pic, unsigned irq)
{
	pic_set_irq(pic, irq, true);
	pic_set_irq(pic, irq, false);
}

static u8 in_service(struct pic *pic, u16 port)
{
	pic_write(pic, port, 0x0b);
	return pic_read(pic, port);
}

static u8 requested(struct pic *pic, u16 port)
{
	pic_write(pic, port, 0x0a);
	return pic_read(pic, port);
}

static void test_masked_at_power_on(void **state)
{
	struct pic pic;

	intr = false;
	pic_init(&pic, (struct irq_out){ .set = on_intr });
	for (unsigned i = 0; i < 16; i++)
		pulse(&pic, i);
	assert_false(pic_output(&pic));
}

/* Linux's probe_8259A(): the mask that is written is read back. */
static void test_probe(void **state)
{
	struct pic pic;

	setup(&pic, 1);
	pic_write(&pic, 0xa1, 0xff);
	pic_write(&pic, 0x21, 0xfb);
	assert_int_equal(pic_read(&pic, 0x21), 0xfb);
	assert_int_equal(pic_read(&pic, 0xa1), 0xff);
}

static void test_priority_and_eoi(void **state)
{
	struct pic pic;

	setup(&pic, 1);
	pulse(&pic, 5);
	pulse(&pic, 1);
	assert_true(intr);
	assert_int_equal(requested(&pic, 0x20), 0x22);
	assert_int_equal(pic_acknowledge(&pic), 0x31);
	assert_int_equal(in_service(&pic, 0x20), 0x02);
	assert_false(intr);			/* 5 waits for 1 */
	pulse(&pic, 0);
	assert_true(intr);			/* 0 doesn't */
	assert_int_equal(pic_acknowledge(&pic), 0x30);
	pic_write(&pic, 0x20, 0x20);		/* ends 0, the highest */
	assert_int_equal(in_service(&pic, 0x20), 0x02);
	assert_false(intr);
	pic_write(&pic, 0x20, 0x61);		/* specific EOI of 1 */
	assert_true(intr);
	assert_int_equal(pic_acknowledge(&pic), 0x35);
	pic_write(&pic, 0x20, 0x60);		/* specific EOI of one not in service */
	assert_int_equal(in_service(&pic, 0x20), 0x20);
	pic_write(&pic, 0x20, 0x20);
	assert_int_equal(in_service(&pic, 0x20), 0);
}

static void test_mask_holds_request(void **state)
{
	struct pic pic;

	setup(&pic, 1);
	pic_write(&pic, 0x21, 0x10);
	pulse(&pic, 4);
	assert_false(intr);
	pic_write(&pic, 0x21, 0x00);
	assert_true(intr);
	assert_int_equal(pic_acknowledge(&pic), 0x34);
	assert_false(intr);
	pic_write(&pic, 0x20, 0x20);
	assert_false(intr);			/* one edge, one interrupt */
}

static void test_cascade(void **state)
{
	struct pic pic;

	setup(&pic, 1);
	pulse(&pic, 14);
	pulse(&pic, 8);
	assert_int_equal(pic_acknowledge(&pic), 0x38);
	assert_int_equal(in_service(&pic, 0x20), 0x04);
	assert_int_equal(in_service(&pic, 0xa0), 0x01);
	pic_write(&pic, 0xa0, 0x20);
	assert_false(intr);			/* the master still serves its input 2 */
	pic_write(&pic, 0x20, 0x20);
	assert_true(intr);
	assert_int_equal(pic_acknowledge(&pic), 0x3e);
	pulse(&pic, 3);				/* lower than 2 on the master */
	assert_false(intr);
	pulse(&pic, 1);
	assert_int_equal(pic_acknowledge(&pic), 0x31);
}

/* Special fully nested mode: a higher input of the slave interrupts a lower one of it. */
static void test_special_fully_nested(void **state)
{
	struct pic pic;

	for (unsigned nested = 0; nested < 2; nested++) {
		setup(&pic, nested ? 0x11 : 0x01);
		pulse(&pic, 12);
		assert_int_equal(pic_acknowledge(&pic), 0x3c);
		pulse(&pic, 8);
		assert_int_equal(intr, nested);
		pulse(&pic, 3);
		assert_int_equal(intr, nested);
	}
	assert_int_equal(pic_acknowledge(&pic), 0x38);
}

static void test_spurious(void **state)
{
	struct pic pic;

	setup(&pic, 1);
	assert_int_equal(pic_acknowledge(&pic), 0x37);
	assert_int_equal(in_service(&pic, 0x20), 0);
	/* A level-triggered request that goes away before it is acknowledged. */
	pic_write(&pic, 0x4d0, 0x20);
	pic_set_irq(&pic, 5, true);
	assert_true(intr);
	pic_set_irq(&pic, 5, false);
	assert_false(intr);
	assert_int_equal(pic_acknowledge(&pic), 0x37);
	assert_int_equal(in_service(&pic, 0x20), 0);
}

static void test_level(void **state)
{
	struct pic pic;

	setup(&pic, 1);
	pic_write(&pic, 0x4d0, 0xff);
	pic_write(&pic, 0x4d1, 0xff);
	assert_int_equal(pic_read(&pic, 0x4d0), 0xf8);
	assert_int_equal(pic_read(&pic, 0x4d1), 0xde);
	pic_set_irq(&pic, 11, true);
	assert_int_equal(pic_acknowledge(&pic), 0x3b);
	pic_write(&pic, 0xa0, 0x20);
	pic_write(&pic, 0x20, 0x20);
	assert_true(intr);			/* still high: again */
	assert_int_equal(pic_acknowledge(&pic), 0x3b);
	pic_set_irq(&pic, 11, false);
	pic_write(&pic, 0xa0, 0x20);
	pic_write(&pic, 0x20, 0x20);
	assert_false(intr);
}

static void test_auto_eoi_and_rotation(void **state)
{
	struct pic pic;

	setup(&pic, 3);
	pulse(&pic, 0);
	assert_int_equal(pic_acknowledge(&pic), 0x30);
	assert_int_equal(in_service(&pic, 0x20), 0);
	pic_write(&pic, 0x20, 0x80);		/* rotate in automatic EOI mode */
	pulse(&pic, 0);
	pulse(&pic, 1);
	assert_int_equal(pic_acknowledge(&pic), 0x30);
	pulse(&pic, 0);				/* now the lowest */
	assert_int_equal(pic_acknowledge(&pic), 0x31);
	assert_int_equal(pic_acknowledge(&pic), 0x30);

	setup(&pic, 1);
	pic_write(&pic, 0x20, 0xc4);		/* set priority: 4 is the lowest, 5 the highest */
	pulse(&pic, 0);
	pulse(&pic, 4);
	pulse(&pic, 6);
	assert_int_equal(pic_acknowledge(&pic), 0x36);
	pic_write(&pic, 0x20, 0xa0);		/* rotate on non-specific EOI: 6 is the lowest */
	assert_int_equal(pic_acknowledge(&pic), 0x30);
	pic_write(&pic, 0x20, 0xe0);		/* rotate on specific EOI of 0 */
	pulse(&pic, 1);
	assert_int_equal(pic_acknowledge(&pic), 0x31);
}

static void test_special_mask(void **state)
{
	struct pic pic;

	setup(&pic, 1);
	pulse(&pic, 1);
	assert_int_equal(pic_acknowledge(&pic), 0x31);
	pulse(&pic, 6);
	assert_false(intr);
	pic_write(&pic, 0x21, 0x02);
	assert_false(intr);
	pic_write(&pic, 0x20, 0x68);		/* special mask: masked 1 inhibits no more */
	assert_true(intr);
	assert_int_equal(pic_acknowledge(&pic), 0x36);
	pic_write(&pic, 0x20, 0x20);		/* doesn't clear the masked one */
	assert_int_equal(in_service(&pic, 0x20), 0x02);
	pic_write(&pic, 0x20, 0x48);
	pulse(&pic, 6);
	assert_false(intr);
}

static void test_poll(void **state)
{
	struct pic pic;

	setup(&pic, 1);
	pic_write(&pic, 0x20, 0x0c);
	assert_int_equal(pic_read(&pic, 0x20), 0x00);
	pulse(&pic, 4);
	pic_write(&pic, 0x20, 0x0c);
	assert_int_equal(pic_read(&pic, 0x20), 0x84);
	assert_false(intr);
	assert_int_equal(in_service(&pic, 0x20), 0x10);
	assert_int_equal(pic_read(&pic, 0x21), 0x00);	/* the poll is over */
}

static void test_random(void **state)
{
	static const u16 ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 };
	struct pic pic;

	srandom(1);
	setup(&pic, 1);
	for (unsigned i = 0; i < 1000000; i++) {
		u16 port = ports[random() % 6];

		switch (random() % 4) {
		case 0:
			pic_write(&pic, port, random());
			break;
		case 1:
			pic_read(&pic, port);
			break;
		case 2:
			pic_set_irq(&pic, random() % 16, random() & 1);
			break;
		default:
			pic_acknowledge(&pic);
		}
		assert_int_equal(intr, pic_output(&pic));
		assert_int_equal(pic.chip[0].elcr & 7, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_masked_at_power_on), cmocka_unit_test(test_probe),
		cmocka_unit_test(test_priority_and_eoi), cmocka_unit_test(test_mask_holds_request),
		cmocka_unit_test(test_cascade), cmocka_unit_test(test_special_fully_nested),
		cmocka_unit_test(test_spurious), cmocka_unit_test(test_level),
		cmocka_unit_test(test_auto_eoi_and_rotation), cmocka_unit_test(test_special_mask),
		cmocka_unit_test(test_poll), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("pic", tests, NULL, NULL);
}
