/*
 * split-fuzz - lib/split hands out the same, however a document comes in
 *
 * And of a document that is JSON, it hands out what lib/json finds in it.
 */
#include "lib/split.h"
#include "tests/fuzz/fuzz.h"

/* All that was handed out, one behind the other. */
struct heard {
	char *text;
	size_t len, cap;
	bool valid; /* every part is JSON */
};

static void
add(struct heard *h, const void *data, size_t len)
{
	if (h->len + len > h->cap) {
		h->cap = 2 * (h->len + len);
		h->text = realloc(h->text, h->cap);
		HOLDS(h->text != NULL);
	}
	memcpy(h->text + h->len, data, len);
	h->len += len;
}

static void
hear(void *arg, const char *name, bool element, struct json_slice val)
{
	struct heard *h = arg;
	struct json_error e;

	HOLDS(val.len > 0);
	add(h, name, strlen(name) + 1);
	add(h, element ? "e" : "v", 1);
	add(h, val.s, val.len);
	add(h, "\n", 1);
	h->valid = h->valid && json_valid(val, &e);
}

/* Feed the document in parts of sizes that seed decides; 0: whole. */
static void
feed(struct split *sp, struct json_slice doc, uint32_t seed)
{
	for (size_t at = 0, n; at < doc.len; at += n) {
		struct json_slice part;

		seed = seed * 1664525u + 1013904223u;
		n = seed >> 28 == 0 ? 1 + (seed >> 8) % 4096 : 1 + (seed >> 29);
		if (n > doc.len - at)
			n = doc.len - at;
		part = exactly(doc.s + at, n);
		split_feed(sp, part.s, part.len);
		release(part);
	}
}

/* A value without the white space around its parts. */
static void
add_compact(struct heard *h, struct json_slice val)
{
	bool string = false;

	for (size_t i = 0; i < val.len; i++) {
		char c = val.s[i];

		if (string && c == '\\')
			add(h, &val.s[i++], 1);
		else if (c == '"')
			string = !string;
		else if (!string && strchr(" \t\r\n", c) != NULL)
			continue;
		add(h, &val.s[i], 1);
	}
}

static void
expect(
    struct heard *h, struct json_slice key, bool element, struct json_slice val)
{
	add(h, key.s, key.len);
	add(h, "", 1);
	add(h, element ? "e" : "v", 1);
	add_compact(h, val);
	add(h, "\n", 1);
}

/* What has to come out of a document; false if its names are not for split. */
static bool
expected(struct json_slice doc, struct heard *h)
{
	struct json_members m = {NULL, 0, 0};
	struct json_iter it;
	struct json_error e;
	bool good = json_scan_members(doc, &m, &e);

	for (size_t i = 0; good && i < m.n; i++) {
		struct json_slice key = m.v[i].key, val = m.v[i].val;

		good = key.len <= 255 && memchr(key.s, '\\', key.len) == NULL;
		if (json_kind(val) != JSON_ARRAY)
			expect(h, key, false, val);
		for (it = json_walk(val);
		     json_kind(val) == JSON_ARRAY && json_next(&it);)
			expect(h, key, true, it.val);
	}
	free(m.v);
	return good;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heard whole = {NULL, 0, 0, true}, parts = whole, want = whole;
	struct json_slice doc = exactly(data, size);
	struct split *a = split_new(hear, &whole), *b = split_new(hear, &parts);
	struct json_error e = {0, NULL};
	uint32_t seed = (uint32_t)size * 2654435761u;

	split_feed(a, doc.s, doc.len);
	/* What was forgotten does not matter. */
	split_feed(b, "{\"x\":[{\"a\": 1", 1 + seed % 13);
	split_reset(b);
	parts.len = 0;
	parts.valid = true;
	feed(b, doc, seed);

	HOLDS(split_whole(a) == split_whole(b));
	HOLDS(split_why(a) == split_why(b));
	HOLDS((split_why(a) == NULL) == split_whole(a));
	HOLDS(whole.len == parts.len &&
	    (whole.len == 0 || memcmp(whole.text, parts.text, whole.len) == 0));

	if (expected(doc, &want)) {
		HOLDS(split_whole(a) && whole.valid && whole.len == want.len);
		HOLDS(whole.len == 0 ||
		    memcmp(whole.text, want.text, want.len) == 0);
	} else if (split_whole(a) && whole.valid && !json_valid(doc, &e)) {
		/* It looks neither at names nor at how deep the whole is. */
		HOLDS(strcmp(e.why, "not UTF-8") == 0 ||
		    strncmp(e.why, "nested deeper", 13) == 0);
	}
	split_free(a);
	split_free(b);
	free(whole.text);
	free(parts.text);
	free(want.text);
	release(doc);
	return 0;
}
