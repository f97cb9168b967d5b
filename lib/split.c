#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "lib/split.h"

#define NAME_MAX_LEN 255

/* What the next byte that is no white space has to be part of. */
enum state {
	START,
	FIRST_NAME, /* or the end of the object */
	NAME, /* its opening quote */
	IN_NAME,
	COLON,
	VALUE,
	FIRST_ELEMENT, /* or the end of the array */
	ELEMENT,
	TAKING, /* a value or an element */
	AFTER_ELEMENT,
	AFTER_VALUE,
	DONE
};

struct split {
	split_fn *fn;
	void *arg;
	enum state state;
	const char *why;
	char name[NAME_MAX_LEN + 1];
	size_t name_len;
	bool element; /* what is being taken is one */
	bool in_string, escaped;
	bool gap; /* there was white space behind a number or a word */
	size_t depth; /* of what is being taken */
	char *buf;
	size_t len, cap;
};

struct split *
split_new(split_fn *fn, void *arg)
{
	struct split *sp = calloc(1, sizeof(*sp));

	if (sp == NULL)
		err(EX_TEMPFAIL, NULL);
	sp->fn = fn;
	sp->arg = arg;
	split_reset(sp);
	return sp;
}

void
split_free(struct split *sp)
{
	free(sp->buf);
	free(sp);
}

void
split_reset(struct split *sp)
{
	sp->state = START;
	sp->why = NULL;
	sp->len = 0;
	sp->in_string = sp->escaped = sp->gap = false;
}

static const char *
fail(struct split *sp, const char *why)
{
	sp->why = why;
	return NULL;
}

static bool
append(struct split *sp, const char *p, size_t n)
{
	if (n > SPLIT_MAX - sp->len)
		return fail(sp, "an element longer than 16 MiB") != NULL;
	if (sp->len + n > sp->cap) {
		sp->cap = 2 * (sp->len + n);
		if (sp->cap < 4096)
			sp->cap = 4096;
		if ((sp->buf = realloc(sp->buf, sp->cap)) == NULL)
			err(EX_TEMPFAIL, NULL);
	}
	memcpy(sp->buf + sp->len, p, n);
	sp->len += n;
	return true;
}

static void
hand_out(struct split *sp, struct json_slice val)
{
	sp->fn(sp->arg, sp->name, sp->element, val);
	sp->len = 0;
	sp->gap = false;
	sp->state = sp->element ? AFTER_ELEMENT : AFTER_VALUE;
}

static void
hand_out_kept(struct split *sp)
{
	struct json_slice val = {sp->buf, sp->len};

	hand_out(sp, val);
}

/* Bytes outside of strings that have to be looked at. */
static const bool stops[256] = {['"'] = true,
    ['{'] = true,
    ['}'] = true,
    ['['] = true,
    [']'] = true,
    [' '] = true,
    ['\t'] = true,
    ['\n'] = true,
    ['\r'] = true};

/* The first quote or backslash from p on. */
static const char *
string_stop(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');

	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		int found = _mm_movemask_epi8(_mm_or_si128(
		    _mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));

		if (found != 0)
			return p + __builtin_ctz((unsigned)found);
	}
#endif
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* The end of the run of bytes from p on that all are taken as they are. */
static const char *
run(const struct split *sp, const char *p, const char *end)
{
	if (sp->in_string)
		return string_stop(p, end);
	while (p < end && !stops[(unsigned char)*p] &&
	    (sp->depth > 0 || *p != ','))
		p++;
	return p;
}

/* The value ends before p.  If it came in one piece it is not copied. */
static const char *
end_nested(struct split *sp, const char *from, const char *p)
{
	struct json_slice val = {from, (size_t)(p - from)};

	if (sp->len == 0 && val.len <= SPLIT_MAX) {
		hand_out(sp, val);
		return p;
	}
	if (!append(sp, from, val.len))
		return NULL;
	hand_out_kept(sp);
	return p;
}

/* Bytes within an object or an array, up to its end or to white space.  Those
 * from `from` on are not kept yet. */
static const char *
take_nested(struct split *sp, const char *from, const char *p, const char *end)
{
	while (p < end) {
		if (sp->in_string) {
			p = string_stop(p, end);
			if (p == end)
				break;
			if (*p == '\\' && p + 1 == end)
				sp->escaped = true;
			else if (*p == '\\')
				p++;
			else
				sp->in_string = false;
			p++;
			continue;
		}
		while (p < end && !stops[(unsigned char)*p])
			p++;
		if (p == end || *p <= ' ')
			break;
		sp->in_string = *p == '"';
		sp->depth += *p == '{' || *p == '[';
		sp->depth -= *p == '}' || *p == ']';
		p++;
		if (sp->depth == 0)
			return end_nested(sp, from, p);
	}
	return append(sp, from, (size_t)(p - from)) ? p : NULL;
}

/* A byte within a string, that ends a run. */
static const char *
take_string(struct split *sp, const char *p)
{
	if (!append(sp, p, 1))
		return NULL;
	if (sp->escaped || *p == '\\') {
		sp->escaped = !sp->escaped;
	} else if (*p == '"') {
		sp->in_string = false;
		if (sp->depth == 0)
			hand_out_kept(sp);
	}
	return p + 1;
}

