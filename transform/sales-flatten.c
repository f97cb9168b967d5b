/*
 * sales-flatten - Amazon's sales and traffic, a row for each ASIN and day
 *
 * Each sp_sales_by_asin becomes a sales_daily, each sp_sales_by_date a
 * sales_daily_totals: every field a column, money exact in minor units.  All
 * else is passed on as it came, but that a report whose byAsin is empty beside
 * a filled byDate is not DONE: it is not ready, and to be asked for again.
 *
 * It concludes nothing else.  What Amazon does not say is unknown and no 0: an
 * ASIN without a row had no sales and no traffic, or is still to come.
 *
 * The fields are those of Amazon's sellerSalesAndTrafficReport.json.
 */
#include <getopt.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <err.h>

#include "lib/market.h"
#include "lib/ndjson.h"
#include "lib/when.h"

#define ID_MAX 100 /* bytes of a report's id, quotes included */
#define TIME_MAX 48 /* of a time that when_read takes */
#define NUMBER_MAX 32 /* of a percentage or an average */
#define NAME_SIZE 48 /* of any name below, as a member of a record */
#define COLUMNS_MAX 48
#define DIGITS_MAX 18 /* of a count or an amount: these fit 64 bits */
#define LINE_SIZE (COLUMNS_MAX * (NAME_SIZE + NUMBER_MAX) + 1024)
#define RETRY_AFTER (4 * 3600) /* seconds until a report may be ready */
#define FILLED_MAX 64 /* reports whose record is still to come */

enum kind { COUNT, AMOUNT, NUMBER };

struct field {
	const char *name; /* in the report */
	const char *column;
	enum kind kind;
	bool twin; /* another is about business customers only: B2B */
};

static const struct field sales_by_asin[] = {
    {"unitsOrdered", "units_ordered", COUNT, true},
    {"orderedProductSales", "ordered_product_sales", AMOUNT, true},
    {"totalOrderItems", "total_order_items", COUNT, true}, {0}};

static const struct field traffic_by_asin[] = {
    {"browserSessions", "browser_sessions", COUNT, true},
    {"mobileAppSessions", "mobile_app_sessions", COUNT, true},
    {"sessions", "sessions", COUNT, true},
    {"browserSessionPercentage", "browser_session_percentage", NUMBER, true},
    {"mobileAppSessionPercentage", "mobile_app_session_percentage", NUMBER,
	true},
    {"sessionPercentage", "session_percentage", NUMBER, true},
    {"browserPageViews", "browser_page_views", COUNT, true},
    {"mobileAppPageViews", "mobile_app_page_views", COUNT, true},
    {"pageViews", "page_views", COUNT, true},
    {"browserPageViewsPercentage", "browser_page_views_percentage", NUMBER,
	true},
    {"mobileAppPageViewsPercentage", "mobile_app_page_views_percentage", NUMBER,
	true},
    {"pageViewsPercentage", "page_views_percentage", NUMBER, true},
    {"buyBoxPercentage", "buy_box_percentage", NUMBER, true},
    {"unitSessionPercentage", "unit_session_percentage", NUMBER, true}, {0}};

static const struct field sales_by_date[] = {
    {"orderedProductSales", "ordered_product_sales", AMOUNT, true},
    {"unitsOrdered", "units_ordered", COUNT, true},
    {"totalOrderItems", "total_order_items", COUNT, true},
    {"averageSalesPerOrderItem", "average_sales_per_order_item", AMOUNT, true},
    {"averageUnitsPerOrderItem", "average_units_per_order_item", NUMBER, true},
    {"averageSellingPrice", "average_selling_price", AMOUNT, true},
    {"unitsRefunded", "units_refunded", COUNT, false},
    {"refundRate", "refund_rate", NUMBER, false},
    {"claimsGranted", "claims_granted", COUNT, false},
    {"claimsAmount", "claims_amount", AMOUNT, false},
    {"shippedProductSales", "shipped_product_sales", AMOUNT, false},
    {"unitsShipped", "units_shipped", COUNT, false},
    {"ordersShipped", "orders_shipped", COUNT, false}, {0}};

