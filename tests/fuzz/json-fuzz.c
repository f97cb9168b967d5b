/*
 * json-fuzz - what lib/json accepts can be walked, and its parts are JSON too
 *
 * The scanner with SSE2 and the one without (compiled with other names, see
 * run.sh) have to agree on every text, and on where it goes wrong.
 */
#include "tests/fuzz/fuzz.h"

bool plain_valid(struct json_slice text, struct json_error *e);

static void
check_number(struct json_slice val)
{
	long long n = 0, again;
	char digits[32];
	bool whole = true;

	for (size_t i = *val.s == '-'; i < val.len; i++)
		whole = whole && val.s[i] >= '0' && val.s[i] <= '9';
	whole = whole && val.len - (*val.s == '-') <= 18;
	HOLDS(json_int(val, INT64_MIN, INT64_MAX, &n) == whole);
	if (!whole)
		return;
	snprintf(digits, sizeof(digits), "%.*s", (int)val.len, val.s);
	HOLDS(n == strtoll(digits, NULL, 10));
	HOLDS(json_int(val, n, n, &again) && again == n);
	HOLDS(!json_int(val, n + 1, INT64_MAX, &again));
	HOLDS(!json_int(val, INT64_MIN, n - 1, &again));
}

static void
check_string(struct json_slice val)
{
	char *text = malloc(val.len), *name;
	struct json_slice inner = {val.s + 1, val.len - 2};
	size_t n = json_text(val, text);

	HOLDS(n <= inner.len && json_unescape(inner, text) == n);
	/* It is what it says. */
	name = malloc(n + 1);
	memcpy(name, text, n);
	name[n] = '\0';
	if (n <= 60 && strlen(name) == n)
		HOLDS(json_is(val, name) && json_key_is(inner, name));
	name[0] ^= 1;
	if (n > 0)
		HOLDS(!json_is(val, name));
	free(name);
	free(text);
}

static void
check_value(struct json_slice val)
{
	struct json_iter it = json_walk(val);
	struct json_slice quoted;
	struct json_error e;

	HOLDS(val.len > 0 && json_valid(val, &e));
	if (json_kind(val) == JSON_NUMBER)
		check_number(val);
	if (json_kind(val) == JSON_STRING)
		check_string(val);
	while (json_next(&it)) {
		HOLDS(it.val.s > val.s &&
		    it.val.s + it.val.len < val.s + val.len);
		if (json_kind(val) == JSON_OBJECT) {
			quoted.s = it.key.s - 1;
			quoted.len = it.key.len + 2;
			check_value(quoted);
		}
		check_value(it.val);
	}
	HOLDS(!json_next(&it));
}

/* The members written out again are the same members. */
static void
check_members(const struct json_members *m, size_t size)
{
	char *text = malloc(size + 4 * m->n + 2), *p = text;
	struct json_members again = {NULL, 0, 0};
	struct json_error e;

	*p++ = '{';
	for (size_t i = 0; i < m->n; i++)
		p += sprintf(p, "%s\"%.*s\":%.*s", i == 0 ? "" : ",",
		    (int)m->v[i].key.len, m->v[i].key.s, (int)m->v[i].val.len,
		    m->v[i].val.s);
	*p++ = '}';
	HOLDS(json_scan_members(
	    (struct json_slice){text, (size_t)(p - text)}, &again, &e));
	HOLDS(again.n == m->n);
	for (size_t i = 0; i < m->n; i++)
		HOLDS(same(again.v[i].key, m->v[i].key) &&
		    same(again.v[i].val, m->v[i].val));
	free(again.v);
	free(text);
}

/* How many members have this name, and what the last of them says. */
static int
count(const struct json_members *m, const char *name, struct json_slice *val)
{
	int n = 0;

	for (size_t i = 0; i < m->n; i++)
		if (json_key_is(m->v[i].key, name)) {
			*val = m->v[i].val;
			n++;
		}
	return n;
}

static void
check_object(struct json_slice text)
{
	struct json_field sub[] = {JSON_FIELD("a"), JSON_END};
	struct json_field fields[] = {
	    JSON_FIELD("type"), JSON_FIELD("a"), JSON_SUB("s", sub), JSON_END};
	struct json_members m = {NULL, 0, 0}, of_sub = {NULL, 0, 0};
	struct json_error e = {0, NULL};
	struct json_slice val = {NULL, 0};
	bool object, good, twice = false;

	object = json_scan_members(text, &m, &e);
	good = json_scan(text, fields, &e);
	HOLDS(object || !good);
	HOLDS(good || (e.column >= 1 && e.column <= text.len + 1));
	if (object) {
		check_members(&m, text.len);
		for (int i = 0; i < 3; i++) {
			val.s = NULL;
			twice |= count(&m, fields[i].name, &val) > 1;
			HOLDS(!good || val.s == fields[i].val.s);
		}
		for (size_t i = 0; i < m.n; i++)
			if (json_key_is(m.v[i].key, "s") &&
			    json_scan_members(m.v[i].val, &of_sub, &e))
				twice |= count(&of_sub, "a", &val) > 1;
		HOLDS(good != twice);
	}
	free(of_sub.v);
	free(m.v);
}

/* Whether a text is JSON, which both scanners have to agree on. */
static bool
agreed(struct json_slice text)
{
	struct json_error e = {0, NULL}, plain = {0, NULL};
	bool good = json_valid(text, &e);

	HOLDS(plain_valid(text, &plain) == good);
	HOLDS(good ||
	    (e.column == plain.column && strcmp(e.why, plain.why) == 0));
	HOLDS(good || (e.column >= 1 && e.column <= text.len + 1));
	return good;
}

/* What is nearly a list of integers: of 16 bytes at once, they are not much. */
static void
check_list(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 2);
	struct json_slice list;

	text[0] = '[';
	text[size + 1] = ']';
	for (size_t i = 0; i < size; i++)
		text[i + 1] = "0123456789,,,,- "[data[i] % 16];
	list = exactly(text, size + 2);
	agreed(list);
	release(list);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_slice text = exactly(data, size), val = text;

	check_list(data, size);
	if (agreed(text)) {
		while (strchr(" \t\r\n", *val.s) != NULL)
			val.s++, val.len--;
		while (strchr(" \t\r\n", val.s[val.len - 1]) != NULL)
			val.len--;
		check_value(val);
	}
	check_object(text);
	release(text);
	return 0;
}
