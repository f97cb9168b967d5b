#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "lib/json.h"

/* One scan: each function takes the place where its part begins and gives the
 * place behind it, or NULL once the error is filled in. */
struct scan {
	const char *begin, *end;
	struct json_error *e;
	struct json_members *all; /* of the outermost object, or NULL */
};

static const char *value(
    struct scan *, const char *p, int depth, struct json_field *fields);

static const char *
bad(struct scan *sc, const char *p, const char *why)
{
	sc->e->column = (size_t)(p - sc->begin) + 1;
	sc->e->why = why;
	if (p < sc->end && *p == '\0')
		sc->e->why = "NUL byte";
	else if (p >= sc->end)
		sc->e->why = "unexpected end of data";
	return NULL;
}

static inline const char *
space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *
digits(struct scan *sc, const char *p)
{
	if (p >= sc->end || !is_digit(*p))
		return bad(sc, p, "expected a digit");
	while (p < sc->end && is_digit(*p))
		p++;
	return p;
}

static const char *
number(struct scan *sc, const char *p)
{
	if (*p == '-')
		p++;
	if (p < sc->end && *p == '0')
		p++;
	else if ((p = digits(sc, p)) == NULL)
		return NULL;
	if (p < sc->end && is_digit(*p))
		return bad(sc, p, "number with a leading zero");
	if (p < sc->end && *p == '.' && (p = digits(sc, p + 1)) == NULL)
		return NULL;
	if (p < sc->end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < sc->end && (*p == '+' || *p == '-'))
			p++;
		p = digits(sc, p);
	}
	return p;
}

/* The four digits of \uXXXX as a number; -1 if they are not that. */
static int
hex4(const char *p, const char *end)
{
	int n = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int c = p[i];

		n *= 16;
		if (is_digit(p[i]))
			n += c - '0';
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			n += (c | 32) - 'a' + 10;
		else
			return -1;
	}
	return n;
}

/*
 * An escape.  Half of a surrogate pair stands for no character at all: readers
 * would not agree on what it says, and PostgreSQL would refuse it.
 */
static const char *
escape(struct scan *sc, const char *p)
{
	int hi, lo;

	if (p + 1 >= sc->end)
		return bad(sc, sc->end, "");
	if (p[1] != 'u') {
		if (p[1] == '\0' || strchr("\"\\/bfnrt", p[1]) == NULL)
			return bad(sc, p + 1, "unknown escape");
		return p + 2;
	}
	if ((hi = hex4(p + 2, sc->end)) == -1)
		return bad(sc, p, "\\u without four hex digits");
	if (hi < 0xd800 || hi > 0xdfff)
		return p + 6;
	lo = -1;
	if (sc->end - p >= 8 && p[6] == '\\' && p[7] == 'u')
		lo = hex4(p + 8, sc->end);
	if (hi > 0xdbff || lo < 0xdc00 || lo > 0xdfff)
		return bad(sc, p, "half of a surrogate pair");
	return p + 12;
}

/* A character of two bytes or more (RFC 3629, section 4). */
static const char *
utf8(struct scan *sc, const char *p)
{
	const unsigned char *u = (const unsigned char *)p;
	unsigned char low = 0x80, high = 0xbf;
	int more;

	if (u[0] >= 0xc2 && u[0] <= 0xdf)
		more = 1;
	else if ((u[0] & 0xf0) == 0xe0)
		more = 2;
	else if (u[0] >= 0xf0 && u[0] <= 0xf4)
		more = 3;
	else
		return bad(sc, p, "not UTF-8");

	if (u[0] == 0xe0)
		low = 0xa0;
	else if (u[0] == 0xed)
		high = 0x9f;
	else if (u[0] == 0xf0)
		low = 0x90;
	else if (u[0] == 0xf4)
		high = 0x8f;

	if (sc->end - p <= more || u[1] < low || u[1] > high)
		return bad(sc, p, "not UTF-8");
	for (int i = 2; i <= more; i++)
		if ((u[i] & 0xc0) != 0x80)
			return bad(sc, p, "not UTF-8");
	return p + more + 1;
}

#ifdef __SSE2__
static inline unsigned
equal(__m128i v, char c)
{
	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}
#endif

