/* SPDX-License-Identifier: GPL-2.0-only */
/* The few functions of C's <string.h> that we use. Copies go by words and a rest of bytes: fast on
 * every CPU, and an emulator pays for each round of a REP. */
#include "lib/string.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	void *start = to;

	size_t words = n / 8;

	n %= 8;
	if (words)
		asm volatile("rep movsq" : "+D" (to), "+S" (from), "+c" (words) : : "memory");
	if (n)
		asm volatile("rep movsb" : "+D" (to), "+S" (from), "+c" (n) : : "memory");
	return start;
}

void *memmove(void *to, const void *from, size_t n)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	if ((size_t)(t - f) >= n)	/* `to` doesn't begin inside `from` */
		return memcpy(to, from, n);
	while (n--) {
		t[n] = f[n];
		asm volatile("" : : : "memory");	/* keeps this loop from becoming a memmove() */
	}
	return to;
}

void *memset(void *s, int c, size_t n)
{
	void *start = s;

	size_t words = n / 8;

	n %= 8;
	if (words)
		asm volatile("rep stosq" : "+D" (s), "+c" (words)
			     : "a" ((unsigned char)c * 0x0101010101010101ull) : "memory");
	if (n)
		asm volatile("rep stosb" : "+D" (s), "+c" (n) : "a" (c) : "memory");
	return start;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

size_t strlen(const char *s)
{
	const char *end = s;

	while (*end) {
		end++;
		asm volatile("" : "+r" (end));	/* or it becomes a call of strlen() */
	}
	return (size_t)(end - s);
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	while (n && *a && *a == *b) {
		a++;
		b++;
		n--;
	}
	return n ? (unsigned char)*a - (unsigned char)*b : 0;
}

char *strchr(const char *s, int c)
{
	while (*s != (char)c)
		if (!*s++)
			return NULL;
	return (char *)s;
}
