#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <zlib.h>

#include "lib/gunzip.h"
#include "lib/ndjson.h"
#include "lib/report.h"
#include "lib/split.h"

#define REASON_MAX 8192 /* bytes of a document that are kept as they are */

static struct {
	struct report r;
	struct gunzip *gunzip;
	struct split *split;
	bool letting_out;
	bool specified; /* the document has said what it is */
	const struct market *market;
	int64_t from, to; /* days */
	bool days; /* its byDate is by day */
	unsigned long long length; /* of the document that was checked */
	unsigned long sum;
	uint32_t *sums; /* of its rows */
	size_t cap_sums;
	long long n_sums;
	bool changed; /* this is another one */
	char start[REASON_MAX + 1]; /* of it */
	size_t start_len;
} doc;

bool
report_holds(struct json_slice list, const char *text)
{
	struct json_iter it = json_walk(list);

	while (json_next(&it))
		if (json_is(it.val, text))
			return true;
	return false;
}

bool
report_day_is(struct json_slice time, int64_t day)
{
	int64_t its;

	return json_kind(time) == JSON_STRING && time.len >= 12 &&
	    when_day(time.s + 1, 10, &its) && its == day;
}

enum { KIND, OPTIONS, FROM, TO, MARKETPLACES };

/* Whether an option has a value, which may be the one that it has if it is not
 * there. */
static bool
option_is(struct json_slice options, const char *name, const char *value,
    const char *otherwise)
{
	struct json_iter it = json_walk(options);

	while (json_next(&it))
		if (json_key_is(it.key, name))
			return json_is(it.val, value);
	return strcmp(value, otherwise) == 0;
}

/* How what the document says that it is is not what was asked for. */
static const char *
compare(const struct report_ask *ask, const struct json_field *p)
{
	if (!option_is(p[OPTIONS].val, "asinGranularity", ask->granularity,
		"PARENT") ||
	    !doc.days)
		return "it is of another granularity";
	if (!report_day_is(p[FROM].val, ask->day) ||
	    !report_day_is(p[TO].val, ask->day))
		return "it is of another day";
	if (!report_holds(p[MARKETPLACES].val, ask->market->id))
		return "it is of another marketplace";
	return NULL;
}

static const char *
take_as_it_is(const struct json_field *p)
{
	struct json_iter it = json_walk(p[MARKETPLACES].val);
	char id[64] = "";

	if (json_next(&it))
		json_words(it.val, id, sizeof(id));
	doc.market = market_find(id);
	if (doc.market == NULL || strcmp(doc.market->id, id) != 0)
		return "it is of no marketplace that is known";
	if (p[FROM].val.len < 12 || p[TO].val.len < 12 ||
	    !when_day(p[FROM].val.s + 1, 10, &doc.from) ||
	    !when_day(p[TO].val.s + 1, 10, &doc.to))
		return "it does not say of which days it is";
	return NULL;
}

static void
take_specification(struct json_slice val)
{
	struct json_field p[] = {[KIND] = JSON_FIELD("reportType"),
	    [OPTIONS] = JSON_FIELD("reportOptions"),
	    [FROM] = JSON_FIELD("dataStartTime"),
	    [TO] = JSON_FIELD("dataEndTime"),
	    [MARKETPLACES] = JSON_FIELD("marketplaceIds"),
	    JSON_END};
	struct json_error e;

	if (doc.specified) {
		doc.r.mismatch = "it says twice what it is";
		return;
	}
	doc.specified = true;
	if (!json_scan(val, p, &e)) {
		doc.r.mismatch = "its reportSpecification makes no sense";
		return;
	}
	doc.days = option_is(p[OPTIONS].val, "dateGranularity", "DAY", "DAY");
	if (!json_is(p[KIND].val, REPORT_TYPE))
		doc.r.mismatch = "it is of another type";
	else if (doc.r.ask.market != NULL)
		doc.r.mismatch = compare(&doc.r.ask, p);
	else
		doc.r.mismatch = take_as_it_is(p);
}

static void
put_row(const char *type, const char *date, struct json_slice data)
{
	nd_puts("{\"type\":\"");
	nd_puts(type);
	nd_puts("\"");
	nd_field_str("marketplace", doc.market->code);
	nd_field_str("date", date);
	nd_field_str("report_id", doc.r.id);
	nd_field_str("fetched_at", doc.r.fetched_at);
	nd_field("data", data);
	nd_puts("}\n");
	doc.r.out++;
}

/* The day of a row of byDate, which says it itself. */
static bool
row_day(struct json_slice row, char date[WHEN_DAY_SIZE])
{
	struct json_field p[] = {JSON_FIELD("date"), JSON_END};
	struct json_error e;
	int64_t day;

	if (!json_scan(row, p, &e) || json_kind(p[0].val) != JSON_STRING ||
	    !when_day(p[0].val.s + 1, p[0].val.len - 2, &day))
		return false;
	when_day_text(day, date);
	return day >= doc.from && day <= doc.to;
}

/* Report why a row cannot go out; of many such rows the first one. */
static void
refuse(const char *list, const char *why, size_t column)
{
	if (doc.r.refused++ == 0 && column > 0)
		warnx("report %s: a row of %s: column %zu: %s", doc.r.id, list,
		    column, why);
	else if (doc.r.refused == 1)
		warnx("report %s: %s", doc.r.id, why);
	nd_failed();
}