static const struct field traffic_by_date[] = {
    {"browserPageViews", "browser_page_views", COUNT, true},
    {"mobileAppPageViews", "mobile_app_page_views", COUNT, true},
    {"pageViews", "page_views", COUNT, true},
    {"browserSessions", "browser_sessions", COUNT, true},
    {"mobileAppSessions", "mobile_app_sessions", COUNT, true},
    {"sessions", "sessions", COUNT, true},
    {"buyBoxPercentage", "buy_box_percentage", NUMBER, true},
    {"orderItemSessionPercentage", "order_item_session_percentage", NUMBER,
	true},
    {"unitSessionPercentage", "unit_session_percentage", NUMBER, true},
    {"averageOfferCount", "average_offer_count", COUNT, false},
    {"averageParentItems", "average_parent_items", COUNT, false},
    {"feedbackReceived", "feedback_received", COUNT, false},
    {"negativeFeedbackReceived", "negative_feedback_received", COUNT, false},
    {"receivedNegativeFeedbackRate", "received_negative_feedback_rate", NUMBER,
	false},
    {0}};

/* A column of a table, and where a scan finds its field. */
struct column {
	enum kind kind;
	struct json_field *field, amount[3]; /* amount, currencyCode */
	char name[NAME_SIZE]; /* in the report */
	char text[NAME_SIZE]; /* ,"column": */
	size_t len; /* of it */
};

struct table {
	struct column columns[COLUMNS_MAX];
	size_t n;
	struct json_field sections[2][COLUMNS_MAX + 1]; /* sales, traffic */
};

static struct table by_asin, by_date;

enum { DAY, PARENT, CHILD, ASIN_SALES, ASIN_TRAFFIC, DATE_SALES, DATE_TRAFFIC };

static struct json_field data[] = {JSON_FIELD("date"), JSON_FIELD("parentAsin"),
    JSON_FIELD("childAsin"), JSON_SUB("salesByAsin", by_asin.sections[0]),
    JSON_SUB("trafficByAsin", by_asin.sections[1]),
    JSON_SUB("salesByDate", by_date.sections[0]),
    JSON_SUB("trafficByDate", by_date.sections[1]), JSON_END};

enum {
	TYPE,
	MARKETPLACE,
	DATE,
	REPORT_ID,
	FETCHED_AT,
	DATA,
	STATUS,
	NOT_BEFORE,
	ERROR,
	UPDATED_AT,
	ROWS_BY_ASIN,
	ROWS_BY_DATE
};

static struct json_field record[] = {JSON_FIELD("type"),
    JSON_FIELD("marketplace"), JSON_FIELD("date"), JSON_FIELD("report_id"),
    JSON_FIELD("fetched_at"), JSON_SUB("data", data), JSON_FIELD("status"),
    JSON_FIELD("not_before"), JSON_FIELD("error"), JSON_FIELD("updated_at"),
    JSON_FIELD("rows_by_asin"), JSON_FIELD("rows_by_date"), JSON_END};

/* What the row at hand says in a column: of two rows for one ASIN, a sum. */
enum state { ABSENT, GIVEN, NIL };

struct value {
	enum state state;
	long long n; /* of a count or an amount, in minor units */
	struct json_slice text; /* as it is written, if that is known */
};

static struct {
	struct value values[COLUMNS_MAX];
	struct json_slice currency; /* in quotes, or none */
	uint64_t asin, parent; /* packed; a parent may be one of these: */
} row;

#define NO_PARENT 0
#define NULL_PARENT 1

/* The report whose rows these are: what identifies it, end to end, and what
 * begins and ends each of its records. */
static struct {
	size_t len; /* of id; 0: none */
	char id[2 * ID_MAX + TIME_MAX], head[ID_MAX];
	char tail[ID_MAX + TIME_MAX +
	    sizeof(",\"report_id\":,\"fetched_at\":}\n")];
	size_t head_len, tail_len;
} report;

/*
 * The rows of that report by ASIN, so that a second one can be added to the
 * first.  There may be 100,000, so each is some 60 bytes long: see pack_row.
 * Slots are found by hash, and hold where a row begins, plus 1.
 */
static struct {
	unsigned char *rows;
	size_t used, cap;
	uint32_t *slots;
	size_t n, n_slots; /* a power of 2, at least twice as many */
} asins;

#define ASIN_BYTES 7
#define STATES_BYTES (COLUMNS_MAX / 4)
#define ROW_HEAD (1 + 2 * ASIN_BYTES + 3 + STATES_BYTES)
#define ROW_MAX 255
#define SLOTS_MIN 1024

/* Reports with sales or traffic by date, the latest ones. */
static char filled[FILLED_MAX][ID_MAX];
static size_t n_filled;

