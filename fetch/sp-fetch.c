/*
 * sp-fetch - Sales & Traffic reports from Amazon's Selling Partner API
 *
 * Takes each request for a report as far as it comes: asks Amazon to make it,
 * asks how it is, and hands out its rows.  Several are waited for at once. Each
 * step of a request is a record, written before and after it is taken, so that
 * whoever keeps them can go on from there after any interruption: a report is
 * not asked for anew while Amazon may still have the one asked for before.
 *
 * A document is downloaded twice: first it is checked, with its checksum and
 * whether it is what was asked for, then its rows go out.  It is never held as
 * a whole, nor stored, which Amazon does not allow.
 *
 * What it does not conclude: a report without rows says nothing about sales,
 * and one that Amazon cancelled or failed to make may come out the next time.
 *
 * Facts: Amazon's model of the Reports API 2021-06-30; its pages "Usage Plans
 * and Rate Limits", "Include a User-Agent Header", "Authorizing with Login with
 * Amazon"; its schema sellerSalesAndTrafficReport.json.
 */
#include <err.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/http.h"
#include "lib/market.h"
#include "lib/ndjson.h"
#include "lib/report.h"
#include "lib/run.h"
#include "lib/spapi.h"
#include "lib/when.h"

#define REPORTS "/reports/2021-06-30"
#define ID_SIZE 128
#define DAY 86400
#define CLOCK_SLACK 300 /* seconds by which clocks may differ */
#define YOUNG 4 /* days for which "no data" may mean "not yet" */
#define NOT_READY_WAIT (4 * 3600L) /* until it is asked for again */
#define FATAL_WAIT (2 * 3600L)
#define ATTEMPTS_MAX 3 /* reports that may fail for a request */
#define QUEUED_MAX (24 * 3600L) /* then it is cancelled */
#define WORKING_MAX (48 * 3600L) /* then it is given up */
#define ASKS_MAX 8 /* times that a report is asked for in a run */
#define PAGES_MAX 10 /* of a list of reports */
#define DOWNLOADS_MAX 3 /* of a document, before it counts as broken */
#define FRESH 600 /* seconds in which Amazon may not know its own report */
/* The error of a request that is asked for again since its day is old, and
 * Amazon said that there is nothing. */
#define SECOND "a second opinion: Amazon said that there is nothing"

/* What is to be done next for a request. */
enum step {
	LOOK, /* whether Amazon has the report already */
	ASK, /* for it */
	WATCH, /* how it gets on */
	READ, /* its document */
	SETTLED /* nothing more in this run */
};

struct request {
	char *line; /* as it came */
	size_t len;
	char id[ID_SIZE], granularity[16];
	const struct market *market;
	int64_t day;

	/* What the ledger says of it, and will. */
	const char *status;
	char report_id[ID_SIZE], document_id[2 * ID_SIZE];
	char error[SPAPI_WORDS_SIZE];
	long long attempts, rows_by_asin, rows_by_date; /* -1: not known */
	int64_t not_before, asked_at, created_at, updated_at; /* 0: none */
	const char *status_before; /* it was `creating` */
	int64_t asked_before;

	enum step step;
	double at; /* when, by http_clock */
	double poll_wait, give_up_at;
	int looks, asks; /* in this run */
	bool written; /* in this run */
	bool second; /* Amazon said before that there is nothing */
	bool failed; /* Amazon's answer was that it cannot be made */
	bool strange; /* Amazon has a status for it that is not known */
};

enum {
	TYPE,
	REQUEST_ID,
	MARKETPLACE,
	DATE,
	GRANULARITY,
	STATUS,
	REPORT_ID,
	DOCUMENT_ID,
	ATTEMPTS,
	NOT_BEFORE,
	ERROR,
	ASKED_AT,
	CREATED_AT,
	UPDATED_AT
};

static struct json_field record[] = {JSON_FIELD("type"),
    JSON_FIELD("request_id"), JSON_FIELD("marketplace"), JSON_FIELD("date"),
    JSON_FIELD("granularity"), JSON_FIELD("status"), JSON_FIELD("report_id"),
    JSON_FIELD("document_id"), JSON_FIELD("attempts"), JSON_FIELD("not_before"),
    JSON_FIELD("error"), JSON_FIELD("asked_at"), JSON_FIELD("created_at"),
    JSON_FIELD("updated_at"), JSON_END};

static const char *const statuses[] = {"planned", "creating", "created",
    "IN_QUEUE", "IN_PROGRESS", "ready", "DONE", "not_ready", "CANCELLED",
    "FATAL", "no_data", "failed"};

static struct {
	double deadline, report_wait; /* seconds, by http_clock */
	double poll_wait, ask_wait; /* the first ones */
	double look_at; /* when the look began: what falls due later waits */
	struct request *requests;
	size_t n, cap;
	unsigned long later;
	long long rows;
	int status; /* the worst so far */
} sp;

static const char usage[] =
    "usage: sp-fetch [--max-wait S] [--report-wait S] <report_requests\n"
    "       sp-fetch --check\n"
    "\n"
    "Takes each of the report_requests as far as it comes, writes it at each\n"
    "step, and the rows of its report: sp_sales_by_date, sp_sales_by_asin.\n"
    "Other records are passed on.\n"
    "\n"
    "      --max-wait S     seconds for all of them (900)\n"
    "      --report-wait S  seconds that one report is waited for (600)\n"
    "      --check          test credentials and reachability\n"
    "      --help, --version\n"
    "\n"
    "SP_API_CLIENT_ID, SP_API_CLIENT_SECRET and SP_API_REFRESH_TOKEN are "
    "needed,\n"
    "from the environment or .env.\n"
    "example: sales-plan </dev/null | sp-fetch | sales-flatten\n";

static void *
must(void *p)
{
	if (p == NULL)
		err(EX_TEMPFAIL, NULL);
	return p;
}

