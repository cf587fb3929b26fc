/* SPDX-License-Identifier: GPL-2.0-only */
/* Exception vectors (SDM vol. 3A, "Exception and Interrupt Vectors"). */
#pragma once

enum exception_vector {
	EXC_DE = 0, EXC_DB = 1, EXC_NMI = 2, EXC_BP = 3, EXC_OF = 4, EXC_BR = 5, EXC_UD = 6, EXC_NM = 7,
	EXC_DF = 8, EXC_TS = 10, EXC_NP = 11, EXC_SS = 12, EXC_GP = 13, EXC_PF = 14, EXC_MF = 16,
	EXC_AC = 17, EXC_MC = 18, EXC_XM = 19, EXC_VE = 20, EXC_CP = 21,
};

/* Page-fault error code (SDM vol. 3A, "Page-Fault Exceptions"). */
#define PF_ERR_P	0x0001u
#define PF_ERR_W	0x0002u
#define PF_ERR_U	0x0004u
#define PF_ERR_RSVD	0x0008u
#define PF_ERR_I	0x0010u
#define PF_ERR_PK	0x0020u