static const char usage[] =
    "usage: sales-flatten <sp_sales_by_asin and sp_sales_by_date records\n"
    "\n"
    "Writes a sales_daily for each sp_sales_by_asin, a sales_daily_totals for\n"
    "each sp_sales_by_date, every field a column and money in minor units;\n"
    "passes all other records on as they are, but that a report with nothing\n"
    "by ASIN and something by date is not_ready instead of DONE.\n"
    "\n"
    "      --help, --version\n"
    "\n"
    "example: zcat spool/*.gz | sales-flatten | jq -c .\n";

/* Columns, from the tables above */

static void
add_column(struct table *t, struct json_field *f, const struct field *from,
    const char *name_end, const char *column_end)
{
	static const struct json_field amount[] = {
	    JSON_FIELD("amount"), JSON_FIELD("currencyCode"), JSON_END};
	struct column *c = &t->columns[t->n++];

	c->kind = from->kind;
	c->field = f;
	stpcpy(stpcpy(c->name, from->name), name_end);
	c->len = (size_t)(stpcpy(stpcpy(stpcpy(stpcpy(stpcpy(c->text, ",\""),
						   from->column),
					    column_end),
				     from->kind == AMOUNT ? "_cents" : ""),
			      "\":") -
	    c->text);
	memcpy(c->amount, amount, sizeof(amount));
	f->name = c->name;
	f->len = strlen(c->name);
	f->sub = c->kind == AMOUNT ? c->amount : NULL;
}

static void
add_columns(struct table *t, struct json_field *f, const struct field *from)
{
	for (; from->name != NULL; from++) {
		add_column(t, f++, from, "", "");
		if (from->twin)
			add_column(t, f++, from, "B2B", "_b2b");
	}
}

static void
prepare(void)
{
	add_columns(&by_asin, by_asin.sections[0], sales_by_asin);
	add_columns(&by_asin, by_asin.sections[1], traffic_by_asin);
	add_columns(&by_date, by_date.sections[0], sales_by_date);
	add_columns(&by_date, by_date.sections[1], traffic_by_date);
}

/* Values */

struct decimal {
	long long got; /* its digits, without the zeros at either end */
	long digits; /* their number; past DIGITS_MAX got is not true */
	long places; /* how far right of them the point is */
};

static const char *
read_digits(const char *p, const char *end, struct decimal *d)
{
	bool fraction = false;
	long pending = 0; /* digits that got lacks */

	for (; p < end && (*p | 32) != 'e'; p++) {
		if (*p == '.') {
			fraction = true;
			continue;
		}
		d->places -= fraction;
		pending += d->digits > 0 || *p != '0';
		if (*p == '0')
			continue;
		d->digits += pending;
		for (; pending > 0; pending--)
			d->got *= d->digits <= DIGITS_MAX ? 10 : 1;
		d->got += *p - '0';
	}
	d->places += pending;
	return p;
}

static long
read_exponent(const char *p, const char *end)
{
	bool minus = p + 1 < end && p[1] == '-';
	long n = 0;

	for (; p < end; p++)
		if (*p >= '0' && *p <= '9' && n < 1000000000)
			n = 10 * n + (*p - '0');
	return minus ? -n : n;
}

/* A number times ten to the power of decimals, exactly; NULL, or why not. */
static const char *
scaled(struct json_slice number, long decimals, long long *n)
{
	const char *end = number.s + number.len;
	bool minus = *number.s == '-';
	struct decimal d = {0, 0, decimals};

	d.places += read_exponent(read_digits(number.s + minus, end, &d), end);
	if (d.digits > 0 && d.places < 0)
		return "is not a whole number of cents";
	if (d.digits > 0 && d.digits + d.places > DIGITS_MAX)
		return "is too large";
	for (; d.digits > 0 && d.places > 0; d.places--)
		d.got *= 10;
	*n = minus ? -d.got : d.got;
	return NULL;
}

static bool
is_number(struct json_slice val)
{
	return json_kind(val) == JSON_NUMBER;
}

/* Amazon writes 12; 12.0 says the same. */
static const char *
read_count(struct value *v)
{
	struct json_slice text = v->text;

	if (json_int(text, 0, INT64_MAX, &v->n) && *text.s != '-')
		return NULL;
	v->text.s = NULL;
	if (!is_number(text) || scaled(text, 0, &v->n) != NULL || v->n < 0)
		return "is no count";
	return NULL;
}

