/* SPDX-License-Identifier: MIT */
/*
 * For test_control.c, to be included by it: where unicorn is wrong, recognised by the cause. Each has
 * a line in tests/emulator-differences.
 */
struct outcome {
	const struct row *row;
	const struct reference *theirs_in;
	enum cpu_mode mode;
	bool far;		/* CS may change */
	int ours, theirs;	/* vectors, or -1 */
};

static u64 descriptor_of(u16 selector)
{
	unsigned entries = selector & 4 ? NR_LDT : NR_GDT;

	if ((selector & ~7u) >= entries * 8 || !(selector & ~3u))
		return 0;
	return take((selector & 4 ? LDT : GDT) + (selector & ~7u), 8);
}

/* The offset that the instruction names, if that is where it goes (not by a gate). */
static u64 asked_offset(void)
{
	unsigned size = result.insn.op_bytes;

	if (result.insn.op == OP_RET_FAR || result.insn.op == OP_IRET)
		return take(before.rsp, size);
	return result.insn.is_mem ? take(before.gpr[GPR_RBX], size) : (u32)result.insn.imm;
}

/* Has unicorn gone where code can't be? Behind a far transfer it shows EIP with CS's base in it. */
static bool is_target_unchecked(const struct outcome *o)
{
	const struct reference *r = o->theirs_in;
	u64 rip = uc_get(r, o->mode == CPU_MODE_64 ? UC_X86_REG_RIP : UC_X86_REG_EIP);
	u16 cs = uc_get(r, UC_X86_REG_CS);
	u64 raw = descriptor_of(cs), limit = (raw & 0xffff) | (raw >> 32 & 0xf0000);
	u32 base = o->mode == CPU_MODE_16 ? cs * 16 : raw >> 16 & 0xffffff;

	if (!o->far || o->ours != EXC_GP || o->theirs != -1 || result.event.error)
		return false;
	if (o->mode == CPU_MODE_16)
		limit = 0xffff;
	else if (raw >> 55 & 1)
		limit = limit << 12 | 0xfff;
	if (o->mode == CPU_MODE_64 && (raw >> 53 & 1))
		return (u64)((s64)(rip << 16) >> 16) != rip;
	return (u32)rip > limit || (u32)(rip - base) > limit || asked_offset() > limit;
}

static bool is_limit_of_64_bit_code(const struct outcome *o)
{
	return o->mode == CPU_MODE_64 && o->far && o->ours == -1 && o->theirs == EXC_GP &&
	       (m.seg[SEG_CS].attr & SEG_ATTR_L) && m.rip > m.seg[SEG_CS].limit;
}

/* The error code of our #GP names a code segment with both L and D. */
static bool is_l_and_d(const struct outcome *o)
{
	u64 raw = descriptor_of(result.event.error);

	return o->mode == CPU_MODE_64 && o->ours == EXC_GP && result.event.error &&
	       (raw >> 43 & 3) == 3 && (raw >> 53 & 3) == 3;
}

/* The same of a system descriptor whose upper half has a type. */
static bool is_typed_upper_half(const struct outcome *o)
{
	u16 selector = result.event.error;
	u64 raw = descriptor_of(selector);

	return o->mode == CPU_MODE_64 && o->ours == EXC_GP && raw && !(raw >> 44 & 1) &&
	       (take((selector & 4 ? LDT : GDT) + (selector & ~7u) + 8, 8) >> 40 & 0x1f);
}

static bool is_absent_by_gate(const struct outcome *o)
{
	return o->mode != CPU_MODE_16 && !strncmp(o->row->name, "JMP", 3) && o->ours == EXC_NP &&
	       o->theirs == EXC_GP && (descriptor_of(result.event.error) >> 43 & 3) == 3;
}

static bool is_absent_stack(const struct outcome *o)
{
	return (o->row->opcode[0] == 0xcf || !strncmp(o->row->name, "task", 4)) &&
	       o->ours == EXC_SS && o->theirs == EXC_NP;
}

