#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <zlib.h>

#include "lib/gunzip.h"

#define GZIP_ONLY (15 + 16) /* of inflateInit2: no zlib, no raw deflate */

enum state {
	START, /* too few bytes to tell what it is */
	PLAIN,
	PACKED, /* within a member */
	BETWEEN, /* at the end of one: another may follow */
	BROKEN,
	STOPPED /* by the receiver */
};

struct gunzip {
	gunzip_fn *fn;
	void *arg;
	z_stream z;
	enum state state;
	const char *why;
	unsigned char first; /* the byte that came alone, in START */
	bool have_first;
	unsigned long long length;
	unsigned long sum;
	unsigned char out[64 << 10];
};

struct gunzip *
gunzip_new(gunzip_fn *fn, void *arg)
{
	struct gunzip *g = calloc(1, sizeof(*g));

	if (g == NULL || inflateInit2(&g->z, GZIP_ONLY) != Z_OK)
		err(EX_TEMPFAIL, NULL);
	g->fn = fn;
	g->arg = arg;
	gunzip_reset(g);
	return g;
}

void
gunzip_free(struct gunzip *g)
{
	inflateEnd(&g->z);
	free(g);
}

void
gunzip_reset(struct gunzip *g)
{
	inflateReset(&g->z);
	g->state = START;
	g->why = NULL;
	g->have_first = false;
	g->length = 0;
	g->sum = crc32(0, NULL, 0);
}

static bool
broken(struct gunzip *g, const char *why)
{
	g->state = BROKEN;
	g->why = why;
	return false;
}

static bool
give(struct gunzip *g, const unsigned char *data, size_t len)
{
	g->length += len;
	if (g->length > GUNZIP_MAX)
		return broken(g, "it unpacks to more than 4 GiB");
	g->sum = crc32(g->sum, data, (uInt)len);
	if (len > 0 && !g->fn(g->arg, (const char *)data, len)) {
		g->state = STOPPED;
		return false;
	}
	return true;
}

/* Unpack what is left of the input, to the end of the member at most. */
static bool
unpack(struct gunzip *g)
{
	int rc;

	do {
		g->z.next_out = g->out;
		g->z.avail_out = sizeof(g->out);
		rc = inflate(&g->z, Z_NO_FLUSH);
		if (rc == Z_MEM_ERROR)
			errx(EX_TEMPFAIL, "out of memory");
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
			return broken(g,
			    rc == Z_DATA_ERROR ? "its gzip data are damaged"
					       : "it cannot be unpacked");
		if (!give(g, g->out, sizeof(g->out) - g->z.avail_out))
			return false;
	} while (rc == Z_OK && (g->z.avail_in > 0 || g->z.avail_out == 0));
	if (rc == Z_STREAM_END) {
		inflateReset(&g->z);
		g->state = BETWEEN;
	}
	return true;
}

/* The document's first two bytes: 1f 8b is gzip. */
static bool
begin(struct gunzip *g, unsigned char a, unsigned char b)
{
	unsigned char head[2] = {a, b};

	if (a != 0x1f || b != 0x8b) {
		g->state = PLAIN;
		return give(g, head, 2);
	}
	g->state = PACKED;
	g->z.next_in = head;
	g->z.avail_in = 2;
	return unpack(g);
}

/* Some of the bytes at least; *n of them. */
static bool
feed(struct gunzip *g, const unsigned char *p, size_t len, size_t *n)
{
	*n = len;
	if (g->state == START && !g->have_first) {
		g->first = *p;
		g->have_first = true;
		*n = 1;
		return true;
	}
	if (g->state == START) {
		*n = 1;
		return begin(g, g->first, *p);
	}
	if (g->state == PLAIN)
		return give(g, p, len);
	g->state = PACKED;
	g->z.next_in = (unsigned char *)(uintptr_t)p;
	g->z.avail_in = (uInt)len;
	if (!unpack(g))
		return false;
	*n = len - g->z.avail_in;
	return true;
}

bool
gunzip_feed(struct gunzip *g, const char *data, size_t len)
{
	const unsigned char *p = (const unsigned char *)data;
	size_t n;

	while (len > 0 && g->state != BROKEN && g->state != STOPPED) {
		feed(g, p, len < 1U << 20 ? len : 1U << 20, &n);
		p += n;
		len -= n;
	}
	return g->state != BROKEN && g->state != STOPPED;
}

const char *
gunzip_why(const struct gunzip *g)
{
	if (g->state == PACKED)
		return "its gzip data are cut off";
	if (g->state == START)
		return g->have_first ? "it is but one byte" : "it is empty";
	return g->why;
}

unsigned long long
gunzip_length(const struct gunzip *g)
{
	return g->length;
}

unsigned long
gunzip_sum(const struct gunzip *g)
{
	return g->sum;
}