/* What is passed on as it is written has to be finite to whoever reads it. */
static const char *
read_number(struct json_slice text)
{
	char buf[NUMBER_MAX + 1];
	size_t i = 0;

	if (!is_number(text))
		return "is no number";
	if (text.len > NUMBER_MAX)
		return "is too long a number";
	while (i < text.len && (text.s[i] | 32) != 'e')
		i++;
	if (i == text.len)
		return NULL;
	memcpy(buf, text.s, text.len);
	buf[text.len] = '\0';
	return isfinite(strtod(buf, NULL)) ? NULL : "is too large";
}

static bool
is_code(struct json_slice val, size_t letters)
{
	if (json_kind(val) != JSON_STRING || val.len != letters + 2)
		return false;
	for (size_t i = 1; i <= letters; i++)
		if (val.s[i] < 'A' || val.s[i] > 'Z')
			return false;
	return true;
}

static bool
equal(struct json_slice a, struct json_slice b)
{
	return a.len == b.len && memcmp(a.s, b.s, a.len) == 0;
}

/* The number of an amount waits in text until the row's currency is known. */
static const char *
read_amount(const struct column *c, struct value *v)
{
	struct json_slice currency = c->amount[1].val;
	enum json_kind kind = json_kind(c->amount[0].val);

	if (json_kind(v->text) != JSON_OBJECT ||
	    (kind != JSON_NUMBER && kind != JSON_NULL))
		return "is no amount";
	if (kind == JSON_NULL)
		v->state = NIL;
	v->text = c->amount[0].val;
	if (currency.s == NULL || json_kind(currency) == JSON_NULL)
		return NULL;
	if (!is_code(currency, 3))
		return "is in no currency";
	if (row.currency.s != NULL && !equal(currency, row.currency))
		return "is in a second currency";
	row.currency = currency;
	return NULL;
}

static const char *
count_cents(struct value *v)
{
	const char *why = scaled(v->text, market_decimals(row.currency), &v->n);

	v->text.s = NULL;
	if (row.currency.s == NULL && (why != NULL || v->n != 0))
		return "is in no currency";
	return why;
}

static const char *
read_value(const struct column *c, struct value *v)
{
	v->text = c->field->val;
	v->state = v->text.s == NULL ? ABSENT : *v->text.s == 'n' ? NIL : GIVEN;
	if (v->state != GIVEN)
		return NULL;
	if (c->kind == COUNT)
		return read_count(v);
	return c->kind == NUMBER ? read_number(v->text) : read_amount(c, v);
}

/* All that the row says; false if it is bad. */
static bool
read_values(struct nd_in *in, const struct table *t)
{
	const char *why = NULL;
	size_t i;

	row.currency.s = NULL;
	for (i = 0; i < t->n && why == NULL; i++)
		why = read_value(&t->columns[i], &row.values[i]);
	if (why == NULL)
		for (i = 0; i < t->n && why == NULL; i++)
			if (t->columns[i].kind == AMOUNT &&
			    row.values[i].state == GIVEN)
				why = count_cents(&row.values[i]);
	if (why != NULL)
		nd_bad(in, "%s %s", t->columns[i - 1].name, why);
	return why == NULL;
}

static bool
is_object_or_none(struct nd_in *in, const struct json_field *f)
{
	if (json_kind(f->val) == JSON_OBJECT ||
	    json_kind(f->val) == JSON_ABSENT || json_kind(f->val) == JSON_NULL)
		return true;
	nd_bad(in, "%s is no object", f->name);
	return false;
}

/* An ASIN as a number, in the same order; 0 if it is none. */
static uint64_t
pack_asin(struct json_slice val)
{
	uint64_t n = 0;

	if (json_kind(val) != JSON_STRING || val.len != 12)
		return 0;
	for (size_t i = 1; i <= 10; i++) {
		char c = val.s[i];

		if (c >= '0' && c <= '9')
			n = 36 * n + (uint64_t)(c - '0');
		else if (c >= 'A' && c <= 'Z')
			n = 36 * n + (uint64_t)(c - 'A') + 10;
		else
			return 0;
	}
	return n + NULL_PARENT + 1;
}

static char *
append(char *p, const char *s, size_t len)
{
	memcpy(p, s, len);
	return p + len;
}

static char *
append_asin(char *p, uint64_t packed)
{
	packed -= NULL_PARENT + 1;
	*p++ = '"';
	for (int i = 9; i >= 0; i--, packed /= 36)
		p[i] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[packed % 36];
	p[10] = '"';
	return p + 11;
}