/* Remember the status that tells most: 65 is nd_failed's. */
static void
note_status(int status)
{
	if (status > sp.status)
		sp.status = status;
}

static bool
status_is(const struct request *r, const char *status)
{
	return strcmp(r->status, status) == 0;
}

/* An id as it can stand in a URL and in a record; empty if it cannot. */
static void
read_id(char *buf, size_t size, struct json_slice val)
{
	json_words(val, buf, size);
	if (val.len >= size ||
	    strspn(buf,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789._-:") != strlen(buf))
		buf[0] = '\0';
}

/* ---- the ledger */

static bool
managed(struct json_slice key)
{
	static const char *const names[] = {"status", "report_id",
	    "document_id", "attempts", "not_before", "error", "asked_at",
	    "updated_at", "rows_by_asin", "rows_by_date"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (json_key_is(key, names[i]))
			return true;
	return false;
}

static void
put_text(const char *name, const char *text)
{
	nd_field_str(name, text[0] == '\0' ? NULL : text);
}

static void
put_time(const char *name, int64_t t)
{
	char text[WHEN_SIZE];

	nd_field_str(name, t == 0 ? NULL : when_text(t, text));
}

static void
put_count(const char *name, long long n)
{
	nd_name(name);
	if (n < 0)
		nd_value_str(NULL);
	else
		nd_put_int(n);
}

/* Write where a request stands, for whoever keeps the ledger; at once. */
static void
put_request(struct request *r)
{
	struct json_slice line = {r->line, r->len};
	struct json_iter it = json_walk(line);
	int64_t t = when_now();

	r->updated_at = t > r->updated_at ? t : r->updated_at;
	run_record("report_requests");
	while (json_next(&it)) {
		if (json_key_is(it.key, "type") || managed(it.key))
			continue;
		nd_puts(",\"");
		nd_put(it.key);
		nd_puts("\":");
		nd_put(it.val);
	}
	nd_field_str("status", r->status);
	put_text("report_id", r->report_id);
	put_text("document_id", r->document_id);
	nd_field_int("attempts", r->attempts);
	put_time("not_before", r->not_before);
	put_text("error", r->error);
	put_time("asked_at", r->asked_at);
	put_time("updated_at", r->updated_at);
	put_count("rows_by_asin", r->rows_by_asin);
	put_count("rows_by_date", r->rows_by_date);
	nd_puts("}\n");
	nd_flush();
	r->written = true;
	if (isatty(STDERR_FILENO))
		warnx("%s: %s", r->id, r->status);
}

static void
set_error(struct request *r, const char *text)
{
	snprintf(r->error, sizeof(r->error), "%s", text);
}

static void
clear_error(struct request *r)
{
	set_error(r, r->second ? SECOND : "");
}

static void
go(struct request *r, enum step step, double wait)
{
	r->step = step;
	r->at = http_clock() + wait;
}

/* Nothing more in this run; the next one takes it up again, but not before so
 * many seconds have passed. */
static void
put_off(struct request *r, const char *status, double wait)
{
	r->status = status;
	r->not_before = wait > 0 ? when_now() + (int64_t)(wait + 0.999) : 0;
	put_request(r);
	r->step = SETTLED;
	sp.later++;
	note_status(EX_TEMPFAIL);
}

/* Write a request as it came. */
static void
put_as_it_came(struct request *r)
{
	struct json_slice line = {r->line, r->len};

	nd_put_line(line);
	run_count(1);
	r->written = true;
	r->step = SETTLED;
}

/* For good: by Amazon's word, or because nothing has helped. */
static void
fail(struct request *r)
{
	warnx("%s: %s", r->id, r->error);
	r->status = "failed";
	r->not_before = 0;
	put_request(r);
	r->step = SETTLED;
	nd_failed();
}

/* ---- a look whether Amazon has a report already */

/* Since when a report could have been asked for that the ledger does not know
 * of.  Whoever plans anew what was never asked for writes it anew. */
static int64_t
look_from(const struct request *r)
{
	int64_t t = when_now(), from = r->updated_at;

	if (from == 0)
		return t - DAY;
	if (status_is(r, "planned") && r->asked_at == 0 && r->created_at != 0 &&
	    r->created_at < from)
		from = r->created_at;
	from = (from < t ? from : t) - CLOCK_SLACK;
	/* What was there when it was last asked for is of the time before. */
	if (!status_is(r, "creating") && r->asked_at > from)
		from = r->asked_at < t ? r->asked_at : t;
	return from;
}

static bool
known_id(struct json_slice id)
{
	for (size_t i = 0; i < sp.n; i++)
		if (json_is(id, sp.requests[i].report_id))
			return true;
	return false;
}

static void
begin_watch(struct request *r, double wait)
{
	r->poll_wait = sp.poll_wait;
	r->give_up_at = http_clock() + sp.report_wait;
	go(r, WATCH, wait);
}

/* Let the request that a report was made for, if there is one, have it. */
static void
adopt(struct json_slice report)
{
	struct json_field p[] = {JSON_FIELD("reportId"),
	    JSON_FIELD("reportType"), JSON_FIELD("createdTime"),
	    JSON_FIELD("marketplaceIds"), JSON_FIELD("dataStartTime"),
	    JSON_FIELD("dataEndTime"), JSON_END};
	struct json_error e;

	if (!json_scan(report, p, &e) || !json_is(p[1].val, REPORT_TYPE) ||
	    known_id(p[0].val))
		return;
	for (size_t i = 0; i < sp.n; i++) {
		struct request *r = &sp.requests[i];

		if (r->step != LOOK || spapi_time(p[2].val) < look_from(r) ||
		    !report_holds(p[3].val, r->market->id) ||
		    !report_day_is(p[4].val, r->day) ||
		    !report_day_is(p[5].val, r->day))
			continue;
		read_id(r->report_id, sizeof(r->report_id), p[0].val);
		if (r->report_id[0] == '\0')
			continue;
		warnx("%s: report %s was asked for before; going on with it",
		    r->id, r->report_id);
		r->asked_at = spapi_time(p[2].val);
		r->attempts += !status_is(r, "creating");
		r->status = "created";
		r->document_id[0] = '\0';
		r->not_before = 0;
		clear_error(r);
		put_request(r);
		begin_watch(r, 0);
		return;
	}
}

/* An answer of 200 that is none. */
static _Noreturn void
stop_for_nonsense(enum spapi_op op, struct http_res *res)
{
	res->outcome = HTTP_BROKEN;
	snprintf(res->why, sizeof(res->why), "not the answer expected");
	spapi_stop(op, res);
}

/* Take a page of reports; the token of the next one, or empty. */
static void
take_page(struct http_res *res, char *next, size_t size)
{
	struct json_field top[] = {
	    JSON_FIELD("reports"), JSON_FIELD("nextToken"), JSON_END};
	struct json_slice body = {res->body, res->len};
	struct json_error e;
	struct json_iter it;
	size_t n = 0;

	next[0] = '\0';
	if (!json_scan(body, top, &e) || json_kind(top[0].val) != JSON_ARRAY ||
	    top[1].val.len >= size)
		stop_for_nonsense(SPAPI_GET_REPORTS, res);
	it = json_walk(top[0].val);
	while (json_next(&it))
		adopt(it.val);
	if (json_kind(top[1].val) == JSON_STRING) {
		n = json_text(top[1].val, next);
		next[n] = '\0';
	}
}

/* Whether a request waits for a look at the reports of a marketplace now. */
static bool
looks_in(const struct request *r, const struct market *market)
{
	return r->step == LOOK && r->market == market && r->at <= sp.look_at;
}

/* Since when reports for them may be there.  Amazon keeps them for 90 days and
 * takes no time before. */
static int64_t
look_since(const struct market *market)
{
	int64_t since = when_now(), oldest = since - 89 * DAY;

	for (size_t i = 0; i < sp.n; i++)
		if (looks_in(&sp.requests[i], market) &&
		    look_from(&sp.requests[i]) < since)
			since = look_from(&sp.requests[i]);
	return since < oldest ? oldest : since;
}

static void
list_url(char *url, const struct market *market, const char *next)
{
	char since[WHEN_SIZE];
	bool fits;

	spapi_url(url, market, REPORTS "/reports", "");
	if (next[0] != '\0') /* which has to stand alone */
		fits = http_param(url, SPAPI_URL_SIZE, "nextToken", next);
	else
		fits = http_param(
			   url, SPAPI_URL_SIZE, "reportTypes", REPORT_TYPE) &&
		    http_param(
			url, SPAPI_URL_SIZE, "marketplaceIds", market->id) &&
		    http_param(url, SPAPI_URL_SIZE, "pageSize", "100") &&
		    http_param(url, SPAPI_URL_SIZE, "createdSince",
			when_text(look_since(market), since));
	if (!fits)
		errx(EX_CONFIG, "SP_API_URL is too long");
}

static void
look_later(const struct market *market, double wait)
{
	for (size_t i = 0; i < sp.n; i++)
		if (looks_in(&sp.requests[i], market))
			go(&sp.requests[i], LOOK, wait);
}

/* What was looked for and not found can be asked for; but what may still be on
 * its way is looked for once more. */
static void
end_look(const struct market *market)
{
	int64_t t = when_now();

	for (size_t i = 0; i < sp.n; i++) {
		struct request *r = &sp.requests[i];

		if (!looks_in(r, market))
			continue;
		if (status_is(r, "creating") && ++r->looks < 2 &&
		    t - r->asked_at < FRESH)
			go(r, LOOK, sp.ask_wait);
		else
			go(r, ASK, 0);
	}
}

/* Have a page of the list; false if that has to wait. */
static bool
get_page(const struct market *market, const char *next, struct http_res *res)
{
	char url[SPAPI_URL_SIZE];
	double wait;

	while ((wait = spapi_spend(SPAPI_GET_REPORTS)) > 0) {
		if (next[0] == '\0' || wait > spapi_time_left()) {
			look_later(market, wait);
			return false;
		}
		http_sleep(wait);
	}
	list_url(url, market, next);
	*res = spapi_call(SPAPI_GET_REPORTS, market, url, NULL, NULL);
	if (res->outcome != HTTP_LATER)
		return true;
	wait = spapi_said(spapi_interval(SPAPI_GET_REPORTS));
	if (res->status == 429)
		spapi_block(SPAPI_GET_REPORTS, wait);
	look_later(market, wait);
	return false;
}

/* Look for the reports of all requests of a marketplace that wait for it. */
static void
look(const struct market *market)
{
	char next[SPAPI_URL_SIZE / 4] = "";
	struct http_res res;
	int pages = 0;

	sp.look_at = http_clock();
	do {
		if (!get_page(market, next, &res))
			return;
		if (res.outcome != HTTP_OK)
			spapi_stop(SPAPI_GET_REPORTS, &res);
		take_page(&res, next, sizeof(next));
	} while (next[0] != '\0' && ++pages < PAGES_MAX);
	end_look(market);
}

/* ---- asking for a report */

static void
make_body(const struct request *r, char *body, size_t size)
{
	char day[WHEN_DAY_SIZE];

	when_day_text(r->day, day);
	snprintf(body, size,
	    "{\"reportType\":\"" REPORT_TYPE "\",\"marketplaceIds\":[\"%s\"],"
	    "\"dataStartTime\":\"%sT00:00:00Z\","
	    "\"dataEndTime\":\"%sT23:59:59Z\",\"reportOptions\":"
	    "{\"dateGranularity\":\"DAY\",\"asinGranularity\":\"%s\"}}",
	    r->market->id, day, day, r->granularity);
}

/* The report is Amazon's now. */
static void
take_report(struct request *r, const struct http_res *res)
{
	struct json_field parts[] = {JSON_FIELD("reportId"), JSON_END};
	struct json_slice body = {res->body, res->len};
	struct json_error e;

	r->report_id[0] = r->document_id[0] = '\0';
	if (json_scan(body, parts, &e))
		read_id(r->report_id, sizeof(r->report_id), parts[0].val);
	if (r->report_id[0] == '\0') { /* but which? */
		warnx("%s: createReport's answer gives no reportId", r->id);
		r->looks = 0;
		go(r, LOOK, sp.ask_wait);
		return;
	}
	r->status = "created";
	put_request(r);
	begin_watch(r, sp.poll_wait);
}

/* What was not asked for after all is as it was before. */
static void
take_back(struct request *r)
{
	r->attempts--;
	r->status = r->status_before;
	r->asked_at = r->asked_before;
}

/* Amazon's quota is used up: it is left for this run, or for a later one. */
static void
wait_for_quota(struct request *r)
{
	double wait = spapi_said(sp.ask_wait);

	if (sp.ask_wait < 900)
		sp.ask_wait *= 2;
	spapi_block(SPAPI_CREATE_REPORT, wait);
	take_back(r);
	if (wait > spapi_time_left()) {
		set_error(r, "Amazon's quota is used up");
		put_off(r, r->status, wait);
		return;
	}
	put_request(r);
	go(r, ASK, wait);
}

/* createReport failed: what now? */
static void
take_refusal(struct request *r, const struct http_res *res)
{
	char words[SPAPI_WORDS_SIZE];

	if (res->status == 429) {
		wait_for_quota(r);
		return;
	}
	spapi_words(res, words);
	if (res->ambiguous && !spapi_refused(res)) {
		warnx("%s: %s: looking whether Amazon has it all the same",
		    r->id, words);
		r->looks = 0;
		go(r, LOOK, sp.ask_wait / 6);
		return;
	}
	set_error(r, words);
	if (res->status == 400) {
		fail(r);
		return;
	}
	take_back(r);
	put_request(r);
	spapi_stop(SPAPI_CREATE_REPORT, res);
}

/* It is said before it is done, so that nobody asks a second time. */
static void
begin_asking(struct request *r)
{
	if (!status_is(r, "creating")) {
		r->status_before = r->status;
		r->asked_before = r->asked_at;
		r->attempts++;
	}
	r->status = "creating";
	r->asked_at = when_now();
	r->not_before = 0;
	clear_error(r);
	put_request(r);
}

static void
ask(struct request *r)
{
	char url[SPAPI_URL_SIZE], body[1024];
	struct http_res res;
	double wait;

	if (r->asks++ == ASKS_MAX) {
		put_off(r, r->status, sp.ask_wait);
		return;
	}
	if ((wait = spapi_spend(SPAPI_CREATE_REPORT)) > 0) {
		r->asks--;
		go(r, ASK, wait);
		return;
	}
	begin_asking(r);
	spapi_url(url, r->market, REPORTS "/reports", "");
	make_body(r, body, sizeof(body));
	res = spapi_call(SPAPI_CREATE_REPORT, r->market, url, NULL, body);
	if (res.outcome == HTTP_OK)
		take_report(r, &res);
	else
		take_refusal(r, &res);
}

/* ---- how it gets on */

/* There is nothing in it: not yet, or not at all.  A second opinion is asked
 * for before that is believed. */
static void
take_nothing(struct request *r, const char *why)
{
	int64_t age = when_now() / DAY - r->day;

	set_error(r, why);
	if (age < YOUNG) {
		put_off(r, "not_ready", NOT_READY_WAIT);
	} else if (!r->second) {
		put_off(r, "CANCELLED", NOT_READY_WAIT);
	} else {
		r->status = "no_data";
		put_request(r);
		r->step = SETTLED;
	}
}

/* Amazon could not make it; it may the next time. */
static void
take_fatal(struct request *r)
{
	if (strstr(r->error, "not yet available") != NULL) {
		put_off(r, "not_ready", NOT_READY_WAIT);
	} else if (r->attempts >= ATTEMPTS_MAX &&
	    strcmp(r->status_before, "not_ready") != 0) {
		fail(r);
	} else {
		warnx("%s: %s; it is tried again later", r->id, r->error);
		put_off(r, "FATAL", FATAL_WAIT * (double)r->attempts);
	}
}

/* It has been in the queue for too long: make room for another. */
static void
cancel(struct request *r)
{
	char url[SPAPI_URL_SIZE];
	struct http_res res;

	if (spapi_spend(SPAPI_CANCEL_REPORT) > 0)
		return;
	spapi_url(url, r->market, REPORTS "/reports/", r->report_id);
	res = spapi_call(SPAPI_CANCEL_REPORT, r->market, url, "DELETE", NULL);
	if (spapi_refused(&res))
		spapi_stop(SPAPI_CANCEL_REPORT, &res);
	if (res.outcome != HTTP_OK)
		return; /* it has left the queue, then */
	set_error(r, "cancelled by us, after 24 hours in Amazon's queue");
	if (r->attempts >= ATTEMPTS_MAX)
		fail(r);
	else
		put_off(r, "planned", 0);
}

static void
watch_again(struct request *r)
{
	int64_t age = when_now() - r->asked_at;

	if (status_is(r, "IN_QUEUE") && r->asked_at != 0 && age > QUEUED_MAX)
		cancel(r);
	if (r->step == SETTLED)
		return;
	if (status_is(r, "IN_PROGRESS") && r->asked_at != 0 &&
	    age > WORKING_MAX) {
		set_error(r, "in progress for 48 hours");
		take_fatal(r);
		return;
	}
	go(r, WATCH, r->poll_wait);
	r->poll_wait *= 1.5;
	if (r->poll_wait > 60)
		r->poll_wait = 60;
}

/* Amazon does not know the report: it keeps them for 90 days. */
static void
take_unknown_report(struct request *r, const struct http_res *res)
{
	spapi_words(res, r->error);
	if (r->asks > 1) {
		take_fatal(r); /* two reports in a run are enough */
		return;
	}
	warnx("%s: report %s: %s", r->id, r->report_id, r->error);
	if (r->attempts >= ATTEMPTS_MAX) {
		fail(r);
		return;
	}
	r->report_id[0] = r->document_id[0] = '\0';
	r->status = "planned";
	put_request(r);
	go(r, ASK, 0);
}

static void
take_status(struct request *r, struct json_slice status, bool document)
{
	char words[64];

	if (json_is(status, "DONE") && document) {
		r->status = "ready";
		r->failed = false;
		clear_error(r);
		put_request(r);
		go(r, READ, 0);
	} else if (json_is(status, "DONE")) {
		take_nothing(r, "done, without a document");
	} else if (json_is(status, "CANCELLED")) {
		take_nothing(r, "cancelled by Amazon: no data, or not yet");
	} else if (json_is(status, "FATAL")) {
		r->failed = true;
		set_error(r, "failed at Amazon, which does not say why");
		if (document)
			go(r, READ, 0);
		else
			take_fatal(r);
	} else {
		const char *next =
		    json_is(status, "IN_QUEUE") ? "IN_QUEUE" : "IN_PROGRESS";

		if (!json_is(status, next) && !r->strange) {
			json_words(status, words, sizeof(words));
			warnx("%s: a status that is not known: '%s'", r->id,
			    words);
			r->strange = true;
		}
		if (!status_is(r, next)) {
			r->status = next;
			put_request(r);
		}
		watch_again(r);
	}
}

/* The document's id, or none; false if there is one that cannot be used. */
static bool
read_document_id(struct request *r, struct json_slice val)
{
	read_id(r->document_id, sizeof(r->document_id), val);
	return json_kind(val) <= JSON_NULL || r->document_id[0] != '\0';
}

static void
watch(struct request *r)
{
	struct json_field parts[] = {JSON_FIELD("processingStatus"),
	    JSON_FIELD("reportDocumentId"), JSON_END};
	char url[SPAPI_URL_SIZE];
	struct http_res res;
	struct json_slice body;
	struct json_error e;
	double wait;

	if ((wait = spapi_spend(SPAPI_GET_REPORT)) > 0) {
		go(r, WATCH, wait);
		return;
	}
	spapi_url(url, r->market, REPORTS "/reports/", r->report_id);
	res = spapi_call(SPAPI_GET_REPORT, r->market, url, NULL, NULL);
	body.s = res.body;
	body.len = res.len;
	if (res.outcome == HTTP_OK) {
		if (!json_scan(body, parts, &e) ||
		    json_kind(parts[0].val) != JSON_STRING ||
		    !read_document_id(r, parts[1].val))
			stop_for_nonsense(SPAPI_GET_REPORT, &res);
		take_status(r, parts[0].val, r->document_id[0] != '\0');
	} else if (res.outcome == HTTP_LATER) {
		if (res.status == 429)
			spapi_block(SPAPI_GET_REPORT, spapi_said(1));
		watch_again(r);
	} else if (res.status == 404 && when_now() - r->asked_at < FRESH) {
		watch_again(r);
	} else if (res.status == 404 || res.status == 400) {
		take_unknown_report(r, &res);
	} else {
		spapi_stop(SPAPI_GET_REPORT, &res);
	}
}

/* ---- documents */

/* Whether a URL may be followed: to Amazon's store; or to loopback, where the
 * API itself is said to be on loopback. */
static bool
trusted(const struct market *market, const char *url)
{
	if (spapi_is_local(market))
		return http_is_local(url);
	return http_is_within(url, "amazonaws.com");
}

/* Where Amazon's answer says that the document is; false if nowhere. */
static bool
read_location(const struct http_res *res, char *location, size_t size)
{
	struct json_field parts[] = {JSON_FIELD("url"), JSON_END};
	struct json_slice body = {res->body, res->len};
	struct json_error e;
	size_t n;

	if (!json_scan(body, parts, &e) ||
	    json_kind(parts[0].val) != JSON_STRING || parts[0].val.len >= size)
		return false;
	n = json_text(parts[0].val, location);
	location[n] = '\0';
	return strlen(location) == n; /* or there is a NUL within it */
}

static void drop_document(struct request *, const char *why);

/* Ask where the document is; false if that has to wait, or has failed. */
static bool
find_document(struct request *r, char *location, size_t size)
{
	char url[SPAPI_URL_SIZE];
	struct http_res res;
	double wait = spapi_spend(SPAPI_GET_DOCUMENT);

	if (wait > 0) {
		go(r, READ, wait);
		return false;
	}
	spapi_url(url, r->market, REPORTS "/documents/", r->document_id);
	res = spapi_call(SPAPI_GET_DOCUMENT, r->market, url, NULL, NULL);
	if (res.outcome == HTTP_LATER) {
		wait = spapi_said(spapi_interval(SPAPI_GET_DOCUMENT));
		if (res.status == 429)
			spapi_block(SPAPI_GET_DOCUMENT, wait);
		go(r, READ, wait);
		return false;
	}
	if (res.status == 404 || res.status == 400) {
		take_unknown_report(r, &res);
		return false;
	}
	if (res.outcome != HTTP_OK)
		spapi_stop(SPAPI_GET_DOCUMENT, &res);
	if (!read_location(&res, location, size))
		stop_for_nonsense(SPAPI_GET_DOCUMENT, &res);
	if (trusted(r->market, location))
		return true;
	drop_document(r, "it is said to be where Amazon keeps none");
	return false;
}

/* The same in the middle of a document, when it is this or nothing. */
static bool
find_again(struct request *r, char *location, size_t size)
{
	while (!find_document(r, location, size)) {
		if (r->step != READ || r->at > sp.deadline)
			return false;
		http_sleep(r->at - http_clock());
	}
	return true;
}

static void
begin_reading(void *arg)
{
	report_again(arg);
}

static bool
take_bytes(void *arg, const char *data, size_t len)
{
	return report_feed(arg, data, len);
}

/* What is wrong with a document after a download, or NULL; and whether it is
 * the network that failed, and not the document. */
static const char *
download(struct report *doc, const char *location, bool *network)
{
	static char words[SPAPI_WORDS_SIZE];
	struct http_req req = {.url = location,
	    .raw = true,
	    .begin = begin_reading,
	    .take = take_bytes,
	    .arg = doc,
	    .once = true,
	    .max_time = spapi_time_left() + 1};
	struct http_res res;

	report_again(doc);
	res = spapi_get(&req);
	/* 403: the URL is too old, or the store will not give it now. */
	*network = res.outcome == HTTP_LATER || res.status == 403;
	if (res.status == 200 && !*network && report_why(doc) != NULL)
		return report_why(doc);
	if (res.outcome == HTTP_OK)
		return res.status == 200 ? NULL : "no answer that is one";
	snprintf(words, sizeof(words), "%s", res.why);
	return words;
}

/* The document of a report that failed says why. */
static void
read_reason(struct request *r)
{
	static const struct report_ask whatever;
	char location[SPAPI_URL_SIZE], words[SPAPI_WORDS_SIZE - 32];
	struct report *doc;
	bool network;

	if (!find_document(r, location, sizeof(location)))
		return;
	doc = report_begin(&whatever, r->report_id, "");
	download(doc, location, &network);
	report_reason(doc, words, sizeof(words));
	if (words[0] != '\0')
		snprintf(
		    r->error, sizeof(r->error), "failed at Amazon: %s", words);
	take_fatal(r);
}

/* What a whole document came to. */
static void
take_document(struct request *r, const struct report *doc)
{
	r->rows_by_asin = doc->by_asin;
	r->rows_by_date = doc->by_date;
	if (doc->by_asin == 0 && doc->by_date == 0) {
		take_nothing(r, "the report is empty");
		return;
	}
	r->status = "DONE";
	set_error(r, "");
	put_request(r);
	r->step = SETTLED;
}

/* The document of a report that is not what was asked for, though Amazon said
 * so: it is of another app, perhaps. */
static void
drop_report(struct request *r, const char *mismatch)
{
	char words[SPAPI_WORDS_SIZE];

	snprintf(words, sizeof(words),
	    "report %s is not what was asked for: %s", r->report_id, mismatch);
	set_error(r, words);
	if (r->asks > 1) {
		take_fatal(r); /* two reports in a run are enough */
		return;
	}
	warnx("%s: %s", r->id, words);
	if (r->attempts >= ATTEMPTS_MAX) {
		fail(r);
		return;
	}
	r->status = "planned";
	put_request(r);
	go(r, ASK, 0);
}

/* The document is broken, each time. */
static void
drop_document(struct request *r, const char *why)
{
	char words[SPAPI_WORDS_SIZE];

	snprintf(words, sizeof(words), "the document of report %s: %.200s",
	    r->report_id, why);
	set_error(r, words);
	note_status(EX_PROTOCOL);
	take_fatal(r);
}

/* The document cannot be reached: it is Amazon's still, and is read in a later
 * run; unless that has gone on for too long. */
static void
read_later(struct request *r, const char *why)
{
	char words[SPAPI_WORDS_SIZE];

	if (r->asked_at != 0 && when_now() - r->asked_at > WORKING_MAX) {
		drop_document(r, why);
		return;
	}
	snprintf(words, sizeof(words),
	    "the document of report %s cannot be reached: %.200s", r->report_id,
	    why);
	set_error(r, words);
	put_off(r, "ready", 0);
}

/* A download came to nothing: whether there is another try, and from where. */
static bool
try_again(struct request *r, int failures, bool network, const char *why,
    char *location, size_t size)
{
	double wait = network ? sp.poll_wait * failures : 0;
	bool more =
	    failures < DOWNLOADS_MAX && (!network || wait < spapi_time_left());

	warnx("%s: the document of report %s: %s%s", r->id, r->report_id, why,
	    more ? "; trying again" : "");
	if (more) {
		http_sleep(wait);
		return find_again(r, location, size);
	}
	if (network)
		read_later(r, why);
	else
		drop_document(r, why);
	return false;
}

/*
 * The first time the document is checked, the second time its rows go out: so
 * none of a damaged one ever does.
 */
static void
read_twice(struct request *r, struct report *doc, char *location, size_t size)
{
	int failures = 0;
	bool checked = false, network;
	const char *why;

	for (;;) {
		why = download(doc, location, &network);
		if (why != NULL) {
			if (!try_again(
				r, ++failures, network, why, location, size))
				return;
		} else if (doc->mismatch != NULL) {
			drop_report(r, doc->mismatch);
			return;
		} else if (checked) {
			take_document(r, doc);
			return;
		} else {
			report_let_out(doc);
			checked = true;
		}
	}
}

static void
read_document(struct request *r)
{
	struct report_ask wanted = {r->market, r->day, r->granularity};
	char location[SPAPI_URL_SIZE], now[WHEN_SIZE];
	struct report *doc;

	if (!find_document(r, location, sizeof(location)))
		return;
	doc = report_begin(&wanted, r->report_id, when_text(when_now(), now));
	read_twice(r, doc, location, sizeof(location));
	run_count(doc->out);
	sp.rows += doc->out;
}

/* ---- all of them */

/* Amazon may have it, or it has to be looked for first. */
static void
first_step(struct request *r)
{
	double wait = (double)(r->not_before - when_now());
	bool there = r->report_id[0] != '\0';

	if (status_is(r, "DONE") || status_is(r, "no_data") ||
	    status_is(r, "failed"))
		put_as_it_came(r);
	else if (there && status_is(r, "ready") && r->document_id[0] != '\0')
		go(r, READ, 0);
	else if (there &&
	    (status_is(r, "created") || status_is(r, "ready") ||
		status_is(r, "IN_QUEUE") || status_is(r, "IN_PROGRESS")))
		begin_watch(r, 0);
	else
		go(r, LOOK, r->not_before == 0 || wait < 0 ? 0 : wait);
}

static struct request *
next_request(void)
{
	struct request *next = NULL;

	for (size_t i = 0; i < sp.n; i++)
		if (sp.requests[i].step != SETTLED &&
		    (next == NULL || sp.requests[i].at < next->at))
			next = &sp.requests[i];
	return next;
}

/* There is no time for its next step in this run. */
static void
leave(struct request *r)
{
	if (r->step == ASK) {
		put_off(r, r->status, r->at - http_clock());
		return;
	}
	if (!r->written)
		put_as_it_came(r);
	sp.later++;
	note_status(EX_TEMPFAIL);
	r->step = SETTLED;
}

static void
take_step(struct request *r)
{
	switch (r->step) {
	case LOOK:
		look(r->market);
		break;
	case ASK:
		ask(r);
		break;
	case WATCH:
		watch(r);
		break;
	case READ:
		if (r->failed)
			read_reason(r);
		else
			read_document(r);
		break;
	case SETTLED:
		break;
	}
}

static void
put_usage(const char *started)
{
	char id[96], done[WHEN_SIZE];

	snprintf(id, sizeof(id), "%s-1", run_id());
	run_record("api_usage_log");
	nd_field_str("usage_id", id);
	nd_field_str("service", "sp-api");
	nd_field_int("asins_processed", (long long)sp.rows);
	nd_field_int("requests", (long long)spapi_calls());
	nd_field_str("processing_started_at", started);
	nd_field_str("processing_completed_at", when_text(when_now(), done));
	nd_puts("}\n");
}

static void
fetch(void)
{
	char started[WHEN_SIZE];
	struct request *r;
	double wait;

	when_text(when_now(), started);
	run_begin("sp-fetch");
	for (size_t i = 0; i < sp.n; i++)
		first_step(&sp.requests[i]);
	while ((r = next_request()) != NULL) {
		wait = r->at - http_clock();
		if (r->at > sp.deadline ||
		    (r->step == WATCH && r->at > r->give_up_at)) {
			leave(r);
			continue;
		}
		if (wait > 0)
			http_sleep(wait);
		take_step(r);
	}
	if (sp.later > 0)
		warnx("%lu of %zu reports are left for a later run", sp.later,
		    sp.n);
	put_usage(started);
	if (!nd_cut_short())
		run_end();
}

static const char *
known_status(struct json_slice val)
{
	if (json_kind(val) <= JSON_NULL)
		return "planned";
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (json_is(val, statuses[i]))
			return statuses[i];
	return NULL;
}

static bool
read_day(struct json_slice val, int64_t *day)
{
	return json_kind(val) == JSON_STRING &&
	    when_day(val.s + 1, val.len - 2, day);
}

/* What is wrong with the request at hand, or NULL once r is filled. */
static const char *
read_request(struct request *r)
{
	memset(r, 0, sizeof(*r));
	json_words(record[REQUEST_ID].val, r->id, sizeof(r->id));
	if (r->id[0] == '\0' || record[REQUEST_ID].val.len >= sizeof(r->id))
		return "a report_requests needs a request_id";
	if ((r->market = market_read(record[MARKETPLACE].val)) == NULL)
		return "a marketplace that Amazon does not have";
	if (!read_day(record[DATE].val, &r->day))
		return "date is no day";
	snprintf(r->granularity, sizeof(r->granularity), "CHILD");
	if (json_kind(record[GRANULARITY].val) > JSON_NULL)
		json_words(record[GRANULARITY].val, r->granularity,
		    sizeof(r->granularity));
	if (strcmp(r->granularity, "CHILD") != 0 &&
	    strcmp(r->granularity, "SKU") != 0 &&
	    strcmp(r->granularity, "PARENT") != 0)
		return "granularity is none of CHILD, SKU, PARENT";
	if ((r->status = known_status(record[STATUS].val)) == NULL)
		return "a status that is not known";
	read_id(r->report_id, sizeof(r->report_id), record[REPORT_ID].val);
	read_id(
	    r->document_id, sizeof(r->document_id), record[DOCUMENT_ID].val);
	json_int(record[ATTEMPTS].val, 0, 1000, &r->attempts);
	when_read(record[NOT_BEFORE].val, &r->not_before);
	json_words(record[ERROR].val, r->error, sizeof(r->error));
	r->second = status_is(r, "CANCELLED") || strcmp(r->error, SECOND) == 0;
	when_read(record[ASKED_AT].val, &r->asked_at);
	when_read(record[CREATED_AT].val, &r->created_at);
	when_read(record[UPDATED_AT].val, &r->updated_at);
	r->rows_by_asin = r->rows_by_date = -1;
	r->status_before = "planned";
	return NULL;
}

/* The request of the same id that came before, or else a new one. */
static struct request *
place_of(const struct request *r)
{
	for (size_t i = 0; i < sp.n; i++)
		if (strcmp(sp.requests[i].id, r->id) == 0)
			return &sp.requests[i];
	if (sp.n == sp.cap) {
		sp.cap = sp.cap == 0 ? 64 : 2 * sp.cap;
		sp.requests =
		    must(realloc(sp.requests, sp.cap * sizeof(*sp.requests)));
	}
	memset(&sp.requests[sp.n], 0, sizeof(*sp.requests));
	return &sp.requests[sp.n++];
}

/* Of a request that comes several times, the newest record holds. */
static void
take(struct nd_in *in)
{
	struct json_slice line = nd_line(in);
	struct request r, *place;
	const char *why = read_request(&r);

	if (why != NULL) {
		nd_bad(in, "%s", why);
		return;
	}
	place = place_of(&r);
	if (place->line != NULL && place->updated_at > r.updated_at)
		return;
	free(place->line);
	*place = r;
	place->line = must(malloc(line.len));
	memcpy(place->line, line.s, line.len);
	place->len = line.len;
}

static void
read_records(void)
{
	struct nd_in *in = nd_open(NULL);

	while (nd_read(in, record)) {
		if (json_is(record[TYPE].val, "report_requests"))
			take(in);
		else if (!json_is(record[TYPE].val, "run") &&
		    !json_is(record[TYPE].val, "end"))
			nd_put_line(nd_line(in));
	}
	nd_close(in);
}

/* ---- how the API is: a health_checks record */

/* False if the answer is none. */
static bool
read_participations(const struct http_res *res, char *detail, size_t size)
{
	struct json_field top[] = {JSON_FIELD("payload"), JSON_END};
	struct json_field place[] = {JSON_FIELD("countryCode"), JSON_END};
	struct json_field part[] = {JSON_FIELD("isParticipating"), JSON_END};
	struct json_field both[] = {JSON_SUB("marketplace", place),
	    JSON_SUB("participation", part), JSON_END};
	struct json_slice body = {res->body, res->len};
	struct json_error e;
	struct json_iter it;
	char code[8];

	snprintf(detail, size, "takes part in:");
	if (!json_scan(body, top, &e) || json_kind(top[0].val) != JSON_ARRAY)
		return false;
	it = json_walk(top[0].val);
	while (json_next(&it)) {
		size_t len = strlen(detail);

		if (!json_scan(it.val, both, &e) || part[0].val.s == NULL ||
		    *part[0].val.s != 't')
			continue;
		json_words(place[0].val, code, sizeof(code));
		if (strstr(detail, code) == NULL)
			snprintf(detail + len, size - len, " %s", code);
	}
	return true;
}

static double check_began;

static void
put_refusal(const char *why)
{
	run_health("sp-api", check_began, false, why);
}

/* Whether reports of this type can be had: that takes a role of its own. */
static struct http_res
check_role(const struct market *market)
{
	char url[SPAPI_URL_SIZE];

	spapi_url(url, market, REPORTS "/reports", "");
	if (!http_param(url, sizeof(url), "reportTypes", REPORT_TYPE) ||
	    !http_param(url, sizeof(url), "pageSize", "1"))
		errx(EX_CONFIG, "SP_API_URL is too long");
	return spapi_call(SPAPI_GET_REPORTS, market, url, NULL, NULL);
}

static _Noreturn void
check(void)
{
	const struct market *market = market_find("US");
	char url[SPAPI_URL_SIZE], detail[600];
	struct http_res res;

	check_began = http_clock();
	spapi_on_stop(put_refusal);
	spapi_url(url, market, "/sellers/v1/marketplaceParticipations", "");
	res = spapi_call(SPAPI_PARTICIPATIONS, market, url, NULL, NULL);
	if (res.outcome != HTTP_OK)
		spapi_words(&res, detail);
	else if (!read_participations(&res, detail, sizeof(detail)))
		stop_for_nonsense(SPAPI_PARTICIPATIONS, &res);
	if (res.outcome == HTTP_OK && spapi_spend(SPAPI_GET_REPORTS) == 0) {
		res = check_role(market);
		if (res.outcome != HTTP_OK)
			spapi_stop(SPAPI_GET_REPORTS, &res);
	}
	run_health("sp-api", check_began, res.outcome == HTTP_OK, detail);
	run_stop(http_status(&res));
}

static void
read_settings(void)
{
	spapi_open(sp.deadline);
	sp.poll_wait =
	    (double)conf_number("SP_POLL_MS", 1, 600000, 2000) / 1000;
	sp.ask_wait =
	    (double)conf_number("SP_ASK_MS", 1, 3600000, 60000) / 1000;
}

static bool
read_options(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"max-wait", required_argument, NULL, 'w'},
	    {"report-wait", required_argument, NULL, 'r'},
	    {"check", no_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	bool checks = false;
	double max_wait = 900;
	int c;

	opterr = 0;
	sp.report_wait = 600;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'w')
			max_wait = http_seconds("--max-wait", optarg);
		else if (c == 'r')
			sp.report_wait = http_seconds("--report-wait", optarg);
		else if (c == 'k')
			checks = true;
		else
			nd_option(c, argv, usage);
	}
	if (optind < argc)
		errx(
		    EX_USAGE, "unknown operand '%s'; see --help", argv[optind]);
	sp.deadline = http_clock() + max_wait;
	return checks;
}

/* The exit status: what was bad in the input, or else what became of it. */
static int
finish(void)
{
	int status = nd_finish();

	return status == EX_IOERR || status > sp.status ? status : sp.status;
}

int
main(int argc, char *argv[])
{
	bool checks = read_options(argc, argv);

	read_settings();
	if (checks)
		check();
	read_records();
	fetch();

	spapi_close();
	report_free();
	for (size_t i = 0; i < sp.n; i++)
		free(sp.requests[i].line);
	free(sp.requests);
	conf_free();
	return finish();
}
