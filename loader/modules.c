/* SPDX-License-Identifier: GPL-2.0-only */
/* Owns where the files beside the kernel go, and the loader's own data, for the protocols that leave
 * it to the loader. */
#include "lib/string.h"
#include "loader/loading.h"

#define DATA_LOW	0x9000ull	/* where our own data goes if the kernel isn't there */
#define DATA_LOW_END	0x90000ull	/* behind it kernels look for the BIOS's own data area */

enum load_status load_append(struct loading *l, const char *what, u64 *at, const void *from,
			     u64 size)
{
	enum load_status status = load_put(l, what, *at, from, size, size);

	*at += size;
	return status;
}

enum load_status load_modules(struct loading *l, u64 *after)
{
	const struct load_request *req = l->req;
	u64 top = memory_low_top(req->mem);

	*after = MAX(*after, MEMORY_HIGH_BASE);
	for (unsigned i = 0; i < req->nr_modules; i++) {
		const struct load_module *m = &req->module[i];
		u64 at = ALIGN_UP(*after, PAGE_SIZE);
		enum load_status status;

		if (at > top || m->size > top - at)
			return load_refuse(l, LOAD_NO_ROOM, "its module %u (\"%.40s\") of %lu bytes "
					   "doesn't fit: behind its kernel there are %lu (mem=%luK); "
					   "give it more", i + 1, m->string, m->size,
					   at < top ? top - at : 0, req->mem >> 10);
		status = load_put(l, "its module", at, m->data, m->size, m->size);
		if (status != LOAD_OK)
			return status;
		l->module_at[i] = at;
		*after = at + m->size;
	}
	return LOAD_OK;
}

u64 load_data_place(const struct extent *kernel, u64 size)
{
	if (kernel->low >= DATA_LOW + size && DATA_LOW + size <= DATA_LOW_END)
		return DATA_LOW;
	return ALIGN_UP(kernel->high, PAGE_SIZE);
}

u64 load_strings_size(const struct load_request *req)
{
	u64 size = 0;

	for (unsigned i = 0; i < req->nr_modules; i++)
		size += strlen(req->module[i].string) + 1;
	return size;
}