/* The report */

static bool
same_report(void)
{
	const char *p = report.id, *end = report.id + report.len;

	for (int i = MARKETPLACE; i <= FETCHED_AT; i++) {
		struct json_slice val = record[i].val;

		if (val.len > (size_t)(end - p) ||
		    memcmp(p, val.s == NULL ? "" : val.s, val.len) != 0)
			return false;
		p += val.len;
	}
	return report.len > 0 && p == end;
}

static void
forget_report(void)
{
	report.len = 0;
	if (asins.n > 0)
		memset(asins.slots, 0, asins.n_slots * sizeof(*asins.slots));
	asins.n = asins.used = 0;
}

static bool
is_day(struct json_slice val)
{
	char text[] = "\"0000-00-00T00:00:00Z\"";
	struct json_slice midnight = {text, sizeof(text) - 1};
	int64_t at;

	if (json_kind(val) != JSON_STRING || val.len != 12)
		return false;
	memcpy(text + 1, val.s + 1, 10);
	return when_read(midnight, &at);
}

/* What is wrong with a record's own fields; NULL if nothing is. */
static const char *
wrong_report(void)
{
	int64_t at;

	if (!is_code(record[MARKETPLACE].val, 2))
		return "marketplace is no code of two letters";
	if (!is_day(record[DATE].val))
		return "date is no day";
	if (json_kind(record[REPORT_ID].val) != JSON_STRING ||
	    record[REPORT_ID].val.len > ID_MAX)
		return "report_id is no id";
	if (!when_read(record[FETCHED_AT].val, &at))
		return "fetched_at is no time";
	return NULL;
}

static char *
append_field(char *p, int i)
{
	p = stpcpy(stpcpy(stpcpy(p, ",\""), record[i].name), "\":");
	return append(p, record[i].val.s, record[i].val.len);
}

/* Make the report at hand that of the record; false if the record is bad. */
static bool
begin_report(struct nd_in *in)
{
	const char *why = wrong_report();
	char *p = report.id;

	forget_report();
	if (why != NULL) {
		nd_bad(in, "%s", why);
		return false;
	}
	for (int i = MARKETPLACE; i <= FETCHED_AT; i++)
		p = append(p, record[i].val.s, record[i].val.len);
	report.len = (size_t)(p - report.id);
	p = append_field(append_field(report.head, MARKETPLACE), DATE);
	report.head_len = (size_t)(p - report.head);
	p = append_field(append_field(report.tail, REPORT_ID), FETCHED_AT);
	report.tail_len = (size_t)(stpcpy(p, "}\n") - report.tail);
	return true;
}

/* Records */

static char *
append_int(char *p, long long n)
{
	char buf[ND_INT_SIZE];

	return stpcpy(p, nd_int_text(n, buf));
}

/* Of the name a fixed size is copied, since that is one move or two. */
static char *
append_values(char *p, const struct table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct value *v = &row.values[i];

		if (v->state == ABSENT)
			continue;
		memcpy(p, t->columns[i].text, NAME_SIZE);
		p += t->columns[i].len;
		if (v->state == NIL)
			p = stpcpy(p, "null");
		else if (v->text.s != NULL)
			p = append(p, v->text.s, v->text.len);
		else
			p = append_int(p, v->n);
	}
	if (row.currency.s != NULL) {
		p = stpcpy(p, ",\"currency\":");
		p = append(p, row.currency.s, row.currency.len);
	}
	return append(p, report.tail, report.tail_len);
}

static void
put_asin(void)
{
	char line[LINE_SIZE], *p = line;
	struct json_slice out = {line, 0};

	p = stpcpy(p, "{\"type\":\"sales_daily\"");
	p = append(p, report.head, report.head_len);
	p = append_asin(stpcpy(p, ",\"asin\":"), row.asin);
	if (row.parent != NO_PARENT)
		p = stpcpy(p, ",\"parent_asin\":");
	if (row.parent == NULL_PARENT)
		p = stpcpy(p, "null");
	else if (row.parent != NO_PARENT)
		p = append_asin(p, row.parent);
	out.len = (size_t)(append_values(p, &by_asin) - line);
	nd_put(out);
}

