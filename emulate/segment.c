// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segment registers and descriptors: fetching, checking, loading, asking about them (LAR, LSL,
 * VERR, VERW, ARPL). SDM vol. 3A, "Protection"; vol. 2B, "MOV—Move"; each instruction's own page.
 */
#include "emulate/segment.h"

bool is_long_mode(struct emulation *e)
{
	return e->ops->get(e->ctx, EMULATE_EFER) & EFER_LMA;
}

unsigned current_cpl(struct emulation *e)
{
	return e->ops->get(e->ctx, EMULATE_CPL);
}

enum emulate_status selector_fault(struct emulation *e, u8 vector, u16 selector)
{
	return raise_fault(e, vector, (selector & ~SELECTOR_RPL) | e->ext);
}

enum emulate_status read_implicit(struct emulation *e, gva_t at, void *to, unsigned size)
{
	return read_memory(e, at, to, size, ACCESS_IMPLICIT | ACCESS_READ);
}

enum emulate_status write_implicit(struct emulation *e, gva_t at, const void *from, unsigned size)
{
	u32 user = e->user;
	enum emulate_status status;

	e->user = ACCESS_IMPLICIT;
	status = write_memory(e, at, from, size);
	e->user = user;
	return status;
}

/* Linear addresses are 32 bits wide outside long mode. */
static gva_t table_address(struct emulation *e, u64 base, u32 offset)
{
	return GVA(is_long_mode(e) ? base + offset : (u32)(base + offset));
}

/*
 *  63    56 55  52 51    48 47  40 39    16 15     0
 * | base   | G… A | limit  | P…   | base   | limit  |
 */
static struct segment segment_of(u16 selector, u64 raw)
{
	struct segment s = {
		.selector = selector,
		.attr = raw >> 40 & 0xf0ff,
		.limit = (raw & 0xffff) | (raw >> 32 & 0xf0000),
		.base = (raw >> 16 & 0xffffff) | (raw >> 56) << 24,
	};

	if (s.attr & SEG_ATTR_G)
		s.limit = s.limit << 12 | 0xfff;
	return s;
}

/* Where the descriptor table of a selector is; one that isn't there has no entries. */
static bool table_of(struct emulation *e, u16 selector, u64 *base, u64 *bytes)
{
	const struct segment *ldt;
	const struct table *gdt;

	if (selector & SELECTOR_TI) {
		ldt = e->ops->segment(e->ctx, SEG_LDTR);
		*base = ldt->base;
		*bytes = (u64)ldt->limit + 1;
		return ldt->attr & SEG_ATTR_P;
	}
	gdt = e->ops->table(e->ctx, EMULATE_GDT);
	*base = gdt->base;
	*bytes = (u64)gdt->limit + 1;
	return true;
}

enum emulate_status read_descriptor(struct emulation *e, u16 selector, u8 vector,
				    struct descriptor *d)
{
	u32 offset = selector & ~7u;
	enum emulate_status status;
	u64 base, bytes;

	*d = (struct descriptor){ .selector = selector };
	if (!table_of(e, selector, &base, &bytes) || offset + 8ull > bytes)
		return selector_fault(e, vector, selector);
	d->at = table_address(e, base, offset);
	status = read_implicit(e, d->at, &d->raw, 8);
	if (status == EMULATE_OK)
		d->seg = segment_of(selector, d->raw);
	return status;
}

/* The upper half: base or offset bits 63 to 32, and a type that must be 0. */
enum emulate_status read_high_half(struct emulation *e, u8 vector, struct descriptor *d)
{
	u32 offset = d->selector & ~7u;
	enum emulate_status status;
	u64 base, bytes;

	if (!is_long_mode(e))
		return EMULATE_OK;
	if (!table_of(e, d->selector, &base, &bytes) || offset + 16ull > bytes)
		return selector_fault(e, vector, d->selector);
	status = read_implicit(e, table_address(e, base, offset + 8), &d->high, 8);
	if (status != EMULATE_OK)
		return status;
	if (d->high >> 40 & 0x1f)
		return selector_fault(e, vector, d->selector);
	d->seg.base |= d->high << 32;
	return EMULATE_OK;
}

enum emulate_status set_type_bits(struct emulation *e, struct descriptor *d, u8 bits)
{
	u8 old = d->raw >> 40, new = old | bits;
	enum emulate_status status;

	if (old == new)
		return EMULATE_OK;
	status = e->ops->cmpxchg(e->ctx, GVA(d->at.v + 5), &old, &new, 1,
				 ACCESS_IMPLICIT | ACCESS_WRITE, e->event);
	if (status != EMULATE_OK)
		return status;
	d->raw |= (u64)bits << 40;
	d->seg.attr |= bits;
	return EMULATE_OK;
}

