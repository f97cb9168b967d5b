/*
 * gunzip-fuzz - lib/gunzip unpacks the same, however a document comes in
 *
 * That is what zlib by itself makes of it; and what was packed comes out again,
 * or not without a word.
 */
#include <zlib.h>

#include "lib/gunzip.h"
#include "tests/fuzz/fuzz.h"

#define UNPACKED_MAX (1UL << 20) /* enough: more is not compared */

struct text {
	unsigned char *s;
	size_t len, most; /* after most bytes it wants no more */
};

static void
add(struct text *t, const void *data, size_t len)
{
	HOLDS((t->s = realloc(t->s, t->len + len + 1)) != NULL);
	memcpy(t->s + t->len, data, len);
	t->len += len;
}

static bool
hear(void *arg, const char *data, size_t len)
{
	struct text *t = arg;

	HOLDS(len > 0 && t->len <= t->most);
	add(t, data, len);
	return t->len <= t->most;
}

static bool
same_text(const struct text *a, const struct text *b)
{
	return a->len == b->len &&
	    (a->len == 0 || memcmp(a->s, b->s, a->len) == 0);
}

/* Feed a document in parts of sizes that seed decides; 0: whole. */
static bool
feed(struct gunzip *g, const unsigned char *data, size_t size, uint32_t seed)
{
	bool good = true;

	for (size_t at = 0, n; at < size; at += n) {
		struct json_slice part;

		seed = seed * 1664525u + 1013904223u;
		n = seed >> 29 == 0 ? size : 1 + (seed >> 8) % 37;
		n = n > size - at ? size - at : n;
		part = exactly(data + at, n);
		good = gunzip_feed(g, part.s, part.len);
		HOLDS(good || !gunzip_feed(g, part.s, part.len));
		release(part);
	}
	return good;
}

/* Whether it is one gzip member after another, and nothing else. */
static bool
unpack(const unsigned char *data, size_t size, struct text *out)
{
	unsigned char buf[4096];
	z_stream z;
	int rc = Z_STREAM_END;

	memset(&z, 0, sizeof(z));
	HOLDS(inflateInit2(&z, 15 + 16) == Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)data;
	z.avail_in = (uInt)size;
	while (out->len <= UNPACKED_MAX &&
	    (rc == Z_OK || (rc == Z_STREAM_END && z.avail_in > 0))) {
		if (rc == Z_STREAM_END)
			inflateReset(&z);
		z.next_out = buf;
		z.avail_out = sizeof(buf);
		rc = inflate(&z, Z_NO_FLUSH);
		add(out, buf, sizeof(buf) - z.avail_out);
	}
	inflateEnd(&z);
	return rc == Z_STREAM_END;
}

static void
add_packed(struct text *t, const unsigned char *data, size_t size, int level)
{
	unsigned char buf[4096];
	z_stream z;
	int rc;

	memset(&z, 0, sizeof(z));
	HOLDS(deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8,
		  Z_DEFAULT_STRATEGY) == Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)data;
	z.avail_in = (uInt)size;
	do {
		z.next_out = buf;
		z.avail_out = sizeof(buf);
		rc = deflate(&z, Z_FINISH);
		add(t, buf, sizeof(buf) - z.avail_out);
	} while (rc == Z_OK);
	HOLDS(rc == Z_STREAM_END);
	deflateEnd(&z);
}

/* The data as they are: gzipped, or whatever. */
static void
check_any(const uint8_t *data, size_t size, uint32_t seed)
{
	struct text whole = {NULL, 0, SIZE_MAX}, parts = whole, zlib = whole;
	struct gunzip *a = gunzip_new(hear, &whole);
	struct gunzip *b = gunzip_new(hear, &parts);
	bool packed = size >= 2 && data[0] == 0x1f && data[1] == 0x8b;

	gunzip_feed(a, (const char *)data, size);
	/* What was forgotten does not matter. */
	gunzip_feed(b, "\x1f\x8b\x08 and so on", 1 + seed % 13);
	gunzip_reset(b);
	parts.len = 0;
	feed(b, data, size, seed);
	HOLDS(gunzip_why(a) == gunzip_why(b));
	/* Of what is damaged, the last that came before may be missing. */
	HOLDS(gunzip_why(a) != NULL || same_text(&whole, &parts));
	HOLDS(gunzip_length(a) == whole.len && gunzip_length(b) == parts.len);
	HOLDS(gunzip_sum(a) == crc32(0, whole.s, (uInt)whole.len));

	if (packed) {
		bool good = unpack(data, size, &zlib);

		if (zlib.len <= UNPACKED_MAX) {
			HOLDS(good == (gunzip_why(a) == NULL));
			HOLDS(!good || same_text(&whole, &zlib));
		}
	} else if (size >= 2) {
		HOLDS(gunzip_why(a) == NULL && whole.len == size &&
		    memcmp(whole.s, data, size) == 0);
	} else {
		HOLDS(gunzip_why(a) != NULL && whole.len == 0);
	}
	gunzip_free(a);
	gunzip_free(b);
	free(whole.s);
	free(parts.s);
	free(zlib.s);
}

/* The data packed, in two members; then cut off; then with a bit turned. */
static void
check_packed(const uint8_t *data, size_t size, uint32_t seed)
{
	struct text all = {NULL, 0, SIZE_MAX}, out = all, want = all;
	struct gunzip *g = gunzip_new(hear, &out);
	size_t cut = size == 0 ? 0 : seed % size, second, n;

	add(&want, data, size);
	add_packed(&all, data, cut, (int)(seed % 10));
	second = all.len;
	add_packed(&all, data + cut, size - cut, (int)(seed / 10 % 10));
	HOLDS(feed(g, all.s, all.len, seed));
	HOLDS(gunzip_why(g) == NULL && same_text(&out, &want));

	n = 1 + seed % (all.len - 1);
	gunzip_reset(g);
	out.len = 0;
	feed(g, all.s, n, seed);
	HOLDS((gunzip_why(g) == NULL) == (n == second));

	all.s[seed % all.len] ^= (unsigned char)(1U << (seed >> 29));
	gunzip_reset(g);
	out.len = 0;
	feed(g, all.s, all.len, seed);
	HOLDS(gunzip_why(g) != NULL || same_text(&out, &want) ||
	    seed % all.len < 2);

	/* A receiver that wants no more gets no more. */
	gunzip_reset(g);
	out.len = 0;
	out.most = size / 2;
	feed(g, data, size, seed);
	gunzip_free(g);
	free(all.s);
	free(out.s);
	free(want.s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t seed = (uint32_t)crc32(0, data, (uInt)size);

	check_any(data, size, seed);
	check_packed(data, size, seed);
	return 0;
}