static void
put_totals(void)
{
	char line[LINE_SIZE], *p = line;
	struct json_slice out = {line, 0};

	p = stpcpy(p, "{\"type\":\"sales_daily_totals\"");
	p = append(p, report.head, report.head_len);
	out.len = (size_t)(append_values(p, &by_date) - line);
	nd_put(out);
}

/* Rows that are kept */

static void *
must(void *p)
{
	if (p == NULL)
		err(EX_TEMPFAIL, "cannot hold a report");
	return p;
}

/* The byte order is whatever the machine has: nobody else reads it. */
static uint64_t
kept_number(const unsigned char *p, size_t bytes)
{
	uint64_t n = 0;

	for (size_t i = bytes; i-- > 0;)
		n = n << 8 | p[i];
	return n;
}

static unsigned char *
keep_number(unsigned char *p, size_t bytes, uint64_t n)
{
	for (; bytes > 0; bytes--, n >>= 8)
		*p++ = (unsigned char)n;
	return p;
}

static size_t
slot_of(uint64_t asin)
{
	return (size_t)((asin * 0x9e3779b97f4a7c15U) >> 20) &
	    (asins.n_slots - 1);
}

/* The slot of an ASIN, or the one where it belongs. */
static uint32_t *
find_slot(uint64_t asin)
{
	size_t i = slot_of(asin);

	while (asins.slots[i] != 0 &&
	    kept_number(asins.rows + asins.slots[i], ASIN_BYTES) != asin)
		i = (i + 1) & (asins.n_slots - 1);
	return &asins.slots[i];
}

/* Room for one more, at most half full. */
static void
grow_slots(void)
{
	uint32_t *old = asins.slots;
	size_t n_old = asins.n_slots;

	if (2 * (asins.n + 1) <= n_old)
		return;
	asins.n_slots = n_old == 0 ? SLOTS_MIN : 2 * n_old;
	asins.slots = must(calloc(asins.n_slots, sizeof(*asins.slots)));
	for (size_t i = 0; i < n_old; i++)
		if (old[i] != 0)
			*find_slot(kept_number(
			    asins.rows + old[i], ASIN_BYTES)) = old[i];
	free(old);
}

/*
 * A row as it is kept: how many bytes it may take, ASIN, parent, currency, two
 * bits of state for each column, then the counts and amounts that are given, in
 * seven bits a byte with the sign in the lowest: mostly one byte or two.
 */
static size_t
pack_row(unsigned char *buf)
{
	unsigned char *states, *p = buf + 1;

	p = keep_number(p, ASIN_BYTES, row.asin);
	p = keep_number(p, ASIN_BYTES, row.parent);
	memset(p, 0, 3 + STATES_BYTES);
	if (row.currency.s != NULL)
		memcpy(p, row.currency.s + 1, 3);
	states = p + 3;
	p = states + STATES_BYTES;
	for (size_t i = 0; i < by_asin.n; i++) {
		const struct value *v = &row.values[i];
		uint64_t n = (uint64_t)v->n << 1 ^ (v->n < 0 ? UINT64_MAX : 0);

		states[i / 4] |= (unsigned char)(v->state << i % 4 * 2);
		if (v->state != GIVEN || by_asin.columns[i].kind == NUMBER)
			continue;
		for (; n > 127; n >>= 7)
			*p++ = (unsigned char)(n | 128);
		*p++ = (unsigned char)n;
	}
	return (size_t)(p - buf);
}

static const unsigned char *
kept_value(const unsigned char *p, long long *value)
{
	uint64_t n = 0;
	int shift = 0;

	do {
		n |= (uint64_t)(*p & 127) << shift;
		shift += 7;
	} while (*p++ > 127);
	*value = (long long)(n >> 1) ^ -(long long)(n & 1);
	return p;
}

/* Keep the row at hand, where the one before was if it fits there. */
static void
keep_row(uint32_t *slot)
{
	unsigned char buf[ROW_MAX];
	size_t len = pack_row(buf);

	if (*slot != 0 && len <= asins.rows[*slot - 1]) {
		memcpy(asins.rows + *slot, buf + 1, len - 1);
		return;
	}
	if (asins.used > UINT32_MAX - ROW_MAX)
		errx(EX_TEMPFAIL, "cannot hold a report of 4 GiB");
	if (asins.cap - asins.used < ROW_MAX) {
		asins.cap = asins.cap == 0 ? 1 << 16 : 2 * asins.cap;
		asins.rows = must(realloc(asins.rows, asins.cap));
	}
	asins.n += *slot == 0;
	*slot = (uint32_t)asins.used + 1;
	buf[0] = (unsigned char)len;
	memcpy(asins.rows + asins.used, buf, len);
	asins.used += len;
}

