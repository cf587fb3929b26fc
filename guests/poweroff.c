/* SPDX-License-Identifier: MIT */
/* Powers the machine off by ACPI. */
#include "guests/lib/guest.h"

void guest_main(u32 magic, u32 info)
{
	print("# power off by ACPI S5\n");
	print_drain();
	acpi_power_off();
	print("# still here\n");
	debug_exit(1);
}