/* Past the bytes of a string that need no look: 16 at once where possible. */
static inline const char *
plain(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
	const __m128i blank = _mm_set1_epi8(' ');

	while (end - p >= 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		/* Signed: bytes from 0x80 on are less than a blank, too. */
		__m128i stop = _mm_or_si128(_mm_cmplt_epi8(v, blank),
		    _mm_or_si128(
			_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
		int mask = _mm_movemask_epi8(stop);

		if (mask != 0)
			return p + __builtin_ctz((unsigned)mask);
		p += 16;
	}
#endif
	while (p < end && (unsigned char)*p >= ' ' &&
	    (unsigned char)*p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

static const char *
string(struct scan *sc, const char *p)
{
	p++;
	while (p != NULL) {
		p = plain(p, sc->end);
		if (p >= sc->end)
			return bad(sc, p, "");
		if (*p == '"')
			return p + 1;
		if (*p == '\\')
			p = escape(sc, p);
		else if ((unsigned char)*p >= 0x80)
			p = utf8(sc, p);
		else
			return bad(sc, p, "control character in a string");
	}
	return NULL;
}

static const char *
word(struct scan *sc, const char *p, const char *expected)
{
	size_t n = strlen(expected);

	if ((size_t)(sc->end - p) < n || memcmp(p, expected, n) != 0)
		return bad(sc, p, "unexpected character");
	return p + n;
}

/*
 * A product is mostly lists of integers.  From p, where an element begins, past
 * as many as can be seen to be right by 16 bytes at once, to where another
 * begins.  In the masks a bit is a byte; what a bit follows is the mask moved
 * up by one, with what the block before ended in carried into it.
 */
static const char *
integers(const char *p, const char *end)
{
	const char *start = p;
#ifdef __SSE2__
	const __m128i below = _mm_set1_epi8('0' - 1);
	const __m128i above = _mm_set1_epi8('9' + 1);
	unsigned was_digit = 0, was_comma = 1, was_minus = 0, was_zero = 0;

	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		unsigned digit = (unsigned)_mm_movemask_epi8(_mm_and_si128(
		    _mm_cmpgt_epi8(v, below), _mm_cmplt_epi8(v, above)));
		unsigned comma = equal(v, ','), minus = equal(v, '-');
		unsigned first = comma << 1 | was_comma;
		unsigned zero =
		    equal(v, '0') & (first | minus << 1 | was_minus);

		if ((digit | comma | minus) != 0xffff || (minus & ~first) ||
		    (comma & ~(digit << 1 | was_digit)) ||
		    ((zero << 1 | was_zero) & digit))
			break;
		if (comma != 0)
			start = p + 32 - __builtin_clz(comma);
		was_digit = digit >> 15;
		was_comma = comma >> 15;
		was_minus = minus >> 15;
		was_zero = zero >> 15 & 1;
	}
#else
	(void)end;
#endif
	return start;
}

static const char *
array(struct scan *sc, const char *p, int depth)
{
	if (depth > JSON_DEPTH_MAX)
		return bad(sc, p, "nested deeper than 64 levels");
	p = space(p + 1, sc->end);
	if (p < sc->end && *p == ']')
		return p + 1;

	p = space(integers(p, sc->end), sc->end);
	while ((p = value(sc, p, depth, NULL)) != NULL) {
		p = space(p, sc->end);
		if (p >= sc->end || (*p != ',' && *p != ']'))
			return bad(sc, p, "expected ',' or ']'");
		if (*p++ == ']')
			return p;
		p = space(p, sc->end);
	}
	return NULL;
}

static void
keep_member(
    struct json_members *m, struct json_slice key, struct json_slice val)
{
	if (m->n == m->cap) {
		m->cap = m->cap == 0 ? 32 : 2 * m->cap;
		m->v = realloc(m->v, m->cap * sizeof(*m->v));
		if (m->v == NULL)
			err(EX_TEMPFAIL, "cannot hold a record");
	}
	m->v[m->n].key = key;
	m->v[m->n].val = val;
	m->n++;
}

static inline bool
is_named(const struct json_field *f, struct json_slice key)
{
	return key.len == f->len && *key.s == *f->name &&
	    memcmp(key.s, f->name, f->len) == 0;
}

/* Records list their members in a fixed order: which one is meant is looked for
 * from the one after the last that was found, and once around. */
static struct json_field *
wanted(
    struct json_field *fields, struct json_field **next, struct json_slice key)
{
	struct json_field *f;

	if (fields == NULL)
		return NULL;
	for (f = *next; f->name != NULL; f++)
		if (is_named(f, key))
			return *next = f + 1, f;
	for (f = fields; f != *next; f++)
		if (is_named(f, key))
			return *next = f + 1, f;
	if (memchr(key.s, '\\', key.len) == NULL)
		return NULL;
	for (f = fields; f->name != NULL; f++)
		if (json_key_is(key, f->name))
			return f;
	return NULL;
}

static const char *
member(struct scan *sc, const char *p, int depth, struct json_field *fields,
    struct json_field **next)
{
	struct json_slice key, val;
	struct json_field *f;
	const char *begin = p;

	if (p >= sc->end || *p != '"')
		return bad(sc, p, "expected a name in quotes");
	if ((p = string(sc, p)) == NULL)
		return NULL;
	key.s = begin + 1;
	key.len = (size_t)(p - begin) - 2;
	if ((f = wanted(fields, next, key)) != NULL && f->val.s != NULL)
		return bad(sc, begin, "a field that occurs twice");

	p = space(p, sc->end);
	if (p >= sc->end || *p != ':')
		return bad(sc, p, "expected ':'");
	val.s = p = space(p + 1, sc->end);
	if ((p = value(sc, p, depth, f == NULL ? NULL : f->sub)) == NULL)
		return NULL;
	val.len = (size_t)(p - val.s);
	if (f != NULL) {
		f->val = val;
	} else if (depth == 1 && sc->all != NULL) {
		if (sc->all->n == JSON_MEMBERS_MAX)
			return bad(sc, begin, "more than 65536 members");
		keep_member(sc->all, key, val);
	}
	return p;
}

static const char *
object(struct scan *sc, const char *p, int depth, struct json_field *fields)
{
	struct json_field *next = fields;

	if (depth > JSON_DEPTH_MAX)
		return bad(sc, p, "nested deeper than 64 levels");
	p = space(p + 1, sc->end);
	if (p < sc->end && *p == '}')
		return p + 1;

	while ((p = member(sc, p, depth, fields, &next)) != NULL) {
		p = space(p, sc->end);
		if (p >= sc->end || (*p != ',' && *p != '}'))
			return bad(sc, p, "expected ',' or '}'");
		if (*p++ == '}')
			return p;
		p = space(p, sc->end);
	}
	return NULL;
}

/* depth is that of what the value stands in. */
static const char *
value(struct scan *sc, const char *p, int depth, struct json_field *fields)
{
	if (p >= sc->end)
		return bad(sc, p, "");
	if (is_digit(*p) || *p == '-')
		return number(sc, p);
	switch (*p) {
	case '"':
		return string(sc, p);
	case '{':
		return object(sc, p, depth + 1, fields);
	case '[':
		return array(sc, p, depth + 1);
	case 't':
		return word(sc, p, "true");
	case 'f':
		return word(sc, p, "false");
	case 'n':
		return word(sc, p, "null");
	default:
		return bad(sc, p, "unexpected character");
	}
}

static void
forget(struct json_field *fields)
{
	for (struct json_field *f = fields; f != NULL && f->name != NULL; f++) {
		f->val.s = NULL;
		f->val.len = 0;
		forget(f->sub);
	}
}

static bool
scan(struct json_slice text, bool object_only, struct json_field *fields,
    struct json_members *all, struct json_error *e)
{
	const char *begin = text.s == NULL ? "" : text.s;
	struct scan sc = {begin, begin + text.len, e, all};
	const char *p = space(begin, sc.end);

	forget(fields);
	if (object_only && p < sc.end && *p != '{' && *p != '\0')
		return bad(&sc, p, "not a JSON object") != NULL;
	if ((p = value(&sc, p, 0, fields)) == NULL)
		return false;
	p = space(p, sc.end);
	return p == sc.end || bad(&sc, p, "more than one JSON value") != NULL;
}

bool
json_scan(
    struct json_slice text, struct json_field *fields, struct json_error *e)
{
	return scan(text, true, fields, NULL, e);
}

bool
json_scan_members(
    struct json_slice text, struct json_members *m, struct json_error *e)
{
	m->n = 0;
	return scan(text, true, NULL, m, e);
}

bool
json_valid(struct json_slice text, struct json_error *e)
{
	return scan(text, false, NULL, NULL, e);
}

struct json_iter
json_walk(struct json_slice c)
{
	struct json_iter it = {NULL, NULL, {NULL, 0}, {NULL, 0}};
	enum json_kind kind = json_kind(c);

	if (kind == JSON_ARRAY || kind == JSON_OBJECT) {
		it.end = c.s + c.len - 1;
		it.p = space(c.s + 1, it.end);
	}
	return it;
}

bool
json_next(struct json_iter *it)
{
	struct json_error ignored;
	struct scan sc = {it->p, it->end, &ignored, NULL};
	bool in_object = it->p != NULL && *it->end == '}';

	if (it->p == NULL || it->p == it->end)
		return false;
	if (in_object) {
		it->key.s = it->p + 1;
		it->p = string(&sc, it->p);
		it->key.len = (size_t)(it->p - it->key.s) - 1;
		it->p = space(space(it->p, it->end) + 1, it->end);
	}
	it->val.s = it->p;
	it->p = value(&sc, it->p, 0, NULL);
	it->val.len = (size_t)(it->p - it->val.s);
	it->p = space(it->p, it->end);
	if (it->p < it->end)
		it->p = space(it->p + 1, it->end);
	return true;
}

enum json_kind
json_kind(struct json_slice val)
{
	if (val.s == NULL)
		return JSON_ABSENT;
	switch (*val.s) {
	case '"':
		return JSON_STRING;
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case 't':
	case 'f':
		return JSON_BOOL;
	case 'n':
		return JSON_NULL;
	default:
		return JSON_NUMBER;
	}
}

/* What stands between the quotes of a string. */
static struct json_slice
inside(struct json_slice string)
{
	string.s++;
	string.len -= 2;
	return string;
}

bool
json_key_is(struct json_slice key, const char *text)
{
	size_t n = strlen(text);
	char buf[6 * 64];

	if (key.len == n)
		return memcmp(key.s, text, n) == 0;
	/* No name of ours is so long that its escapes would not fit. */
	if (key.len < n || key.len > 6 * n || key.len > sizeof(buf) ||
	    memchr(key.s, '\\', key.len) == NULL)
		return false;
	return json_unescape(key, buf) == n && memcmp(buf, text, n) == 0;
}

bool
json_is(struct json_slice val, const char *text)
{
	return json_kind(val) == JSON_STRING && json_key_is(inside(val), text);
}

bool
json_int(struct json_slice val, long long min, long long max, long long *n)
{
	long long got = 0;
	bool minus;

	if (json_kind(val) != JSON_NUMBER)
		return false;
	minus = *val.s == '-';
	/* 18 digits always fit; past that nothing of ours goes. */
	if (val.len - minus > 18)
		return false;
	for (size_t i = minus; i < val.len; i++) {
		if (!is_digit(val.s[i]))
			return false;
		got = 10 * got + (val.s[i] - '0');
	}
	if (minus)
		got = -got;
	if (got < min || got > max)
		return false;
	*n = got;
	return true;
}

static char *
put_utf8(char *q, unsigned c)
{
	if (c < 0x80) {
		*q++ = (char)c;
		return q;
	}
	if (c < 0x800) {
		*q++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*q++ = (char)(0xe0 | c >> 12);
		} else {
			*q++ = (char)(0xf0 | c >> 18);
			*q++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*q++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*q++ = (char)(0x80 | (c & 0x3f));
	return q;
}

size_t
json_unescape(struct json_slice in, char *buf)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *p = in.s, *end = in.s + in.len, *which;
	char *q = buf;

	while (p < end) {
		if (*p != '\\') {
			*q++ = *p++;
		} else if (p[1] == 'u') {
			unsigned c = (unsigned)hex4(p + 2, end);

			p += 6;
			if (c >= 0xd800 && c <= 0xdbff) {
				c = 0x10000 + ((c - 0xd800) << 10) +
				    ((unsigned)hex4(p + 2, end) - 0xdc00);
				p += 6;
			}
			q = put_utf8(q, c);
		} else {
			which = strchr(from, p[1]);
			*q++ = which == NULL ? p[1] : to[which - from];
			p += 2;
		}
	}
	return (size_t)(q - buf);
}

size_t
json_text(struct json_slice val, char *buf)
{
	return json_kind(val) == JSON_STRING ? json_unescape(inside(val), buf)
					     : 0;
}

char *
json_words(struct json_slice val, char *buf, size_t size)
{
	char text[4096];
	size_t n = val.len <= sizeof(text) ? json_text(val, text) : 0;

	n = n < size ? n : size - 1;
	for (size_t i = 0; i < n; i++)
		buf[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	buf[n] = '\0';
	return buf;
}