enum emulate_status mark_accessed(struct emulation *e, struct descriptor *d)
{
	return set_type_bits(e, d, SEG_TYPE_ACCESSED);
}

struct segment null_segment(u16 selector, unsigned cpl)
{
	return (struct segment){ .selector = selector, .attr = cpl << SEG_ATTR_DPL_SHIFT };
}

/*
 * Real mode changes selector and base alone: limit and rights stay, whatever they are ("unreal
 * mode"). SDM vol. 3B, "Real-Address Mode Operation", "Segment Registers" of virtual-8086 mode.
 */
struct segment real_segment(struct emulation *e, unsigned reg, u16 selector)
{
	struct segment s = *e->ops->segment(e->ctx, reg);

	s.selector = selector;
	s.base = (u32)selector << 4;
	if (e->rflags & RFLAGS_VM) {
		s.limit = 0xffff;
		s.attr = SEG_ATTR_P | SEG_ATTR_DPL | SEG_ATTR_S | SEG_TYPE_WRITABLE |
			 SEG_TYPE_ACCESSED;
	}
	return s;
}

static bool is_writable_data(const struct segment *s)
{
	return (s->attr & SEG_ATTR_S) && !(s->attr & SEG_TYPE_CODE) &&
	       (s->attr & SEG_TYPE_WRITABLE);
}

static bool is_readable(const struct segment *s)
{
	return (s->attr & SEG_ATTR_S) && (!(s->attr & SEG_TYPE_CODE) ||
					  (s->attr & SEG_TYPE_READABLE));
}

enum emulate_status prepare_stack_segment(struct emulation *e, u16 selector, unsigned cpl,
					  bool wide, u8 vector, struct segment *out)
{
	struct descriptor d;
	enum emulate_status status;

	if (is_null_selector(selector)) {
		if (!wide || cpl == 3 || (selector & SELECTOR_RPL) != cpl)
			return selector_fault(e, vector, 0);
		*out = null_segment(selector, cpl);
		return EMULATE_OK;
	}
	status = read_descriptor(e, selector, vector, &d);
	if (status != EMULATE_OK)
		return status;
	if ((selector & SELECTOR_RPL) != cpl || !is_writable_data(&d.seg) ||
	    descriptor_dpl(&d.seg) != cpl)
		return selector_fault(e, vector, selector);
	if (!(d.seg.attr & SEG_ATTR_P))
		return selector_fault(e, EXC_SS, selector);
	status = mark_accessed(e, &d);
	*out = d.seg;
	return status;
}

enum emulate_status prepare_data_segment(struct emulation *e, u16 selector, u8 vector,
					 struct segment *out)
{
	unsigned rpl = selector & SELECTOR_RPL, cpl = current_cpl(e);
	struct descriptor d;
	enum emulate_status status;

	if (is_null_selector(selector)) {
		*out = null_segment(selector, 0);
		return EMULATE_OK;
	}
	status = read_descriptor(e, selector, vector, &d);
	if (status != EMULATE_OK)
		return status;
	if (!is_readable(&d.seg) ||
	    (!is_conforming(&d.seg) && MAX(rpl, cpl) > descriptor_dpl(&d.seg)))
		return selector_fault(e, vector, selector);
	if (!(d.seg.attr & SEG_ATTR_P))
		return selector_fault(e, EXC_NP, selector);
	status = mark_accessed(e, &d);
	*out = d.seg;
	return status;
}

enum emulate_status prepare_segment(struct emulation *e, unsigned reg, u16 selector,
				    struct segment *out)
{
	if (!in_protected_mode(e)) {
		*out = real_segment(e, reg, selector);
		return EMULATE_OK;
	}
	if (reg == SEG_SS)
		return prepare_stack_segment(e, selector, current_cpl(e), in_64bit_mode(e),
					     EXC_GP, out);
	return prepare_data_segment(e, selector, EXC_GP, out);
}

void drop_data_segments(struct emulation *e, unsigned cpl)
{
	static const u8 regs[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
	struct segment null = null_segment(0, 0);

	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		const struct segment *s = e->ops->segment(e->ctx, regs[i]);

		if (!is_null_selector(s->selector) && !is_conforming(s) && descriptor_dpl(s) < cpl)
			e->ops->set_segment(e->ctx, regs[i], &null);
	}
}

/* Without m16:64, REX.W leaves the offset at 32 bits (APM vol. 3, "JMP (Far)", "LSS"). */
static unsigned far_offset_size(struct emulation *e)
{
	bool has_64 = e->ops->get(e->ctx, EMULATE_FEATURES) & EMULATE_HAS_FAR_64;

	return has_64 ? e->insn->op_bytes : MIN(e->insn->op_bytes, 4);
}

