/*
 * sales-plan - which reports to ask Amazon for, and when
 *
 * Reads the ledger of all requests so far and writes those that are to be made
 * or taken up again: first what Amazon is working on already, then, the newest
 * day first, what has to be asked for.  Each of these gets a time before which
 * it should not be asked for, so that all of them fit the quota of this type of
 * report; those of the days to come are part of the plan, too.
 *
 * A day is one report for each marketplace, since the rows for ASINs have no
 * date.  While a request for a day is unfinished, no other is made for it.
 *
 * The only transform with a clock, and only where --now and --today are not
 * given.
 */
#include <err.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/market.h"
#include "lib/ndjson.h"
#include "lib/when.h"

#define DAY 86400
#define MARKETS_MAX 32
#define AGES_MAX 64
#define SETTLED (3 * DAY) /* after a day began, its numbers have settled */
#define GIVEN_UP 31 /* days after which what is not ready will never be */
#define RECENT 35 /* days back to which a request is no backfill */

/* How far a request has come. */
enum stage {
	ASKED, /* Amazon has it, or may have it */
	TO_ASK, /* for the first time, or again */
	DONE, /* there are rows */
	OVER /* there will be none */
};

static const struct {
	const char *status;
	enum stage stage;
} stages[] = {{"creating", ASKED}, {"created", ASKED}, {"IN_QUEUE", ASKED},
    {"IN_PROGRESS", ASKED}, {"ready", ASKED}, {"planned", TO_ASK},
    {"not_ready", TO_ASK}, {"CANCELLED", TO_ASK}, {"FATAL", TO_ASK},
    {"DONE", DONE}, {"no_data", OVER}, {"failed", OVER}};

/* A request of the ledger, or a new one. */
struct request {
	size_t market; /* which one of those wanted */
	int64_t day;
	enum stage stage;
	bool planned, failed;
	int64_t not_before, asked_at, updated_at; /* 0: not known */
	int64_t at; /* when it has its turn, if it is to be asked for */
	long long n; /* of the requests for this day */
	char report[64]; /* Amazon's id of it, or of the one before; or empty */
	char *line; /* as it came; NULL: it is new */
	size_t len;
};

struct list {
	struct request *v;
	size_t n, cap;
};

enum {
	TYPE,
	ID,
	MARKETPLACE,
	DATE,
	GRANULARITY,
	STATUS,
	REPORT_ID,
	NOT_BEFORE,
	ASKED_AT,
	UPDATED_AT
};

static struct json_field record[] = {JSON_FIELD("type"),
    JSON_FIELD("request_id"), JSON_FIELD("marketplace"), JSON_FIELD("date"),
    JSON_FIELD("granularity"), JSON_FIELD("status"), JSON_FIELD("report_id"),
    JSON_FIELD("not_before"), JSON_FIELD("asked_at"), JSON_FIELD("updated_at"),
    JSON_END};

static struct {
	const struct market *markets[MARKETS_MAX];
	size_t n_markets;
	const char *granularity;
	long ages[AGES_MAX]; /* of the days wanted */
	size_t n_ages;
	bool backfill;
	int64_t from, to, today, now;
	long min_interval, max_per_day, burst, min_age;

	struct list ledger; /* of the marketplaces wanted */
	struct list todo;

	/* The quota: when reports were asked for, and are to be, in order. */
	int64_t *asks;
	size_t n_asks, cap_asks;
	double tokens; /* left after the last of them */
} plan;