static bool is_unknown_in_long_mode(const struct outcome *o)
{
	u16 selector = result.insn.is_mem ? take(before.gpr[GPR_RBX], 2) : before.gpr[GPR_RAX];
	u64 raw = descriptor_of(selector);

	return o->mode == CPU_MODE_64 && o->ours == -1 &&
	       (result.insn.op == OP_LAR || result.insn.op == OP_LSL) && !(raw >> 44 & 1) &&
	       (raw >> 40 & 15) < 6 && !(m.rflags & RFLAGS_ZF);
}

static bool is_null_tr(const struct outcome *o)
{
	u16 selector = result.insn.is_mem ? take(before.gpr[GPR_RBX], 2) : before.gpr[GPR_RAX];

	return result.insn.op == OP_LTR && o->ours == EXC_GP && o->theirs == -1 && selector < 4;
}

/* Unicorn has loaded a null SS whose RPL isn't CPL, or for code that isn't 64-bit. */
static bool is_null_ss(const struct outcome *o)
{
	u16 ss = uc_get(o->theirs_in, UC_X86_REG_SS), cs = uc_get(o->theirs_in, UC_X86_REG_CS);

	return o->mode == CPU_MODE_64 && o->ours == EXC_GP && o->theirs == -1 &&
	       result.event.error == 0 && ss < 4 &&
	       ((ss ^ cs) & 3 || !(descriptor_of(cs) >> 53 & 1));
}

/* The new task's CS is a conforming segment of an inner level; we may have found another fault. */
static bool is_task_conforming(const struct outcome *o)
{
	u16 cs = take(TSS2 + 76, 2);
	u64 raw = descriptor_of(cs);

	return !strncmp(o->row->name, "task", 4) && (m.cr0 & CR0_TS) && o->theirs == EXC_TS &&
	       (raw >> 42 & 7) == 7 && (raw >> 45 & 3) < (cs & 3);
}

static struct difference {
	const char *id;
	bool (*is)(const struct outcome *o);
	unsigned count;
} differences[] = {
	{ "far-target", is_target_unchecked }, { "far-limit-64", is_limit_of_64_bit_code },
	{ "far-l-and-d", is_l_and_d }, { "far-upper-half", is_typed_upper_half },
	{ "far-absent-by-gate", is_absent_by_gate },
	{ "far-absent-stack", is_absent_stack },
	{ "lar-types", is_unknown_in_long_mode }, { "ltr-null", is_null_tr },
	{ "null-ss", is_null_ss }, { "task-conforming", is_task_conforming },
};

static bool is_known(const struct row *row, const struct reference *r, int ours, int theirs)
{
	u8 opcode = row->opcode[0];
	struct outcome o = {
		.row = row, .theirs_in = r, .mode = r->mode, .ours = ours, .theirs = theirs,
		.far = opcode == 0x9a || opcode == 0xea || opcode == 0xff ||
		       (opcode & 0xfe) == 0xca || opcode == 0xcf,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(differences); i++) {
		if (differences[i].is(&o)) {
			differences[i].count++;
			return true;
		}
	}
	return false;
}

static bool has_line(const char *id)
{
	FILE *file = fopen("tests/emulator-differences", "r");
	size_t n = strlen(id);
	bool found = false;
	char line[1024];

	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, id, n) && line[n] == ':';
	fclose(file);
	return found;
}

/* Each was met, in one of the modes, and has its line. */
static void test_differences(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(differences); i++) {
		if (!differences[i].count || !has_line(differences[i].id))
			fail_msg("%s: met %u times, line %d", differences[i].id,
				 differences[i].count, has_line(differences[i].id));
	}
	print_message("figure control-differences: %u lines in tests/emulator-differences\n",
		      (unsigned)ARRAY_SIZE(differences));
}
