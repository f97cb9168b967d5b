/*
 * report-fuzz - whatever a document holds, lib/report writes records, each row
 * once, and none of a document that is not what was asked for
 */
#include "lib/report.h"
#include "tests/fuzz/records.h"

/* What has gone to standard output; it is looked at, and then forgotten. */
static size_t
lines_out(void)
{
	char buf[4096];
	size_t lines = 0;
	ssize_t n;
	off_t at = 0;

	nd_flush();
	while ((n = pread(STDOUT_FILENO, buf, sizeof(buf), at)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			lines += buf[i] == '\n';
		at += n;
	}
	fuzz_check_output();
	return lines;
}

/* Feed the document, or the first of it, in parts that seed decides. */
static void
feed(struct report *r, const uint8_t *data, size_t size, uint32_t seed)
{
	report_again(r);
	for (size_t at = 0, n; at < size; at += n) {
		struct json_slice part;

		seed = seed * 1664525u + 1013904223u;
		n = seed >> 30 == 0 ? size : 1 + (seed >> 8) % 499;
		n = n > size - at ? size - at : n;
		part = exactly(data + at, n);
		report_feed(r, part.s, part.len);
		release(part);
	}
}

static void
check_reason(struct report *r)
{
	char words[100];

	for (size_t size = 1; size <= sizeof(words); size += 33) {
		memset(words, 'x', sizeof(words));
		report_reason(r, words, size);
		HOLDS(strlen(words) < size);
		for (char *p = words; *p != '\0'; p++)
			HOLDS(*p >= ' ' && *p <= '~');
	}
}

static void
check(const struct report_ask *ask, const uint8_t *data, size_t size,
    uint32_t seed)
{
	struct report *r =
	    report_begin(ask, "fuzz \"\x01\xff", "2026-11-20T08:00:00Z");
	long long by_asin, by_date;
	size_t out;

	feed(r, data, size, 0);
	check_reason(r);
	HOLDS(lines_out() == 0 && r->out == 0 && r->refused == 0);
	by_asin = r->by_asin;
	by_date = r->by_date;
	feed(r, data, size, seed);
	if (report_why(r) != NULL || r->mismatch != NULL)
		return;
	HOLDS(r->by_asin == by_asin && r->by_date == by_date);

	report_let_out(r);
	/* Two readings that break off, and one to the end, are one. */
	feed(r, data, size == 0 ? 0 : seed % size, seed);
	feed(r, data, size == 0 ? 0 : (seed >> 16) % size, seed);
	HOLDS(report_why(r) != NULL);
	out = lines_out();
	feed(r, data, size, seed);
	HOLDS(report_why(r) == NULL && r->mismatch == NULL);
	out += lines_out();
	HOLDS(r->by_asin == by_asin && r->by_date == by_date);
	HOLDS(r->out + r->refused == by_asin + by_date);
	HOLDS((size_t)r->out == out);
	feed(r, data, size, 0);
	HOLDS(lines_out() == 0 && (size_t)r->out == out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct report_ask asks[] = {
	    {.market = NULL}, {market_find("US"), 20775, "CHILD"}};
	uint32_t seed = (uint32_t)size * 2654435761u;

	fuzz_in();
	for (size_t i = 0; i < size; i++)
		seed = seed * 31 + data[i];
	for (size_t i = 0; i < 2; i++)
		check(&asks[i], data, size, seed);
	return 0;
}