/* A row on its way out.  What another reading has let out is not said again. */
static void
put_element(bool by_asin, struct json_slice row)
{
	const char *list = by_asin ? "byAsin" : "byDate";
	char date[WHEN_DAY_SIZE];
	struct json_error e;

	if (doc.r.by_asin + doc.r.by_date <= doc.r.out + doc.r.refused)
		return;
	if (!json_valid(row, &e))
		refuse(list, e.why, e.column);
	else if (json_kind(row) != JSON_OBJECT)
		refuse(list, "a row that is no object", 0);
	else if (by_asin && doc.from == doc.to)
		put_row("sp_sales_by_asin", when_day_text(doc.from, date), row);
	else if (by_asin)
		refuse(
		    list, "its rows of byAsin are of several days at once", 0);
	else if (doc.days && row_day(row, date))
		put_row("sp_sales_by_date", date, row);
	else
		refuse(list, "a row of byDate is not of one of its days", 0);
}

/* What is let out is what was checked, row by row: a damaged one is known only
 * at its end. */
static bool
same_row(bool by_asin, struct json_slice row)
{
	uint32_t sum = (uint32_t)crc32(
	    by_asin, (const unsigned char *)row.s, (uInt)row.len);
	size_t n = (size_t)(doc.r.by_asin + doc.r.by_date);

	if (doc.letting_out) {
		doc.changed |= n >= (size_t)doc.n_sums || doc.sums[n] != sum;
		return !doc.changed;
	}
	if (n == doc.cap_sums) {
		doc.cap_sums = n == 0 ? 256 : 2 * n;
		doc.sums = realloc(doc.sums, doc.cap_sums * sizeof(*doc.sums));
		if (doc.sums == NULL)
			err(EX_TEMPFAIL, NULL);
	}
	doc.sums[n] = sum;
	return true;
}

/* A part of the document. */
static void
take_part(void *arg, const char *name, bool element, struct json_slice val)
{
	bool by_asin = strcmp(name, "salesAndTrafficByAsin") == 0;

	(void)arg;
	if (!element && strcmp(name, "reportSpecification") == 0) {
		take_specification(val);
	} else if (element &&
	    (by_asin || strcmp(name, "salesAndTrafficByDate") == 0)) {
		if (!same_row(by_asin, val))
			return;
		if (by_asin)
			doc.r.by_asin++;
		else
			doc.r.by_date++;
		if (doc.letting_out)
			put_element(by_asin, val);
	}
}

static bool
take_unpacked(void *arg, const char *data, size_t len)
{
	size_t room = REASON_MAX - doc.start_len;

	(void)arg;
	room = len < room ? len : room;
	memcpy(doc.start + doc.start_len, data, room);
	doc.start_len += room;
	if (split_feed(doc.split, data, len) && !doc.changed)
		return true;
	/* What is no such document may be the words why there is none. */
	return doc.r.fetched_at[0] == '\0' && doc.start_len < REASON_MAX;
}

void
report_again(struct report *r)
{
	gunzip_reset(doc.gunzip);
	split_reset(doc.split);
	doc.specified = doc.changed = false;
	doc.start_len = 0;
	r->by_asin = r->by_date = 0;
	r->mismatch = NULL;
}

struct report *
report_begin(
    const struct report_ask *ask, const char *id, const char *fetched_at)
{
	if (doc.gunzip == NULL) {
		doc.gunzip = gunzip_new(take_unpacked, NULL);
		doc.split = split_new(take_part, NULL);
	}
	memset(&doc.r, 0, sizeof(doc.r));
	doc.r.ask = *ask;
	doc.r.id = id;
	snprintf(doc.r.fetched_at, sizeof(doc.r.fetched_at), "%s", fetched_at);
	doc.letting_out = false;
	doc.market = ask->market;
	doc.from = doc.to = ask->day;
	report_again(&doc.r);
	return &doc.r;
}

bool
report_feed(struct report *r, const char *data, size_t len)
{
	(void)r;
	return gunzip_feed(doc.gunzip, data, len);
}

const char *
report_why(struct report *r)
{
	const char *why = gunzip_why(doc.gunzip);

	(void)r;
	if (doc.changed)
		return "it is another one the second time";
	if (why == NULL && !split_whole(doc.split))
		why = split_why(doc.split);
	if (why == NULL && !doc.specified)
		why = "it does not say what it is";
	if (why == NULL && doc.letting_out &&
	    (gunzip_length(doc.gunzip) != doc.length ||
		gunzip_sum(doc.gunzip) != doc.sum))
		why = "it is another one the second time";
	return why;
}

void
report_let_out(struct report *r)
{
	(void)r;
	doc.letting_out = true;
	doc.n_sums = doc.r.by_asin + doc.r.by_date;
	doc.length = gunzip_length(doc.gunzip);
	doc.sum = gunzip_sum(doc.gunzip);
}

void
report_reason(struct report *r, char *words, size_t size)
{
	struct json_field parts[] = {JSON_FIELD("errorDetails"), JSON_END};
	struct json_slice text = {doc.start, doc.start_len};
	struct json_error e;

	(void)r;
	doc.start[doc.start_len] = '\0';
	if (json_scan(text, parts, &e) &&
	    json_kind(parts[0].val) == JSON_STRING) {
		json_words(parts[0].val, words, size);
		return;
	}
	snprintf(words, size, "%s", doc.start);
	for (char *p = words; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = *p == '\n' || *p == '\t' ? ' ' : '?';
}

void
report_free(void)
{
	if (doc.gunzip == NULL)
		return;
	free(doc.sums);
	gunzip_free(doc.gunzip);
	split_free(doc.split);
}