/* m16:16, m16:32 or m16:64: the offset, then the selector. */
enum emulate_status read_far_pointer(struct emulation *e, u64 *offset, u16 *selector)
{
	unsigned size = far_offset_size(e);
	u64 at = effective_address(e);
	enum emulate_status status;
	gva_t linear, second;

	*offset = 0;
	status = linear_address(e, e->insn->segment, at, size, ACCESS_READ, &linear);
	if (status == EMULATE_OK)
		status = linear_address(e, e->insn->segment,
					(at + size) & size_mask(e->insn->addr_bytes), 2,
					ACCESS_READ, &second);
	if (status == EMULATE_OK)
		status = read_memory(e, linear, offset, size, e->user);
	return status == EMULATE_OK ? read_memory(e, second, selector, 2, e->user) : status;
}

static enum emulate_status load_segment(struct emulation *e, unsigned reg, u16 selector)
{
	struct segment s;
	enum emulate_status status = prepare_segment(e, reg, selector, &s);

	if (status == EMULATE_OK)
		e->ops->set_segment(e->ctx, reg, &s);
	return status;
}

/* A new SS keeps interrupts and debug exceptions off until the next instruction has set RSP. */
static void shadow_after(struct emulation *e, unsigned reg)
{
	if (reg != SEG_SS)
		return;
	e->shadow = EMULATE_SHADOW_MOV_SS;
	e->traps = 0;
}

enum emulate_status run_mov_to_sreg(struct emulation *e)
{
	unsigned reg = e->insn->reg & 7;
	enum emulate_status status = load_segment(e, reg, e->dst.value);

	if (status == EMULATE_OK)
		shadow_after(e, reg);
	return status;
}

/* The register that the opcode of PUSH or POP names: bits 5 to 3. */
static unsigned opcode_segment(const struct insn *insn)
{
	return insn->opcode >> 3 & 7;
}

enum emulate_status run_push_sreg(struct emulation *e)
{
	u64 value = e->ops->segment(e->ctx, opcode_segment(e->insn))->selector;
	struct stack s = current_stack(e);
	enum emulate_status status = push_values(e, &s, &value, 1, e->insn->op_bytes);

	if (status == EMULATE_OK)
		use_stack_pointer(e, &s);
	return status;
}

enum emulate_status run_pop_sreg(struct emulation *e)
{
	unsigned reg = opcode_segment(e->insn);
	struct stack s = current_stack(e);
	u64 value;
	enum emulate_status status = pop_values(e, &s, &value, 1, e->insn->op_bytes);

	if (status == EMULATE_OK) /* the pointer's width is the old SS's, as it popped */
		use_stack_pointer(e, &s);
	if (status == EMULATE_OK)
		status = load_segment(e, reg, value);
	if (status == EMULATE_OK)
		shadow_after(e, reg);
	return status;
}

/* LDS, LES, LFS, LGS, LSS. */
enum emulate_status run_load_far(struct emulation *e)
{
	const struct insn *insn = e->insn;
	unsigned reg = insn->map == MAP_0F ? insn->opcode & 7 :
		       insn->opcode == 0xc4 ? SEG_ES : SEG_DS;
	enum emulate_status status;
	u16 selector;
	u64 offset;

	status = read_far_pointer(e, &offset, &selector);
	if (status == EMULATE_OK)
		status = load_segment(e, reg, selector);
	if (status == EMULATE_OK)
		write_register(e, insn->reg, insn->op_bytes, offset);
	return status;
}

/* Types of system descriptors that LAR and LSL know, by mode. */
static bool is_known_type(struct emulation *e, unsigned type, bool has_limit)
{
	static const u16 gates = 1u << TYPE_CALL_GATE16 | 1u << TYPE_TASK_GATE |
				 1u << TYPE_CALL_GATE;
	static const u16 limits = 1u << TYPE_TSS16 | 1u << TYPE_LDT | 1u << TYPE_TSS16_BUSY |
				  1u << TYPE_TSS | 1u << TYPE_TSS_BUSY;
	static const u16 long_mode = 1u << TYPE_LDT | 1u << TYPE_TSS | 1u << TYPE_TSS_BUSY |
				     1u << TYPE_CALL_GATE;
	u16 known = has_limit ? limits : limits | gates;

	if (is_long_mode(e))
		known &= long_mode;
	return known >> type & 1;
}

