/* SPDX-License-Identifier: GPL-2.0-only */
/* The keyboard controller. See i8042.h. */
#include "devices/i8042.h"

#define STATUS_OUTPUT_FULL	0x01u
#define STATUS_SYSTEM		0x04u
#define STATUS_COMMAND		0x08u	/* the last write went to 0x64 */
#define STATUS_UNLOCKED		0x10u
#define STATUS_AUX		0x20u
#define STATUS_TIMEOUT		0x40u

#define MODE_KEYBOARD_IRQ	0x01u
#define MODE_AUX_IRQ		0x02u
#define MODE_SYSTEM		0x04u
#define MODE_KEYBOARD_OFF	0x10u
#define MODE_AUX_OFF		0x20u

#define CMD_READ_MODE		0x20u
#define CMD_WRITE_MODE		0x60u
#define CMD_AUX_OFF		0xa7u
#define CMD_AUX_ON		0xa8u
#define CMD_AUX_TEST		0xa9u
#define CMD_SELF_TEST		0xaau
#define CMD_KEYBOARD_TEST	0xabu
#define CMD_KEYBOARD_OFF	0xadu
#define CMD_KEYBOARD_ON		0xaeu
#define CMD_READ_INPUT		0xc0u
#define CMD_READ_OUTPUT		0xd0u
#define CMD_WRITE_OUTPUT	0xd1u
#define CMD_LOOP_KEYBOARD	0xd2u
#define CMD_LOOP_AUX		0xd3u
#define CMD_TO_AUX		0xd4u
#define CMD_PULSE		0xf0u	/* low nibble: lines that are not pulsed */

#define SELF_TEST_PASSED	0x55u
#define LINE_TEST_PASSED	0x00u
#define RESEND			0xfeu	/* what a device that isn't there "answers" */
#define OUTPUT_NO_RESET		0x01u
#define OUTPUT_A20		0x02u
#define INPUT_UNLOCKED		0x80u

static void update(struct i8042 *kbc)
{
	bool full = kbc->flags & STATUS_OUTPUT_FULL, aux = kbc->flags & STATUS_AUX;

	irq_set(&kbc->keyboard, full && !aux && (kbc->mode & MODE_KEYBOARD_IRQ));
	irq_set(&kbc->aux, full && aux && (kbc->mode & MODE_AUX_IRQ));
}

static void answer(struct i8042 *kbc, u8 value, u8 flags)
{
	kbc->output = value;
	kbc->flags = (kbc->flags & STATUS_COMMAND) | STATUS_OUTPUT_FULL | flags;
}

static void set_output_port(struct i8042 *kbc, u8 value)
{
	kbc->output_port = value | OUTPUT_NO_RESET;
	if (!(value & OUTPUT_NO_RESET))
		kbc->reset(kbc->ctx);
}

static void command(struct i8042 *kbc, u8 value)
{
	kbc->command = 0;
	switch (value) {
	case CMD_READ_MODE:	answer(kbc, kbc->mode, 0); break;
	case CMD_AUX_OFF:	kbc->mode |= MODE_AUX_OFF; break;
	case CMD_AUX_ON:	kbc->mode &= ~MODE_AUX_OFF; break;
	case CMD_KEYBOARD_OFF:	kbc->mode |= MODE_KEYBOARD_OFF; break;
	case CMD_KEYBOARD_ON:	kbc->mode &= ~MODE_KEYBOARD_OFF; break;
	case CMD_SELF_TEST:
		kbc->mode |= MODE_SYSTEM;
		answer(kbc, SELF_TEST_PASSED, 0);
		break;
	case CMD_KEYBOARD_TEST:
	case CMD_AUX_TEST:	answer(kbc, LINE_TEST_PASSED, 0); break;
	case CMD_READ_INPUT:	answer(kbc, INPUT_UNLOCKED, 0); break;
	case CMD_READ_OUTPUT:	answer(kbc, kbc->output_port, 0); break;
	case CMD_WRITE_MODE:
	case CMD_WRITE_OUTPUT:
	case CMD_LOOP_KEYBOARD:
	case CMD_LOOP_AUX:
	case CMD_TO_AUX:
		kbc->command = value;
		break;
	default:
		if ((value & CMD_PULSE) == CMD_PULSE && !(value & OUTPUT_NO_RESET))
			kbc->reset(kbc->ctx);
	}
}

static void data(struct i8042 *kbc, u8 value)
{
	u8 pending = kbc->command;

	kbc->command = 0;
	switch (pending) {
	case CMD_WRITE_MODE:	kbc->mode = value; break;
	case CMD_WRITE_OUTPUT:	set_output_port(kbc, value); break;
	case CMD_LOOP_KEYBOARD:	answer(kbc, value, 0); break;
	case CMD_LOOP_AUX:	answer(kbc, value, STATUS_AUX); break;
	case CMD_TO_AUX:	answer(kbc, RESEND, STATUS_AUX | STATUS_TIMEOUT); break;
	default:		answer(kbc, RESEND, STATUS_TIMEOUT); break;
	}
}

void i8042_init(struct i8042 *kbc, struct irq_out keyboard, struct irq_out aux,
		void (*reset)(void *ctx), void *ctx)
{
	*kbc = (struct i8042){
		.keyboard = keyboard, .aux = aux, .reset = reset, .ctx = ctx,
		.mode = MODE_SYSTEM | MODE_KEYBOARD_OFF | MODE_AUX_OFF,
		.output_port = OUTPUT_NO_RESET | OUTPUT_A20,
	};
}

u8 i8042_read(struct i8042 *kbc, u16 port)
{
	if (port == I8042_COMMAND_PORT)
		return kbc->flags | STATUS_UNLOCKED |
		       (kbc->mode & MODE_SYSTEM ? STATUS_SYSTEM : 0);
	kbc->flags &= STATUS_COMMAND;
	update(kbc);
	return kbc->output;
}

void i8042_write(struct i8042 *kbc, u16 port, u8 value)
{
	kbc->flags &= ~STATUS_COMMAND;
	if (port == I8042_COMMAND_PORT) {
		kbc->flags |= STATUS_COMMAND;
		command(kbc, value);
	} else {
		data(kbc, value);
	}
	update(kbc);
}