static const char usage[] =
    "usage: sales-plan [--marketplaces US,CA] [--lookback N | --ages N,... |\n"
    "                  --from DAY [--to DAY]] [--today DAY] [--now TIME]\n"
    "                  [--min-interval S] [--max-per-day N] [--burst N]\n"
    "                  [--min-age H] [--granularity CHILD] "
    "<report_requests\n"
    "\n"
    "Writes the report_requests to make or to take up again, newest day "
    "first,\n"
    "each with a time before which it does not fit the quota.\n"
    "\n"
    "      --marketplaces LIST  country codes, or Amazon's ids (US,CA)\n"
    "      --lookback N         the N days before today (3; 0: nothing new)\n"
    "      --ages LIST          the days so many days before today\n"
    "      --from DAY, --to DAY each of these days, unless there are settled\n"
    "                           rows of it (to yesterday)\n"
    "      --today DAY          (now in Los Angeles)\n"
    "      --now TIME           2026-11-20T08:00:00Z (the clock)\n"
    "      --min-interval S     seconds from report to report (900)\n"
    "      --max-per-day N      reports in 24 hours (96)\n"
    "      --burst N            reports at once, after a rest (4)\n"
    "      --min-age H          hours before a day is asked for anew (6)\n"
    "      --granularity WHICH  CHILD, SKU or PARENT (CHILD)\n"
    "      --help, --version\n"
    "\n"
    "example: db-query report_requests | sales-plan --lookback 3 | jq .\n";

static void *
must(void *p)
{
	if (p == NULL)
		err(EX_TEMPFAIL, NULL);
	return p;
}

static struct request *
add(struct list *list)
{
	if (list->n == list->cap) {
		list->cap = list->cap == 0 ? 64 : 2 * list->cap;
		list->v = must(realloc(list->v, list->cap * sizeof(*list->v)));
	}
	memset(&list->v[list->n], 0, sizeof(*list->v));
	return &list->v[list->n++];
}

static void
add_ask(int64_t at)
{
	if (plan.n_asks == plan.cap_asks) {
		plan.cap_asks = plan.cap_asks == 0 ? 64 : 2 * plan.cap_asks;
		plan.asks = must(
		    realloc(plan.asks, plan.cap_asks * sizeof(*plan.asks)));
	}
	plan.asks[plan.n_asks++] = at;
}

static int64_t
time_of(int field)
{
	int64_t t;

	return when_read(record[field].val, &t) ? t : 0;
}

/* Which of the marketplaces wanted it is; n_markets if none. */
static size_t
rank(const struct market *market)
{
	size_t i = 0;

	while (i < plan.n_markets && plan.markets[i] != market)
		i++;
	return i;
}

/* Whether a time of the ledger is less than so many seconds ago.  A clock may
 * have been fast when it was written; but if by more than a day, who knows when
 * that was. */
static bool
within(int64_t t, int64_t seconds)
{
	return t > plan.now - seconds && t <= plan.now + DAY;
}

/* The number at the end of a request's id; 1 if there is none. */
static long long
number_of(struct json_slice id)
{
	const char *end = id.s + id.len - 1, *p = end;
	struct json_slice digits;
	long long n = 1;

	while (p > id.s && p[-1] >= '0' && p[-1] <= '9')
		p--;
	digits.s = p;
	digits.len = (size_t)(end - p);
	return json_int(digits, 1, INT64_MAX - 1, &n) ? n : 1;
}

static bool
read_day(struct json_slice val, int64_t *day)
{
	return json_kind(val) == JSON_STRING &&
	    when_day(val.s + 1, val.len - 2, day);
}

/* How far a request has come; what is not ready by now never will be. */
static void
read_stage(struct request *r)
{
	bool not_ready = json_is(record[STATUS].val, "not_ready");

	r->stage = ASKED; /* a status that is not known: ask Amazon */
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		if (json_is(record[STATUS].val, stages[i].status))
			r->stage = stages[i].stage;
	r->planned = json_is(record[STATUS].val, "planned");
	r->failed = json_is(record[STATUS].val, "failed");
	if (not_ready && r->day < plan.today - GIVEN_UP) {
		r->stage = OVER;
		r->failed = true;
	}
}