/*
 * Fetch what LAR, LSL, VERR and VERW ask about. *found: it's there and visible at this CPL; a
 * selector that names nothing is no fault for them.
 */
static enum emulate_status find_visible(struct emulation *e, u16 selector, struct descriptor *d,
					bool *found)
{
	enum emulate_status status;
	u64 base, bytes;

	*found = false;
	if (is_null_selector(selector) || !table_of(e, selector, &base, &bytes) ||
	    (selector & ~7u) + 8ull > bytes)
		return EMULATE_OK;
	status = read_descriptor(e, selector, EXC_GP, d);
	if (status == EMULATE_OK)
		*found = is_conforming(&d->seg) ||
			 descriptor_dpl(&d->seg) >= MAX(selector & SELECTOR_RPL, current_cpl(e));
	return status;
}

static void set_zf(struct emulation *e, bool value)
{
	e->rflags = value ? e->rflags | RFLAGS_ZF : e->rflags & ~RFLAGS_ZF;
}

/* LAR, LSL. */
enum emulate_status run_lar(struct emulation *e)
{
	bool is_lsl = e->insn->op == OP_LSL, found;
	struct descriptor d;
	enum emulate_status status = find_visible(e, e->src.value, &d, &found);

	if (status != EMULATE_OK)
		return status;
	if (found && !(d.seg.attr & SEG_ATTR_S))
		found = is_known_type(e, d.seg.attr & SEG_ATTR_TYPE, is_lsl);
	set_zf(e, found);
	if (found)
		write_register(e, e->insn->reg, e->insn->op_bytes,
			       is_lsl ? d.seg.limit : d.raw >> 32 & 0x00f0ff00);
	return EMULATE_OK;
}

/* VERR, VERW. */
enum emulate_status run_verr(struct emulation *e)
{
	bool found;
	struct descriptor d;
	enum emulate_status status = find_visible(e, e->dst.value, &d, &found);

	if (status != EMULATE_OK)
		return status;
	if (found)
		found = e->insn->op == OP_VERR ? is_readable(&d.seg) : is_writable_data(&d.seg);
	set_zf(e, found);
	return EMULATE_OK;
}

enum emulate_status run_arpl(struct emulation *e)
{
	unsigned rpl = e->src.value & SELECTOR_RPL;
	bool raises = (e->dst.value & SELECTOR_RPL) < rpl;

	set_zf(e, raises);
	e->dst.value = (e->dst.value & ~(u64)SELECTOR_RPL) | rpl;
	if (!raises)
		e->writes = 0;
	return EMULATE_OK;
}

enum emulate_status load_ldt(struct emulation *e, u16 selector, u8 vector)
{
	struct segment null = null_segment(selector, 0);
	struct descriptor d;
	enum emulate_status status;

	if (is_null_selector(selector)) {
		e->ops->set_segment(e->ctx, SEG_LDTR, &null);
		return EMULATE_OK;
	}
	if (selector & SELECTOR_TI)
		return selector_fault(e, vector, selector);
	status = read_descriptor(e, selector, vector, &d);
	if (status != EMULATE_OK)
		return status;
	if ((d.seg.attr & (SEG_ATTR_S | SEG_ATTR_TYPE)) != TYPE_LDT)
		return selector_fault(e, vector, selector);
	if (!(d.seg.attr & SEG_ATTR_P))
		return selector_fault(e, vector == EXC_TS ? EXC_TS : EXC_NP, selector);
	status = read_high_half(e, vector, &d);
	if (status == EMULATE_OK)
		e->ops->set_segment(e->ctx, SEG_LDTR, &d.seg);
	return status;
}

enum emulate_status load_tr(struct emulation *e, u16 selector)
{
	struct descriptor d;
	enum emulate_status status;
	unsigned type;

	if (is_null_selector(selector))
		return selector_fault(e, EXC_GP, 0);
	if (selector & SELECTOR_TI)
		return selector_fault(e, EXC_GP, selector);
	status = read_descriptor(e, selector, EXC_GP, &d);
	if (status != EMULATE_OK)
		return status;
	type = d.seg.attr & (SEG_ATTR_S | SEG_ATTR_TYPE);
	if (type != TYPE_TSS && (type != TYPE_TSS16 || is_long_mode(e)))
		return selector_fault(e, EXC_GP, selector);
	if (!(d.seg.attr & SEG_ATTR_P))
		return selector_fault(e, EXC_NP, selector);
	status = read_high_half(e, EXC_GP, &d);
	if (status == EMULATE_OK)
		status = set_type_bits(e, &d, TSS_BUSY);
	if (status == EMULATE_OK)
		e->ops->set_segment(e->ctx, SEG_TR, &d.seg);
	return status;
}
