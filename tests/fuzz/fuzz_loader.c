/* SPDX-License-Identifier: MIT */
/*
 * loader/: the input is a kernel's file, asked for by each protocol; and the words of a module for
 * config. A kernel that is taken must be entered inside the guest's memory; nothing outside the file
 * is read and nothing outside the slots written (the sanitizer sees to both: each is a heap block).
 */
#include <stdlib.h>
#include <string.h>

#include "include/rights.h"
#include "loader/config.h"
#include "loader/load.h"

#define MEM	(4u << 20)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static struct memory_slots slots;
static u8 *low, *high;

static void make_guest(void)
{
	if (low)
		return;
	low = malloc(0xa0000);
	high = malloc(MEM - 0x100000);
	slots_init(&slots);
	if (!slots_add(&slots, GPA(0), 0xa0000, HPA(0x1000000), low, RIGHTS_ALL) ||
	    !slots_add(&slots, GPA(0x100000), MEM - 0x100000, HPA(0x1100000), high, RIGHTS_ALL))
		abort();
}

static void load_by(enum load_protocol protocol, const u8 *data, size_t size)
{
	char why[LOAD_WHY_SIZE];
	struct guest_start start;
	struct load_request request = {
		.kernel = data, .kernel_size = size, .protocol = protocol, .nr_modules = 1,
		.module = { { "module", 6, "words" } }, .cmdline = "one two", .slots = &slots,
		.mem = MEM, .rsdp = GPA(0x1000),
	};
	enum load_status status = load_guest(&request, &start, why, sizeof(why));

	if ((status == LOAD_OK) != !why[0] || (status == LOAD_OK && start.rip >= MEM))
		abort();
}

/* Words come as often as files. */
static void parse(const u8 *data, size_t size)
{
	static struct boot_info info;
	static struct config config;
	static const char head[] = "guest=a,kernel,";
	size_t room = sizeof(info.module[1].cmdline) - 1, n = size < room ? size : room;

	info.nr_modules = 2;
	memcpy(info.module[0].cmdline, head, sizeof(head));
	memcpy(info.module[0].cmdline + sizeof(head) - 1, data, MIN(n, room - sizeof(head)));
	info.module[0].cmdline[MIN(n, room - sizeof(head)) + sizeof(head) - 1] = 0;
	memcpy(info.module[1].cmdline, data, n);
	info.module[1].cmdline[n] = 0;
	config_parse(&config, &info);
	for (unsigned i = 0; i < config.nr_guests; i++)
		if (!config.guest[i].fault[0] &&
		    (config.guest[i].kernel < 0 || config.guest[i].mem % PAGE_SIZE ||
		     config.guest[i].cpus < 1 || config.guest[i].cpus > CONFIG_MAX_CPUS))
			abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	make_guest();
	for (enum load_protocol p = LOAD_AUTO; p < NR_LOAD_PROTOCOLS; p++)
		load_by(p, data, size);
	parse(data, size);
	return 0;
}