/* Without a word it is CHILD, as sp-fetch has it. */
static bool
of_this_granularity(struct json_slice val)
{
	if (json_kind(val) == JSON_STRING)
		return json_is(val, plan.granularity);
	return strcmp(plan.granularity, "CHILD") == 0;
}

/* A request of the ledger.  Those of all marketplaces count for the quota. */
static void
take(struct nd_in *in)
{
	const struct market *market = market_read(record[MARKETPLACE].val);
	struct json_slice line = nd_line(in);
	struct request *r;
	int64_t day, asked_at = time_of(ASKED_AT);

	if (json_kind(record[ID].val) != JSON_STRING || market == NULL ||
	    !read_day(record[DATE].val, &day) ||
	    json_kind(record[STATUS].val) != JSON_STRING) {
		nd_bad(in,
		    "a report_requests needs request_id, marketplace, date and "
		    "status");
		return;
	}
	if (within(asked_at, DAY))
		add_ask(asked_at < plan.now ? asked_at : plan.now);
	if (rank(market) == plan.n_markets ||
	    !of_this_granularity(record[GRANULARITY].val))
		return;
	r = add(&plan.ledger);
	r->market = rank(market);
	r->day = day;
	r->not_before = time_of(NOT_BEFORE);
	r->asked_at = asked_at;
	r->updated_at = time_of(UPDATED_AT);
	r->n = number_of(record[ID].val);
	json_words(record[REPORT_ID].val, r->report, sizeof(r->report));
	read_stage(r);
	if (r->stage == ASKED || r->stage == TO_ASK) {
		r->line = must(malloc(line.len));
		memcpy(r->line, line.s, line.len);
		r->len = line.len;
	}
}