/* A byte that ends a run: the value ends before it, with it, or goes on. */
static const char *
take_mark(struct split *sp, const char *p)
{
	bool opens = *p == '{' || *p == '[', closes = *p == '}' || *p == ']';

	if (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') {
		if (sp->depth == 0)
			hand_out_kept(sp);
		else
			sp->gap =
			    strchr("{[]},:\"", sp->buf[sp->len - 1]) == NULL;
		return p + 1;
	}
	if (sp->depth == 0 && sp->len > 0) {
		hand_out_kept(sp);
		return p;
	}
	if (sp->depth == 0 && (closes || *p == ','))
		return fail(sp, "expected a value");
	if (!append(sp, p, 1))
		return NULL;
	sp->gap = false;
	sp->in_string = *p == '"';
	sp->depth += opens;
	sp->depth -= closes;
	if (closes && sp->depth == 0)
		hand_out_kept(sp);
	return p + 1;
}

static const char *
take(struct split *sp, const char *p, const char *end)
{
	const char *stop;

	if (sp->escaped)
		return take_string(sp, p);
	if (sp->depth == 0 && sp->len == 0 && (*p == '{' || *p == '[')) {
		sp->depth = 1;
		return take_nested(sp, p, p + 1, end);
	}
	if (sp->depth > 0 && !sp->gap && (sp->in_string || *p > ' '))
		return take_nested(sp, p, p, end);
	stop = run(sp, p, end);
	/* "1 2" must not become 12, but stay what it is: bad. */
	if (stop > p && sp->gap && *p != ',' && *p != ':' &&
	    !append(sp, " ", 1))
		return NULL;
	if (stop > p && !append(sp, p, (size_t)(stop - p)))
		return NULL;
	if (stop > p)
		sp->gap = false;
	if (stop == end)
		return end;
	return sp->in_string ? take_string(sp, stop) : take_mark(sp, stop);
}

static const char *
in_name(struct split *sp, const char *p)
{
	if ((unsigned char)*p < ' ')
		return fail(sp, "a control character in a member's name");
	if (*p == '"' || *p == '\\') {
		if (*p == '\\')
			return fail(sp, "an escape in a member's name");
		sp->name[sp->name_len] = '\0';
		sp->state = COLON;
	} else if (sp->name_len == NAME_MAX_LEN) {
		return fail(sp, "a member's name longer than 255 bytes");
	} else {
		sp->name[sp->name_len++] = *p;
	}
	return p + 1;
}

static const char *
expect(struct split *sp, const char *p, char c, enum state next)
{
	if (*p != c)
		return fail(sp, "not a JSON object");
	sp->state = next;
	return p + 1;
}

static const char *
begin_name(struct split *sp, const char *p)
{
	if (*p == '}' && sp->state == FIRST_NAME)
		return expect(sp, p, '}', DONE);
	sp->name_len = 0;
	return expect(sp, p, '"', IN_NAME);
}

static const char *
begin_value(struct split *sp, const char *p)
{
	if (*p == '[' && sp->state == VALUE) {
		sp->state = FIRST_ELEMENT;
		return p + 1;
	}
	if (*p == ']' && sp->state == FIRST_ELEMENT) {
		sp->state = AFTER_VALUE;
		return p + 1;
	}
	sp->element = sp->state != VALUE;
	sp->depth = 0;
	sp->state = TAKING;
	return p;
}

static const char *
after(struct split *sp, const char *p)
{
	bool element = sp->state == AFTER_ELEMENT;

	if (*p == ',')
		return expect(sp, p, ',', element ? ELEMENT : NAME);
	return element ? expect(sp, p, ']', AFTER_VALUE)
		       : expect(sp, p, '}', DONE);
}

static const char *
step(struct split *sp, const char *p, const char *end)
{
	if (sp->state == TAKING)
		return take(sp, p, end);
	if (sp->state == IN_NAME)
		return in_name(sp, p);
	if (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		return p + 1;

	switch (sp->state) {
	case START:
		return expect(sp, p, '{', FIRST_NAME);
	case FIRST_NAME:
	case NAME:
		return begin_name(sp, p);
	case COLON:
		return expect(sp, p, ':', VALUE);
	case VALUE:
	case FIRST_ELEMENT:
	case ELEMENT:
		return begin_value(sp, p);
	case AFTER_ELEMENT:
	case AFTER_VALUE:
		return after(sp, p);
	default:
		return fail(sp, "something after the document");
	}
}

bool
split_feed(struct split *sp, const char *data, size_t len)
{
	const char *p = data, *end = len == 0 ? data : data + len;

	while (sp->why == NULL && p < end)
		p = step(sp, p, end);
	return sp->why == NULL;
}

bool
split_whole(const struct split *sp)
{
	return sp->why == NULL && sp->state == DONE;
}

const char *
split_why(const struct split *sp)
{
	if (sp->why == NULL && sp->state != DONE)
		return sp->state == START ? "nothing came" : "cut short";
	return sp->why;
}
