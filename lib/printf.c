/* SPDX-License-Identifier: GPL-2.0-only */
/* snprintf, as lib/printf.h says. What it doesn't know is printed as it stands in the format. */
#include "lib/printf.h"

#include "lib/string.h"

struct sink {
	char *out;
	size_t size;	/* of out */
	size_t length;	/* of the whole text so far, whether or not it fits */
};

/* One conversion: %[flags][width][.precision][length]letter */
struct spec {
	bool left, zero, plus, space, alternate;
	size_t width;
	int precision;		/* -1: none given */
	u8 bytes;		/* of the argument */
	char letter;
};

static void put(struct sink *s, char c)
{
	if (s->length + 1 < s->size)
		s->out[s->length] = c;
	s->length++;
}

static void put_times(struct sink *s, char c, size_t times)
{
	while (times--)
		put(s, c);
}

/* Text of `n` bytes in a field of the width. */
static void put_field(struct sink *s, const struct spec *f, const char *text, size_t n)
{
	size_t pad = f->width > n ? f->width - n : 0;

	if (!f->left)
		put_times(s, ' ', pad);
	for (size_t i = 0; i < n; i++)
		put(s, text[i]);
	if (f->left)
		put_times(s, ' ', pad);
}

static size_t bounded_length(const char *text, int precision)
{
	size_t n = 0;

	while ((precision < 0 || n < (size_t)precision) && text[n])
		n++;
	return n;
}

/* The digits of `value`, written backwards from `end`. Returns the first one. */
static char *digits_of(char *end, u64 value, unsigned base, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";

	for (; value; value /= base)
		*--end = digits[value % base];
	return end;
}

static void put_number(struct sink *s, const struct spec *f, u64 value, unsigned base,
		       const char *sign)
{
	char buffer[24], *end = buffer + sizeof(buffer);
	char *digits = digits_of(end, value, base, f->letter == 'X');
	size_t nr_digits = (size_t)(end - digits), nr_sign = strlen(sign);
	size_t least = f->precision < 0 ? 1 : (size_t)f->precision;
	size_t zeros = least > nr_digits ? least - nr_digits : 0;
	size_t pad;

	pad = nr_sign + zeros + nr_digits;
	pad = f->width > pad ? f->width - pad : 0;
	if (f->zero && !f->left && f->precision < 0) {
		zeros += pad;
		pad = 0;
	}
	if (!f->left)
		put_times(s, ' ', pad);
	while (*sign)
		put(s, *sign++);
	put_times(s, '0', zeros);
	while (digits < end)
		put(s, *digits++);
	if (f->left)
		put_times(s, ' ', pad);
}

static void put_signed(struct sink *s, const struct spec *f, s64 value)
{
	const char *sign = value < 0 ? "-" : f->plus ? "+" : f->space ? " " : "";

	put_number(s, f, value < 0 ? -(u64)value : (u64)value, 10, sign);
}

static s64 signed_argument(const struct spec *f, va_list *args)
{
	switch (f->bytes) {
	case 1:
		return (s8)va_arg(*args, int);
	case 2:
		return (s16)va_arg(*args, int);
	case 8:
		return va_arg(*args, s64);
	default:
		return va_arg(*args, int);
	}
}

static u64 unsigned_argument(const struct spec *f, va_list *args)
{
	switch (f->bytes) {
	case 1:
		return (u8)va_arg(*args, unsigned);
	case 2:
		return (u16)va_arg(*args, unsigned);
	case 8:
		return va_arg(*args, u64);
	default:
		return va_arg(*args, unsigned);
	}
}

static void put_hex(struct sink *s, const struct spec *f, u64 value)
{
	const char *prefix = f->letter == 'X' ? "0X" : "0x";

	put_number(s, f, value, 16, f->alternate && value ? prefix : "");
}

/* False: no such conversion. */
static bool convert(struct sink *s, struct spec *f, va_list *args)
{
	const char *text;
	char c;

	switch (f->letter) {
	case 'd': case 'i':
		put_signed(s, f, signed_argument(f, args));
		return true;
	case 'u':
		put_number(s, f, unsigned_argument(f, args), 10, "");
		return true;
	case 'x': case 'X':
		put_hex(s, f, unsigned_argument(f, args));
		return true;
	case 'p':
		put_number(s, f, (u64)va_arg(*args, void *), 16, "0x");
		return true;
	case 'c':
		c = (char)va_arg(*args, int);
		put_field(s, f, &c, 1);
		return true;
	case 's':
		text = va_arg(*args, const char *);
		text = text ? text : "(null)";
		put_field(s, f, text, bounded_length(text, f->precision));
		return true;
	case '%':
		put(s, '%');
		return true;
	default:
		return false;
	}
}

static const char *parse_flags(struct spec *f, const char *at)
{
	for (;; at++) {
		switch (*at) {
		case '-': f->left = true; break;
		case '0': f->zero = true; break;
		case '+': f->plus = true; break;
		case ' ': f->space = true; break;
		case '#': f->alternate = true; break;
		default: return at;
		}
	}
}

/* A number or `*`. */
static const char *parse_number(int *to, const char *at, va_list *args)
{
	if (*at == '*') {
		*to = va_arg(*args, int);
		return at + 1;
	}
	for (*to = 0; *at >= '0' && *at <= '9'; at++)
		if (*to < 1000000)
			*to = *to * 10 + (*at - '0');
	return at;
}

static const char *parse_length(struct spec *f, const char *at)
{
	f->bytes = 4;
	for (;; at++) {
		if (*at == 'h')
			f->bytes /= 2;
		else if (*at == 'l' || *at == 'z')
			f->bytes = 8;
		else
			return at;
	}
}

/* `at` is behind the `%`. Returns what is behind the conversion. */
static const char *parse_spec(struct spec *f, const char *at, va_list *args)
{
	int width;

	*f = (struct spec){ .precision = -1 };
	at = parse_flags(f, at);
	at = parse_number(&width, at, args);
	if (width < 0) {
		f->left = true;
		width = -width;
	}
	f->width = (size_t)width;
	if (*at == '.')
		at = parse_number(&f->precision, at + 1, args);
	at = parse_length(f, at);
	f->letter = *at;
	return *at ? at + 1 : at;
}

int vsnprintf(char *out, size_t size, const char *format, va_list args)
{
	struct sink s = { out, size, 0 };
	struct spec f;
	va_list rest;

	va_copy(rest, args);
	while (*format) {
		const char *percent = format;

		if (*format++ != '%') {
			put(&s, *percent);
			continue;
		}
		format = parse_spec(&f, format, &rest);
		if (!convert(&s, &f, &rest))
			for (; percent < format; percent++)
				put(&s, *percent);
	}
	va_end(rest);
	if (size)
		out[MIN(s.length, size - 1)] = 0;
	return (int)s.length;
}

int snprintf(char *out, size_t size, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(out, size, format, args);
	va_end(args);
	return length;
}