static int
by_time(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Amazon's bucket at a time: one report more each min_interval, up to burst. */
static double
tokens_at(int64_t t)
{
	int64_t last = plan.n_asks == 0 ? t : plan.asks[plan.n_asks - 1];
	double tokens =
	    plan.tokens + (double)(t - last) / (double)plan.min_interval;

	if (plan.n_asks == 0 || tokens > (double)plan.burst)
		return (double)plan.burst;
	return tokens;
}

static void
spend(int64_t at)
{
	plan.tokens = tokens_at(at) - 1;
	add_ask(at);
}

static void
count_asks(void)
{
	int64_t *past = plan.asks;
	size_t n = plan.n_asks;

	if (n > 0)
		qsort(past, n, sizeof(*past), by_time);
	plan.asks = NULL;
	plan.n_asks = plan.cap_asks = 0;
	for (size_t i = 0; i < n; i++)
		spend(past[i]);
	free(past);
}

/*
 * The first time that the quota has room for one more.  A backfill waits for
 * the bucket to be full, so that the daily job always finds something in it.
 */
static int64_t
next_slot(bool backfill)
{
	double need = backfill ? (double)plan.burst : 1;
	int64_t t = plan.now, free_again;

	if (plan.n_asks > 0 && plan.asks[plan.n_asks - 1] > t)
		t = plan.asks[plan.n_asks - 1];
	if (plan.n_asks >= (size_t)plan.max_per_day) {
		free_again =
		    plan.asks[plan.n_asks - (size_t)plan.max_per_day] + DAY;
		t = free_again > t ? free_again : t;
	}
	if (tokens_at(t) < need)
		t += (int64_t)((need - tokens_at(t)) *
			(double)plan.min_interval +
		    0.999);
	return t;
}

/* Day by day, of each marketplace by itself; of a day, the one that has come
 * furthest, and then the first, before the others. */
static int
by_day(const void *a, const void *b)
{
	const struct request *x = a, *y = b;

	if (x->market != y->market)
		return x->market < y->market ? -1 : 1;
	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	if (x->stage != y->stage)
		return x->stage < y->stage ? -1 : 1;
	return x->n < y->n ? -1 : x->n > y->n;
}

static bool
same_day(const struct request *x, const struct request *y)
{
	return x->market == y->market && x->day == y->day;
}

/* Where the requests for a day begin in the ledger, or would. */
static size_t
find(const struct request *day)
{
	size_t from = 0, to = plan.ledger.n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (by_day(&plan.ledger.v[middle], day) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* Whether a request for this day would only repeat what there is. */
static bool
has_it(const struct request *r)
{
	if (r->stage == ASKED || r->stage == TO_ASK)
		return true;
	if (within(r->updated_at, plan.min_age * 3600))
		return true;
	return plan.backfill && !r->failed &&
	    (r->stage != DONE || r->asked_at >= r->day * DAY + SETTLED);
}

/* Ask for a day, unless the ledger says that there is no need. */
static void
want(size_t market, int64_t day)
{
	struct request wanted = {.market = market, .day = day, .stage = ASKED};

	for (size_t i = find(&wanted); i < plan.ledger.n; i++) {
		const struct request *old = &plan.ledger.v[i];

		if (!same_day(old, &wanted))
			break;
		if (has_it(old))
			return;
		if (old->n > wanted.n) {
			wanted.n = old->n;
			memcpy(wanted.report, old->report, sizeof(old->report));
		}
	}
	wanted.stage = TO_ASK;
	wanted.planned = true;
	wanted.n++;
	*add(&plan.todo) = wanted;
}

static void
want_days(void)
{
	for (size_t i = 0; i < plan.n_markets; i++) {
		for (size_t j = 0; j < plan.n_ages; j++)
			want(i, plan.today - plan.ages[j]);
		for (int64_t d = plan.from; plan.backfill && d <= plan.to; d++)
			want(i, d);
	}
}

/* What is unfinished; but of two for a day the other is not asked for, too, and
 * what a fast clock has planned waits until its day is over. */
static void
resume(void)
{
	const struct request *last = NULL;

	for (size_t i = 0; i < plan.ledger.n; i++) {
		const struct request *old = &plan.ledger.v[i];

		if (old->stage != ASKED &&
		    (old->stage != TO_ASK || old->day >= plan.today))
			continue;
		if (old->stage == ASKED || last == NULL || !same_day(last, old))
			*add(&plan.todo) = *old;
		last = old;
	}
}

/* What Amazon has first, then the newest day, then as marketplaces are named.
 */
static int
by_turn(const void *a, const void *b)
{
	const struct request *x = a, *y = b;

	if (x->stage != y->stage)
		return x->stage < y->stage ? -1 : 1;
	if (x->day != y->day)
		return x->day > y->day ? -1 : 1;
	return by_day(x, y);
}

static void
sort(struct list *list, int (*order)(const void *, const void *))
{
	if (list->n > 0)
		qsort(list->v, list->n, sizeof(*list->v), order);
}

/* Amazon needs its time; but a plan made before is made anew. */
static bool
is_late(const struct request *r)
{
	return !r->planned && r->not_before > plan.now;
}

static bool
is_backfill(const struct request *r)
{
	return r->day < plan.today - RECENT;
}

/* Of those at once, one that waited for a full bucket has to be the first. */
static int
by_not_before(const void *a, const void *b)
{
	struct request *const *x = a, *const *y = b;

	if ((*x)->not_before != (*y)->not_before)
		return (*x)->not_before < (*y)->not_before ? -1 : 1;
	if (is_backfill(*x) != is_backfill(*y))
		return is_backfill(*x) ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

static int64_t
slot_of(const struct request *r)
{
	int64_t at = next_slot(is_backfill(r));

	return is_late(r) && r->not_before > at ? r->not_before : at;
}

/*
 * Give each request that has to be asked for its time.  One that has to wait
 * keeps none of the others waiting: it has its turn once it may.
 */
static void
schedule(struct request **ready, size_t n_ready, struct request **late,
    size_t n_late)
{
	while (n_ready > 0 || n_late > 0) {
		int64_t a = n_ready > 0 ? slot_of(*ready) : INT64_MAX;
		int64_t b = n_late > 0 ? slot_of(*late) : INT64_MAX;

		if (b <= a)
			(*late++)->at = b, n_late--;
		else
			(*ready++)->at = a, n_ready--;
		spend(b <= a ? b : a);
	}
}

static void
schedule_all(void)
{
	struct request **ready, **late;
	size_t n = plan.todo.n, n_ready = 0, n_late = 0;

	if (n == 0)
		return;
	ready = must(calloc(2 * n, sizeof(struct request *)));
	late = ready + n;
	for (size_t i = 0; i < n; i++) {
		struct request *r = &plan.todo.v[i];

		if (r->stage == TO_ASK && is_late(r))
			late[n_late++] = r;
		else if (r->stage == TO_ASK)
			ready[n_ready++] = r;
	}
	if (n_late > 0)
		qsort(late, n_late, sizeof(*late), by_not_before);
	schedule(ready, n_ready, late, n_late);
	free(ready);
}

/* A time, or null. */
static void
put_time(int64_t t)
{
	char text[WHEN_SIZE];

	nd_value_str(t == 0 ? NULL : when_text(t, text));
}

static void
put_new(const struct request *r, int64_t not_before)
{
	char day[WHEN_DAY_SIZE];

	when_day_text(r->day, day);
	nd_puts("{\"type\":\"report_requests\",\"request_id\":\"");
	nd_puts(plan.markets[r->market]->code);
	nd_puts(":");
	nd_puts(day);
	nd_puts(":");
	nd_puts(plan.granularity);
	nd_puts(":");
	nd_put_int(r->n);
	nd_puts("\"");
	nd_field_str("marketplace", plan.markets[r->market]->code);
	nd_field_str("date", day);
	nd_field_str("granularity", plan.granularity);
	nd_field_str("status", "planned");
	if (r->report[0] != '\0') /* not to be taken for the one to come */
		nd_field_str("report_id", r->report);
	nd_field_int("attempts", 0);
	nd_name("not_before");
	put_time(not_before);
	nd_name("created_at");
	put_time(plan.now);
	nd_name("updated_at");
	put_time(plan.now);
	nd_puts("}\n");
}

/* The record as it came, with another time before which not to ask. */
static void
put_again(const struct request *r, int64_t not_before)
{
	struct json_slice line = {r->line, r->len};
	struct json_iter it = json_walk(line);
	const char *comma = "{";

	while (json_next(&it)) {
		if (json_key_is(it.key, "not_before") ||
		    json_key_is(it.key, "updated_at"))
			continue;
		nd_puts(comma);
		nd_puts("\"");
		nd_put(it.key);
		nd_puts("\":");
		nd_put(it.val);
		comma = ",";
	}
	nd_name("not_before");
	put_time(not_before);
	nd_name("updated_at");
	put_time(plan.now > r->updated_at ? plan.now : r->updated_at);
	nd_puts("}\n");
}

/* What Amazon has, and what keeps its time, stays byte for byte. */
static void
put_request(const struct request *r)
{
	struct json_slice line = {r->line, r->len};
	bool now = r->at <= plan.now;
	bool as_it_was =
	    now ? r->not_before <= plan.now : r->not_before == r->at;

	if (r->line == NULL)
		put_new(r, now ? 0 : r->at);
	else if (r->stage == ASKED || as_it_was)
		nd_put_line(line);
	else
		put_again(r, now ? 0 : r->at);
}

static void
make_plan(void)
{
	count_asks();
	sort(&plan.ledger, by_day);
	resume();
	want_days();
	sort(&plan.todo, by_turn);
	schedule_all();
	for (size_t i = 0; i < plan.todo.n; i++)
		put_request(&plan.todo.v[i]);
}

/* The day that it is in Los Angeles, where Amazon's days of the US and Canada
 * are thought to end: the rule is given, since not every system has zones. */
static int64_t
today(int64_t now)
{
	time_t t = (time_t)now;
	struct tm tm;
	char text[WHEN_DAY_SIZE + 8];
	int64_t day = 0;

	if (setenv("TZ", "PST8PDT,M3.2.0,M11.1.0", 1) == -1)
		err(EX_TEMPFAIL, NULL);
	tzset();
	if (localtime_r(&t, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d", &tm) == 0 ||
	    !when_day(text, strlen(text), &day))
		errx(EX_SOFTWARE, "cannot tell what day it is");
	/* Where memory is short it is UTC, without a word. */
	if (tm.tm_gmtoff != -8 * 3600 && tm.tm_gmtoff != -7 * 3600)
		errx(EX_TEMPFAIL, "cannot tell what day it is: no memory");
	return day;
}

static long
number(const char *option, const char *text, long min, long max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < min || n > max)
		errx(EX_USAGE, "%s '%s' is no whole number from %ld to %ld",
		    option, text, min, max);
	return n;
}

static int64_t
day_option(const char *option, const char *text)
{
	int64_t day;

	if (!when_day(text, strlen(text), &day))
		errx(EX_USAGE, "%s '%s' is no day; write it as 2026-11-18",
		    option, text);
	return day;
}

static int64_t
time_option(const char *text)
{
	char quoted[64];
	struct json_slice val = {quoted, 0};
	int64_t t;

	val.len = (size_t)snprintf(quoted, sizeof(quoted), "\"%.60s\"", text);
	if (!when_read(val, &t))
		errx(EX_USAGE,
		    "--now '%s' is no time; write it as 2026-11-20T08:00:00Z",
		    text);
	return t;
}

static void
markets_option(char *list)
{
	plan.n_markets = 0;
	for (char *name = strtok(list, ","); name != NULL;
	     name = strtok(NULL, ",")) {
		const struct market *market = market_find(name);

		if (market == NULL)
			errx(EX_USAGE, "Amazon has no marketplace '%s'", name);
		if (rank(market) == plan.n_markets &&
		    plan.n_markets < MARKETS_MAX)
			plan.markets[plan.n_markets++] = market;
	}
	if (plan.n_markets == 0)
		errx(EX_USAGE, "--marketplaces names none");
}

/* Each but once, or there would be two requests for a day. */
static void
add_age(long age)
{
	for (size_t i = 0; i < plan.n_ages; i++)
		if (plan.ages[i] == age)
			return;
	plan.ages[plan.n_ages++] = age;
}

static void
ages_option(char *list)
{
	plan.n_ages = 0;
	for (char *age = strtok(list, ","); age != NULL;
	     age = strtok(NULL, ",")) {
		if (plan.n_ages == AGES_MAX)
			errx(EX_USAGE, "more than %d --ages", AGES_MAX);
		add_age(number("--ages", age, 1, 730));
	}
	if (plan.n_ages == 0)
		errx(EX_USAGE, "--ages names none");
}

static void
lookback_option(const char *text)
{
	plan.n_ages = (size_t)number("--lookback", text, 0, AGES_MAX);
	for (size_t i = 0; i < plan.n_ages; i++)
		plan.ages[i] = (long)i + 1;
}

static const char *
granularity_option(const char *text)
{
	if (strcmp(text, "SKU") == 0)
		warnx("SKU leaves out products without orders");
	else if (strcmp(text, "CHILD") != 0 && strcmp(text, "PARENT") != 0)
		errx(EX_USAGE,
		    "--granularity '%s' is none of CHILD, SKU, PARENT", text);
	return text;
}

/* Amazon has two years. */
static void
check_range(bool from, bool to)
{
	int64_t oldest = plan.today - 730;
	char text[WHEN_DAY_SIZE];

	if (to && !from)
		errx(EX_USAGE, "--to without --from");
	plan.backfill = from;
	if (!from)
		return;
	if (!to)
		plan.to = plan.today - 1;
	if (plan.from < oldest)
		errx(EX_USAGE,
		    "Amazon has two years: --from can be %s at the "
		    "earliest",
		    when_day_text(oldest, text));
	if (plan.to >= plan.today)
		errx(EX_USAGE,
		    "--to can be %s at the latest: today is not over",
		    when_day_text(plan.today - 1, text));
	if (plan.from > plan.to)
		errx(EX_USAGE, "--from is after --to");
}

/* Take an option about how often; false if it is none. */
static bool
quota_option(int c)
{
	if (c == 'i')
		plan.min_interval = number("--min-interval", optarg, 1, DAY);
	else if (c == 'x')
		plan.max_per_day = number("--max-per-day", optarg, 1, 100000);
	else if (c == 'b')
		plan.burst = number("--burst", optarg, 1, 1000);
	else if (c == 'g')
		plan.min_age = number("--min-age", optarg, 0, 8760);
	else
		return false;
	return true;
}

static void
read_options(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"marketplaces", required_argument, NULL, 'm'},
	    {"lookback", required_argument, NULL, 'l'},
	    {"ages", required_argument, NULL, 'a'},
	    {"from", required_argument, NULL, 'f'},
	    {"to", required_argument, NULL, 't'},
	    {"today", required_argument, NULL, 'd'},
	    {"now", required_argument, NULL, 'n'},
	    {"min-interval", required_argument, NULL, 'i'},
	    {"max-per-day", required_argument, NULL, 'x'},
	    {"burst", required_argument, NULL, 'b'},
	    {"min-age", required_argument, NULL, 'g'},
	    {"granularity", required_argument, NULL, 'c'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	const char *from = NULL, *to = NULL, *day = NULL;
	int c, days = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		days += strchr("laf", c) != NULL;
		if (c == 'm')
			markets_option(optarg);
		else if (c == 'l')
			lookback_option(optarg);
		else if (c == 'a')
			ages_option(optarg);
		else if (c == 'f')
			from = optarg;
		else if (c == 't')
			to = optarg;
		else if (c == 'd')
			day = optarg;
		else if (c == 'n')
			plan.now = time_option(optarg);
		else if (c == 'c')
			plan.granularity = granularity_option(optarg);
		else if (!quota_option(c))
			nd_option(c, argv, usage);
	}
	if (optind < argc)
		errx(
		    EX_USAGE, "unknown operand '%s'; see --help", argv[optind]);
	if (days > 1)
		errx(EX_USAGE, "only one of --lookback, --ages and --from");
	if (from != NULL)
		plan.n_ages = 0;
	plan.today = day == NULL ? today(plan.now) : day_option("--today", day);
	plan.from = from == NULL ? 0 : day_option("--from", from);
	plan.to = to == NULL ? 0 : day_option("--to", to);
	check_range(from != NULL, to != NULL);
}

int
main(int argc, char *argv[])
{
	char markets[] = "US,CA";
	struct nd_in *in;

	opterr = 0;
	markets_option(markets);
	lookback_option("3");
	plan.granularity = "CHILD";
	plan.now = when_now();
	plan.min_interval = 900;
	plan.max_per_day = 96;
	plan.burst = 4;
	plan.min_age = 6;
	read_options(argc, argv);

	in = nd_open(NULL);
	while (nd_read(in, record)) {
		if (json_is(record[TYPE].val, "report_requests"))
			take(in);
		else
			nd_put_line(nd_line(in));
	}
	nd_close(in);
	/* What is missing of a ledger may be the very request for a day. */
	if (!nd_cut_short())
		make_plan();

	for (size_t i = 0; i < plan.ledger.n; i++)
		free(plan.ledger.v[i].line);
	free(plan.ledger.v);
	free(plan.todo.v);
	free(plan.asks);
	return nd_finish();
}