/* Add what was kept of a column to what the row at hand says of it.  A sum
 * needs both: where one of them says nothing, the sum is not known. */
static const char *
add_value(
    enum kind kind, enum state state, const unsigned char **p, struct value *v)
{
	const long long max = 999999999999999999; /* DIGITS_MAX of them */
	long long n = 0;

	if (state == GIVEN && kind != NUMBER)
		*p = kept_value(*p, &n);
	if (state == ABSENT && v->state == ABSENT)
		return NULL;
	v->text.s = NULL;
	v->n += n;
	if (state != GIVEN || v->state != GIVEN || kind == NUMBER)
		v->state = NIL;
	else if (v->n > max || v->n < -max)
		return "adds up to too much";
	return NULL;
}

/* Add the row that was kept to the one at hand; false if that cannot be. */
static bool
add_row(struct nd_in *in, const unsigned char *kept)
{
	static char quoted[] = "\"???\"";
	struct json_slice currency = {quoted, sizeof(quoted) - 1};
	const unsigned char *states = kept + 2 * ASIN_BYTES + 3;
	const unsigned char *p = states + STATES_BYTES;
	uint64_t parent = kept_number(kept + ASIN_BYTES, ASIN_BYTES);

	memcpy(quoted + 1, states - 3, 3);
	if (quoted[1] != '\0' && row.currency.s != NULL &&
	    !equal(currency, row.currency)) {
		nd_bad(in, "a second currency for one ASIN");
		return false;
	}
	for (size_t i = 0; i < by_asin.n; i++) {
		const struct column *c = &by_asin.columns[i];
		enum state state = states[i / 4] >> i % 4 * 2 & 3;
		const char *why = add_value(c->kind, state, &p, &row.values[i]);

		if (why != NULL) {
			nd_bad(in, "%s %s", c->name, why);
			return false;
		}
	}
	if (quoted[1] != '\0')
		row.currency = currency;
	if (parent > NULL_PARENT && row.parent > NULL_PARENT)
		row.parent = parent < row.parent ? parent : row.parent;
	else
		row.parent = parent > row.parent ? parent : row.parent;
	return true;
}

/* What comes in */

static bool
read_asins(struct nd_in *in)
{
	enum json_kind child = json_kind(data[CHILD].val);
	enum json_kind parent = json_kind(data[PARENT].val);

	if (child == JSON_ABSENT || child == JSON_NULL) {
		nd_bad(in,
		    "no childAsin: a report of PARENT granularity has nothing "
		    "to key by");
		return false;
	}
	row.asin = pack_asin(data[CHILD].val);
	row.parent = parent == JSON_ABSENT ? NO_PARENT
	    : parent == JSON_NULL          ? NULL_PARENT
					   : pack_asin(data[PARENT].val);
	if (row.asin == 0 || (row.parent == 0 && parent != JSON_ABSENT)) {
		nd_bad(in, "%s is no ASIN",
		    row.asin == 0 ? "childAsin" : "parentAsin");
		return false;
	}
	return true;
}

static void
take_asin(struct nd_in *in)
{
	uint32_t *slot;

	if (!same_report() && !begin_report(in))
		return;
	if (json_kind(record[DATA].val) != JSON_OBJECT) {
		nd_bad(in, "data is no object");
		return;
	}
	if (!read_asins(in) || !is_object_or_none(in, &data[ASIN_SALES]) ||
	    !is_object_or_none(in, &data[ASIN_TRAFFIC]) ||
	    !read_values(in, &by_asin))
		return;
	grow_slots();
	slot = find_slot(row.asin);
	if (*slot != 0 && !add_row(in, asins.rows + *slot))
		return;
	keep_row(slot);
	put_asin();
}

/* Whether the totals have something that rows by ASIN would have, too. */
static bool
has_counts(void)
{
	for (size_t i = 0; i < by_date.n; i++) {
		const struct column *c = &by_date.columns[i];

		if (c->kind != COUNT || row.values[i].state != GIVEN ||
		    row.values[i].n == 0)
			continue;
		for (size_t k = 0; k < by_asin.n; k++)
			if (strcmp(c->name, by_asin.columns[k].name) == 0)
				return true;
	}
	return false;
}

