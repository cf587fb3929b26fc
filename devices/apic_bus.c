/* SPDX-License-Identifier: GPL-2.0-only */
/* Finding the targets of an APIC message (SDM vol. 3A, "Determining IPI Destination"). */
#include "devices/apic_bus.h"

#include "devices/lapic.h"

static bool is_target(const struct lapic *lapic, const struct apic_message *m)
{
	switch (m->shorthand) {
	case APIC_ICR_SELF:
		return lapic->index == m->source;
	case APIC_ICR_ALL:
		return lapic_is_enabled(lapic);
	case APIC_ICR_OTHERS:
		return lapic->index != m->source && lapic_is_enabled(lapic);
	default:
		return lapic_matches(lapic, m->dest, m->logical);
	}
}

static unsigned send_lowest(struct lapic *lapics, unsigned count, const struct apic_message *m)
{
	struct lapic *best = NULL;

	for (unsigned i = 0; i < count; i++) {
		if (!is_target(&lapics[i], m) || !lapic_is_software_enabled(&lapics[i]))
			continue;
		if (!best || lapics[i].ppr < best->ppr)
			best = &lapics[i];
	}
	if (!best)
		return 0;
	return lapic_receive(best, m);
}

unsigned apic_bus_send(struct lapic *lapics, unsigned count, const struct apic_message *message)
{
	unsigned taken = 0;

	if (message->delivery == APIC_LOWEST)
		return send_lowest(lapics, count, message);
	for (unsigned i = 0; i < count; i++)
		if (is_target(&lapics[i], message))
			taken += lapic_receive(&lapics[i], message);
	return taken;
}
