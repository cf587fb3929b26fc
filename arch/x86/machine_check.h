/* SPDX-License-Identifier: GPL-2.0-only */
/* The machine-check architecture of the physical CPU. */
#pragma once

/* Lets this CPU report errors of every bank (CR4.MCE is paging_setup_cpu()'s). Nothing where there
 * is no MCA. */
void machine_check_setup_cpu(void);

/* Prints the banks that hold an error. For the panic that follows; it doesn't end the error's
 * state. */
void machine_check_report(void);