static bool
is_filled(struct json_slice id)
{
	for (size_t i = 0; i < FILLED_MAX; i++)
		if (filled[i][0] != '\0' && id.len <= ID_MAX &&
		    memcmp(filled[i], id.s, id.len) == 0)
			return true;
	return false;
}

static void
take_date(struct nd_in *in)
{
	struct json_slice id = record[REPORT_ID].val;

	if (!begin_report(in))
		return;
	if (json_kind(record[DATA].val) != JSON_OBJECT) {
		nd_bad(in, "data is no object");
		return;
	}
	if (!equal(data[DAY].val, record[DATE].val)) {
		nd_bad(in, "data is not of the date that was asked for");
		return;
	}
	if (!is_object_or_none(in, &data[DATE_SALES]) ||
	    !is_object_or_none(in, &data[DATE_TRAFFIC]) ||
	    !read_values(in, &by_date))
		return;
	if (has_counts() && !is_filled(id))
		memcpy(filled[n_filled++ % FILLED_MAX], id.s, id.len);
	put_totals();
}

static const int changed[] = {STATUS, NOT_BEFORE, ERROR};

#define N_CHANGED 3

/* Which of them comes first in the line from p on; -1 if none does. */
static int
next_changed(const char *p)
{
	int at = -1;

	for (int i = 0; i < N_CHANGED; i++) {
		const char *s = record[changed[i]].val.s;

		if (s != NULL && s >= p &&
		    (at == -1 || s < record[changed[at]].val.s))
			at = i;
	}
	return at;
}

/* The line of the record with other values in place of these, or at its end
 * where it has none. */
static void
put_changed(struct nd_in *in, const char *const *values)
{
	struct json_slice line = nd_line(in), part = {line.s, 0};
	const char *end = line.s + line.len;
	int i;

	while (*--end != '}')
		;
	while ((i = next_changed(part.s)) != -1) {
		struct json_slice val = record[changed[i]].val;

		part.len = (size_t)(val.s - part.s);
		nd_put(part);
		nd_puts(values[i]);
		part.s = val.s + val.len;
	}
	part.len = (size_t)(end - part.s);
	nd_put(part);
	for (i = 0; i < N_CHANGED; i++)
		if (record[changed[i]].val.s == NULL) {
			nd_name(record[changed[i]].name);
			nd_puts(values[i]);
		}
	part.s = end;
	part.len = (size_t)(line.s + line.len - end);
	nd_put_line(part);
}

static void
put_not_ready(struct nd_in *in)
{
	char after[WHEN_SIZE + 2] = "\"";
	const char *values[] = {"\"not_ready\"", after,
	    "\"byAsin is empty beside a filled byDate\""};
	int64_t at, last = 253402300799 - RETRY_AFTER; /* of the year 9999 */

	if (!when_read(record[UPDATED_AT].val, &at) || at > last) {
		nd_bad(in, "updated_at is no time");
		return;
	}
	when_text(at + RETRY_AFTER, after + 1);
	memcpy(after + WHEN_SIZE, "\"", 2);
	put_changed(in, values);
}

static void
take_request(struct nd_in *in)
{
	long long n;

	forget_report();
	if (json_is(record[STATUS].val, "DONE") &&
	    json_int(record[ROWS_BY_ASIN].val, 0, 0, &n) &&
	    json_int(record[ROWS_BY_DATE].val, 1, INT64_MAX, &n) &&
	    json_kind(record[REPORT_ID].val) == JSON_STRING &&
	    is_filled(record[REPORT_ID].val))
		put_not_ready(in);
	else
		nd_put_line(nd_line(in));
}

static void
take(struct nd_in *in)
{
	struct json_slice type = record[TYPE].val;

	if (json_is(type, "sp_sales_by_asin")) {
		take_asin(in);
	} else if (json_is(type, "sp_sales_by_date")) {
		take_date(in);
	} else if (json_is(type, "report_requests")) {
		take_request(in);
	} else {
		if (json_is(type, "run") || json_is(type, "end"))
			forget_report();
		nd_put_line(nd_line(in));
	}
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	struct nd_in *in;
	int c;

	opterr = 0;
	if ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		nd_option(c, argv, usage);
	if (optind < argc)
		errx(
		    EX_USAGE, "unknown operand '%s'; see --help", argv[optind]);

	prepare();
	in = nd_open(NULL);
	while (nd_read(in, record))
		take(in);
	nd_close(in);
	free(asins.rows);
	free(asins.slots);
	return nd_finish();
}
