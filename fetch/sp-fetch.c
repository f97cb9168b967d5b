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
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/gunzip.h"
#include "lib/http.h"
#include "lib/market.h"
#include "lib/ndjson.h"
#include "lib/run.h"
#include "lib/split.h"
#include "lib/when.h"

#define REPORT_TYPE "GET_SALES_AND_TRAFFIC_REPORT"
#define REPORTS "/reports/2021-06-30"
#define URL_SIZE 4096
#define HEADER_SIZE 4096
#define WORDS_SIZE 400 /* of what the other side says, in messages */
#define ID_SIZE 128
#define DAY 86400
#define CLOCK_SLACK 300 /* seconds by which clocks may differ */
#define YOUNG 4 /* days for which "no data" may mean "not yet" */
#define NOT_READY_WAIT (4 * 3600L) /* until it is asked for again */
#define FATAL_WAIT (2 * 3600L)
#define ATTEMPTS_MAX 3 /* reports that may fail for a request */
#define QUEUED_MAX (24 * 3600L) /* then it is cancelled */
#define WORKING_MAX (48 * 3600L) /* then it is given up */
#define PAGES_MAX 10 /* of a list of reports */
#define DOWNLOADS_MAX 3 /* of a document, before it counts as broken */
#define FATAL_TEXT_MAX 8192 /* bytes of a document that says what went wrong \
			     */

/* Amazon's operations, with the rates that its model gives: requests a second,
 * and how many at once after a rest. */
enum op { CREATE, POLL, LIST, DOCUMENT, CANCEL, SELLERS, OPS };

static const struct {
	const char *name;
	double rate, burst;
} limits[OPS] = {{"createReport", 0.0167, 15}, {"getReport", 2, 15},
    {"getReports", 0.0222, 10}, {"getReportDocument", 0.0167, 15},
    {"cancelReport", 0.0222, 10}, {"getMarketplaceParticipations", 0.016, 15}};

/* What is left of a rate, for all runs that share the file: by the clock. */
struct bucket {
	double tokens, rate, at;
	double blocked_until; /* Amazon has said no */
};

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
	const char *status, *before; /* static; before it was `creating` */
	char report_id[ID_SIZE], document_id[2 * ID_SIZE];
	char error[WORDS_SIZE];
	long long attempts, rows_by_asin, rows_by_date; /* -1: not known */
	int64_t not_before, asked_at, updated_at; /* 0: none */

	enum step step;
	double at; /* when, by http_clock */
	double poll_wait, give_up_at;
	int looks, asks; /* in this run */
	bool failed; /* Amazon's answer was that it cannot be made */
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
	ASKED_AT,
	UPDATED_AT
};

static struct json_field record[] = {JSON_FIELD("type"),
    JSON_FIELD("request_id"), JSON_FIELD("marketplace"), JSON_FIELD("date"),
    JSON_FIELD("granularity"), JSON_FIELD("status"), JSON_FIELD("report_id"),
    JSON_FIELD("document_id"), JSON_FIELD("attempts"), JSON_FIELD("not_before"),
    JSON_FIELD("asked_at"), JSON_FIELD("updated_at"), JSON_END};

static const char *const statuses[] = {"planned", "creating", "created",
    "IN_QUEUE", "IN_PROGRESS", "ready", "DONE", "not_ready", "CANCELLED",
    "FATAL", "no_data", "failed"};

/* A document that is being read. */
struct document {
	struct request *of; /* NULL: of a file */
	const char *report_id;
	char fetched_at[WHEN_SIZE];
	bool checking; /* else its rows go out */
	const struct market *market;
	int64_t from, to; /* days, as the document says */
	bool days; /* its byDate is by day */
	const char *mismatch; /* how it is not what was asked for, or NULL */
	bool specified;
	long long by_asin, by_date; /* elements so far */
	long long out; /* rows that have gone out, of both */
	long long refused;
};

static struct {
	double began, deadline, report_wait; /* seconds, by http_clock */
	double poll_wait, ask_wait; /* the first ones */
	const char *lwa_url, *client_id, *client_secret;
	char agent[HEADER_SIZE];
	struct http *http;
	struct gunzip *gunzip;
	struct split *split;
	int state; /* the file of the buckets */

	char token[3][HEADER_SIZE]; /* by region: x-amz-access-token: ... */
	double token_until[3];

	struct request *requests;
	size_t n, cap;
	struct document doc;
	char text[FATAL_TEXT_MAX + 1]; /* of a document that is kept */
	size_t text_len;
	unsigned long calls, rows, later, failed;
	int status; /* the worst so far */
} sp;

static const char usage[] =
    "usage: sp-fetch [--max-wait S] [--report-wait S] <report_requests\n"
    "       sp-fetch --document FILE...\n"
    "       sp-fetch --check\n"
    "\n"
    "Takes each of the report_requests as far as it comes, writes it at each\n"
    "step, and the rows of its report: sp_sales_by_date, sp_sales_by_asin.\n"
    "Other records are passed on.\n"
    "\n"
    "      --max-wait S     seconds for all of them (900)\n"
    "      --report-wait S  seconds that one report is waited for (600)\n"
    "      --document       the rows of saved documents instead\n"
    "      --check          test credentials and reachability\n"
    "      --help, --version\n"
    "\n"
    "SP_API_CLIENT_ID, SP_API_CLIENT_SECRET and SP_API_REFRESH_TOKEN are "
    "needed,\n"
    "from the environment or .env.\n"
    "example: sales-plan --lookback 3 </dev/null | sp-fetch | sales-flatten\n";

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

/* The text of a slice, as printable ASCII, cut to fit. */
static void
read_words(char *buf, size_t size, struct json_slice val)
{
	char text[4096];
	size_t n = val.len < sizeof(text) ? json_text(val, text) : 0;

	n = n < size ? n : size - 1;
	for (size_t i = 0; i < n; i++)
		buf[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	buf[n] = '\0';
}

/* An id as it can stand in a URL and in a record; empty if it cannot. */
static void
read_id(char *buf, size_t size, struct json_slice val)
{
	read_words(buf, size, val);
	if (val.len >= size ||
	    strspn(buf,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789._-:") != strlen(buf))
		buf[0] = '\0';
}

/* ---- the rates, which all runs share */

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
open_state(void)
{
	const char *path = conf_or("SP_API_STATE", "sp-api.state");

	sp.state = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (sp.state == -1)
		err(EX_IOERR, "cannot open '%s'", path);
}

/* The buckets as the file has them.  What it does not have, or not rightly, is
 * a bucket of which nothing is known: a few requests are tried. */
static void
read_buckets(struct bucket b[OPS])
{
	char text[2048], name[64], *line, *rest = text;
	ssize_t n = pread(sp.state, text, sizeof(text) - 1, 0);
	struct bucket r;

	text[n > 0 ? n : 0] = '\0';
	for (int op = 0; op < OPS; op++)
		b[op] =
		    (struct bucket){limits[op].burst < 4 ? limits[op].burst : 4,
			limits[op].rate, now(), 0};
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (sscanf(line, "%63s %lf %lf %lf %lf", name, &r.tokens,
			&r.rate, &r.at, &r.blocked_until) != 5 ||
		    !(r.rate > 0 && r.rate <= 1000))
			continue;
		for (int op = 0; op < OPS; op++)
			if (strcmp(name, limits[op].name) == 0)
				b[op] = r;
	}
}

static void
write_buckets(const struct bucket b[OPS])
{
	char text[2048];
	int n = 0;

	for (int op = 0; op < OPS; op++)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
		    "%s %.4f %.6g %.3f %.3f\n", limits[op].name, b[op].tokens,
		    b[op].rate, b[op].at, b[op].blocked_until);
	if (pwrite(sp.state, text, (size_t)n, 0) != n ||
	    ftruncate(sp.state, n) == -1)
		err(EX_IOERR, "cannot write the state of the rates");
}

/* Lock the file and read it, each bucket filled up to now. */
static void
begin_buckets(struct bucket b[OPS])
{
	double t = now();

	while (flock(sp.state, LOCK_EX) == -1)
		if (errno != EINTR)
			err(EX_IOERR, "cannot lock the state of the rates");
	read_buckets(b);
	for (int op = 0; op < OPS; op++) {
		double passed = t - b[op].at;

		/* A clock that was set back, or far forward by mistake. */
		if (b[op].blocked_until > t + DAY)
			b[op].blocked_until = 0;
		b[op].tokens += passed > 0 ? passed * b[op].rate : 0;
		if (b[op].tokens > limits[op].burst)
			b[op].tokens = limits[op].burst;
		b[op].at = t;
	}
}

static void
end_buckets(const struct bucket b[OPS])
{
	write_buckets(b);
	flock(sp.state, LOCK_UN);
}

/* Take a request's worth from a bucket, and return 0; or how many seconds to
 * wait until there is one. */
static double
spend(enum op op)
{
	struct bucket b[OPS];
	double wait;

	begin_buckets(b);
	wait = (1 - b[op].tokens) / b[op].rate;
	if (b[op].blocked_until - b[op].at > wait)
		wait = b[op].blocked_until - b[op].at;
	if (wait <= 0)
		b[op].tokens -= 1;
	end_buckets(b);
	return wait > 0 ? wait : 0;
}

/* Amazon has said no: for so many seconds, nobody asks. */
static void
block(enum op op, double seconds)
{
	struct bucket b[OPS];

	begin_buckets(b);
	b[op].tokens = 0;
	b[op].blocked_until = b[op].at + seconds;
	end_buckets(b);
}

/* Answers say what the rate is, if it is not the usual one. */
static void
learn_rate(enum op op, const struct http_res *res)
{
	const char *text = http_header(sp.http, "x-amzn-RateLimit-Limit");
	double rate = text == NULL ? 0 : strtod(text, NULL);
	struct bucket b[OPS];

	if (res->status == 429 || !(rate > 0 && rate <= 1000))
		return;
	begin_buckets(b);
	b[op].rate = rate;
	end_buckets(b);
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
	if (isatty(STDERR_FILENO))
		warnx("%s: %s", r->id, r->status);
}

static void
set_error(struct request *r, const char *text)
{
	snprintf(r->error, sizeof(r->error), "%s", text);
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

/* For good: by Amazon's word, or because nothing has helped. */
static void
fail(struct request *r)
{
	warnx("%s: %s", r->id, r->error);
	r->status = "failed";
	r->not_before = 0;
	put_request(r);
	r->step = SETTLED;
	sp.failed++;
	nd_failed();
}

/* ---- requests to Amazon */

static int
region(const struct market *market)
{
	return strcmp(market->region, "NA") == 0 ? 0
	    : strcmp(market->region, "EU") == 0  ? 1
						 : 2;
}

static const char *
base_url(const struct market *market)
{
	static const char *const urls[] = {
	    "https://sellingpartnerapi-na.amazon.com",
	    "https://sellingpartnerapi-eu.amazon.com",
	    "https://sellingpartnerapi-fe.amazon.com"};

	return conf_or("SP_API_URL", urls[region(market)]);
}

static const char *
refresh_token(const struct market *market)
{
	char name[64];
	const char *token;

	snprintf(name, sizeof(name), "SP_API_REFRESH_TOKEN_%s", market->region);
	token = conf_get(name);
	return token != NULL ? token
			     : conf_need("SP_API_REFRESH_TOKEN",
				   "what Amazon gave when you authorized the "
				   "app for your seller account");
}

/* Put stars over what nobody is to see in the other side's words. */
static void
hide(char *words)
{
	static const char *const names[] = {"SP_API_REFRESH_TOKEN",
	    "SP_API_REFRESH_TOKEN_NA", "SP_API_REFRESH_TOKEN_EU",
	    "SP_API_REFRESH_TOKEN_FE"};
	const char *secret;

	conf_hide(words, sp.client_secret);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((secret = conf_get(names[i])) != NULL)
			conf_hide(words, secret);
	for (int i = 0; i < 3; i++)
		if ((secret = strchr(sp.token[i], ' ')) != NULL)
			conf_hide(words, secret + 1);
}

/* End the run: what is done so far is written, and no `end`. */
static _Noreturn void
stop(int status)
{
	run_stop(status);
}

/* What each error of Login with Amazon asks of the user. */
static const struct {
	const char *error, *advice;
	int status;
} lwa_errors[] = {
    {"invalid_client",
	"the client id or secret is wrong, or the secret has expired (it has "
	"to be renewed every 180 days): look at the app's LWA credentials and "
	"set SP_API_CLIENT_ID and SP_API_CLIENT_SECRET",
	EX_NOPERM},
    {"invalid_grant",
	"the refresh token was revoked, or belongs to another app or region: "
	"authorize the app again and set SP_API_REFRESH_TOKEN",
	EX_NOPERM},
    {"unauthorized_client",
	"the app may not do this: look at its roles and its state in the "
	"developer console",
	EX_NOPERM},
    {"access_denied",
	"the seller or Amazon denies the app access: authorize it again",
	EX_NOPERM},
    {"invalid_scope", "the app has no such scope: authorize it again",
	EX_NOPERM},
    {"invalid_request",
	"a setting is malformed: look at SP_API_CLIENT_ID, "
	"SP_API_CLIENT_SECRET and SP_API_REFRESH_TOKEN",
	EX_CONFIG},
    {"unsupported_grant_type", "LWA_URL is not Login with Amazon's",
	EX_PROTOCOL},
    {"server_error", "try again later", EX_TEMPFAIL},
    {"temporarily_unavailable", "try again later", EX_TEMPFAIL}};

/* Login with Amazon gave no token: say why, and what to do, and end. */
static _Noreturn void
stop_for_lwa(const struct http_res *res)
{
	struct json_field parts[] = {
	    JSON_FIELD("error"), JSON_FIELD("error_description"), JSON_END};
	struct json_slice body = {res->body, res->len};
	struct json_error e;
	char error[WORDS_SIZE] = "", more[WORDS_SIZE] = "";

	if (json_scan(body, parts, &e)) {
		read_words(error, sizeof(error), parts[0].val);
		read_words(more, sizeof(more), parts[1].val);
		hide(error);
		hide(more);
	}
	for (size_t i = 0; i < sizeof(lwa_errors) / sizeof(lwa_errors[0]); i++)
		if (strcmp(error, lwa_errors[i].error) == 0) {
			warnx("Login with Amazon: %s (%s): %s", error, more,
			    lwa_errors[i].advice);
			stop(lwa_errors[i].status);
		}
	if (res->outcome == HTTP_REFUSED && error[0] != '\0')
		warnx("Login with Amazon: %s (%s)", error, more);
	else
		warnx("Login with Amazon: %s%s", res->why,
		    res->outcome == HTTP_LATER ? "; try again later" : "");
	stop(error[0] != '\0' && res->status >= 400 && res->status < 500 &&
		    res->outcome != HTTP_LATER
		? EX_NOPERM
		: http_status(res));
}

static double
time_left(void)
{
	double left = sp.deadline - http_clock();

	return left > 0 ? left : 0;
}

/* Take the token out of Login with Amazon's answer. */
static void
take_token(int region, struct http_res *res)
{
	struct json_field parts[] = {
	    JSON_FIELD("access_token"), JSON_FIELD("expires_in"), JSON_END};
	struct json_slice body = {res->body, res->len};
	struct json_error e;
	char token[HEADER_SIZE - 64];
	long long seconds = 3600;
	size_t n;

	if (res->outcome != HTTP_OK)
		stop_for_lwa(res);
	if (!json_scan(body, parts, &e) || parts[0].val.len >= 3000 ||
	    (n = json_text(parts[0].val, token)) == 0) {
		res->outcome = HTTP_BROKEN;
		snprintf(res->why, sizeof(res->why), "not the answer expected");
		stop_for_lwa(res);
	}
	token[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (token[i] <= ' ' || token[i] > '~')
			errx(EX_PROTOCOL,
			    "Login with Amazon: a token that "
			    "cannot stand in a header");
	json_int(parts[1].val, 1, DAY, &seconds);
	snprintf(
	    sp.token[region], HEADER_SIZE, "x-amz-access-token: %s", token);
	sp.token_until[region] = http_clock() + (double)seconds - 60;
}

/* Have a token for the region of a marketplace. */
static void
need_token(const struct market *market)
{
	const char *const headers[] = {
	    "Content-Type: application/x-www-form-urlencoded;charset=UTF-8",
	    sp.agent, NULL};
	char form[3 * HEADER_SIZE] = "";
	struct http_req req = {.url = sp.lwa_url,
	    .headers = headers,
	    .body = form + 1,
	    .max_wait = time_left()};
	int i = region(market);
	struct http_res res;

	if (sp.token[i][0] != '\0' && http_clock() < sp.token_until[i])
		return;
	if (!http_param(form, sizeof(form), "grant_type", "refresh_token") ||
	    !http_param(
		form, sizeof(form), "refresh_token", refresh_token(market)) ||
	    !http_param(form, sizeof(form), "client_id", sp.client_id) ||
	    !http_param(form, sizeof(form), "client_secret", sp.client_secret))
		errx(EX_CONFIG, "the SP_API_ settings are too long");
	req.len = strlen(form + 1);
	sp.calls++;
	res = http_do(sp.http, &req);
	take_token(i, &res);
}

/* What Amazon says is wrong: the first of its errors. */
static void
read_error(const struct http_res *res, char *words, size_t size)
{
	struct json_field top[] = {JSON_FIELD("errors"), JSON_END};
	struct json_field parts[] = {JSON_FIELD("code"), JSON_FIELD("message"),
	    JSON_FIELD("details"), JSON_END};
	struct json_slice body = {res->body, res->len};
	const char *id = http_header(sp.http, "x-amzn-RequestId");
	char text[3][WORDS_SIZE / 4] = {"", "", ""};
	struct json_error e;
	struct json_iter it;

	if (json_scan(body, top, &e)) {
		it = json_walk(top[0].val);
		if (json_next(&it) && json_scan(it.val, parts, &e))
			for (int i = 0; i < 3; i++)
				read_words(
				    text[i], sizeof(text[i]), parts[i].val);
	}
	snprintf(words, size, "%s%s%s%s%s%s", res->why,
	    text[0][0] == '\0' ? "" : ": ", text[0],
	    text[1][0] == '\0' ? "" : ": ", text[1],
	    text[2][0] == '\0' ? "" : " ");
	snprintf(words + strlen(words), size - strlen(words), "%s%s%.60s%s",
	    text[2], id == NULL ? "" : " (request ", id == NULL ? "" : id,
	    id == NULL ? "" : ")");
	for (char *p = words; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	hide(words);
}

/* http_do's question how long a 429 wants to be waited for: not by it, for
 * other reports can be seen to meanwhile. */
static double
wants(struct http *h, void *arg, const struct http_res *res)
{
	(void)h;
	(void)arg;
	return res->status == 429 ? 2 * DAY : -1;
}

static bool
token_expired(const struct http_res *res)
{
	return res->status == 403 && strstr(res->body, "expired") != NULL &&
	    strstr(res->body, "secret") == NULL;
}

static void
make_url(
    char *url, const struct market *market, const char *path, const char *id)
{
	if (snprintf(url, URL_SIZE, "%s%s%s", base_url(market), path, id) >=
	    URL_SIZE)
		errx(EX_CONFIG, "SP_API_URL is too long");
}

/*
 * One call of an operation.  A token that has expired in the meantime is
 * renewed, once.  Without credentials that work the run is over: 77.
 */
static struct http_res
call(enum op op, const struct market *market, const char *url,
    const char *method, const char *body)
{
	int i = region(market);
	const char *const headers[] = {sp.token[i], sp.agent,
	    "Accept: application/json",
	    body == NULL ? NULL : "Content-Type: application/json", NULL};
	struct http_req req = {.url = url,
	    .headers = headers,
	    .method = method,
	    .body = body,
	    .len = body == NULL ? 0 : strlen(body),
	    .wants = wants,
	    .once = op == CREATE,
	    .max_wait = time_left() < 60 ? time_left() : 60};
	struct http_res res;

	for (int tries = 0;; tries++) {
		need_token(market);
		sp.calls++;
		res = http_do(sp.http, &req);
		if (tries > 0 || !token_expired(&res))
			break;
		sp.token[i][0] = '\0';
	}
	learn_rate(op, &res);
	return res;
}

static bool
refused(const struct http_res *res)
{
	return res->status == 401 || res->status == 403;
}

/* No credentials, no role, or not what answers there. */
static _Noreturn void
stop_for(enum op op, const struct http_res *res)
{
	char words[WORDS_SIZE];
	const char *advice = "";

	read_error(res, words, sizeof(words));
	if (strstr(res->body, "secret") != NULL)
		advice = ": the client secret has expired; renew it in the "
			 "developer console and set SP_API_CLIENT_SECRET";
	else if (res->status == 403)
		advice = ": is the Brand Analytics role there, and was the app "
			 "authorized again since? Is it the right region?";
	else if (res->outcome == HTTP_LATER)
		advice = "; try again later";
	warnx("Amazon: %s: %s%s", limits[op].name, words, advice);
	stop(http_status(res));
}

/* The seconds that an answer of 429 asks for, or else so many. */
static double
retry_after(double otherwise)
{
	const char *text = http_header(sp.http, "Retry-After");
	double seconds = text == NULL ? 0 : strtod(text, NULL);

	return seconds > 0 && seconds <= DAY ? seconds : otherwise;
}

/* ---- a look whether Amazon has a report already */

/* A time as Amazon writes it: with Z, or an offset of none; 0 if it is none. */
static int64_t
read_time(struct json_slice val)
{
	char text[64];
	struct json_slice z = {text, val.len};
	int64_t t;

	if (json_kind(val) != JSON_STRING || val.len >= sizeof(text))
		return 0;
	memcpy(text, val.s, val.len);
	if (val.len > 8 && memcmp(text + val.len - 7, "+00:00\"", 7) == 0) {
		memcpy(text + val.len - 7, "Z\"", 2);
		z.len -= 5;
	}
	return when_read(z, &t) ? t : 0;
}

static bool
day_is(struct json_slice val, int64_t day)
{
	int64_t its;

	return json_kind(val) == JSON_STRING && val.len >= 12 &&
	    when_day(val.s + 1, 10, &its) && its == day;
}

/* Since when a report could have been asked for that the ledger does not know
 * of: it was planned then, or failed. */
static int64_t
look_from(const struct request *r)
{
	return r->updated_at == 0 ? when_now() - DAY
				  : r->updated_at - CLOCK_SLACK;
}

static bool
holds(struct json_slice list, const char *id)
{
	struct json_iter it = json_walk(list);

	while (json_next(&it))
		if (json_is(it.val, id))
			return true;
	return false;
}

static bool
known_id(struct json_slice id)
{
	for (size_t i = 0; i < sp.n; i++)
		if (json_is(id, sp.requests[i].report_id))
			return true;
	return false;
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

		if (r->step != LOOK || r->looks < 0 ||
		    read_time(p[2].val) < look_from(r) ||
		    !holds(p[3].val, r->market->id) ||
		    !day_is(p[4].val, r->day) || !day_is(p[5].val, r->day))
			continue;
		read_id(r->report_id, sizeof(r->report_id), p[0].val);
		if (r->report_id[0] == '\0')
			continue;
		warnx("%s: report %s was asked for before; going on with it",
		    r->id, r->report_id);
		r->asked_at = read_time(p[2].val);
		r->attempts += strcmp(r->status, "creating") != 0;
		r->status = "created";
		r->document_id[0] = '\0';
		r->not_before = 0;
		put_request(r);
		go(r, WATCH, 0);
		return;
	}
}

/* Take a page of reports; the token of the next one, or empty. */
static void
take_page(const struct http_res *res, char *next, size_t size)
{
	struct json_field top[] = {
	    JSON_FIELD("reports"), JSON_FIELD("nextToken"), JSON_END};
	struct json_slice body = {res->body, res->len};
	struct json_error e;
	struct json_iter it;
	size_t n = 0;

	next[0] = '\0';
	if (!json_scan(body, top, &e)) {
		warnx("Amazon: getReports: column %zu: %s", e.column, e.why);
		stop(EX_PROTOCOL);
	}
	it = json_walk(top[0].val);
	while (json_next(&it))
		adopt(it.val);
	if (json_kind(top[1].val) == JSON_STRING && top[1].val.len < size) {
		n = json_text(top[1].val, next);
		next[n] = '\0';
	}
}

/* The requests of a region, and since when their reports may be there. */
static int64_t
looked_for(const struct market *market, char *ids, size_t size)
{
	int64_t since = when_now();

	ids[0] = '\0';
	for (size_t i = 0; i < sp.n; i++) {
		const struct request *r = &sp.requests[i];
		size_t len = strlen(ids);

		if (r->step != LOOK || region(r->market) != region(market))
			continue;
		if (look_from(r) < since)
			since = look_from(r);
		if (strstr(ids, r->market->id) == NULL)
			snprintf(ids + len, size - len, "%s%s",
			    len == 0 ? "" : ",", r->market->id);
	}
	/* Amazon keeps them for 90 days and takes no time before. */
	if (since < when_now() - 89 * DAY)
		since = when_now() - 89 * DAY;
	return since;
}

static void
list_url(char *url, const struct market *market, const char *next)
{
	char ids[512], since[WHEN_SIZE];
	bool fits;

	make_url(url, market, REPORTS "/reports", "");
	if (next[0] != '\0') { /* which has to stand alone */
		fits = http_param(url, URL_SIZE, "nextToken", next);
	} else {
		when_text(looked_for(market, ids, sizeof(ids)), since);
		fits = http_param(url, URL_SIZE, "reportTypes", REPORT_TYPE) &&
		    http_param(url, URL_SIZE, "marketplaceIds", ids) &&
		    http_param(url, URL_SIZE, "pageSize", "100") &&
		    http_param(url, URL_SIZE, "createdSince", since);
	}
	if (!fits)
		errx(EX_CONFIG, "SP_API_URL is too long");
}

static void
leave_all(enum step step, const struct market *market, double wait)
{
	for (size_t i = 0; i < sp.n; i++)
		if (sp.requests[i].step == step &&
		    region(sp.requests[i].market) == region(market))
			go(&sp.requests[i], step, wait);
}

/* After a look, all that was looked for and not found can be asked for. */
static void
end_look(const struct market *market)
{
	for (size_t i = 0; i < sp.n; i++) {
		struct request *r = &sp.requests[i];

		if (r->step != LOOK || region(r->market) != region(market))
			continue;
		/* What may be on its way is looked for once more. */
		if (strcmp(r->status, "creating") == 0 && ++r->looks < 2)
			go(r, LOOK, sp.ask_wait);
		else
			go(r, ASK, 0);
	}
}

/* Look for the reports of all requests of a region that wait for it. */
static void
look(struct request *r)
{
	const struct market *market = r->market;
	char url[URL_SIZE], next[URL_SIZE / 2] = "";
	struct http_res res;
	double wait;

	for (int page = 0; page < PAGES_MAX; page++) {
		if ((wait = spend(LIST)) > 0 && wait > time_left())
			break;
		http_sleep(wait > 0 ? wait : 0);
		if (wait > 0)
			spend(LIST);
		list_url(url, market, next);
		res = call(LIST, market, url, NULL, NULL);
		if (res.status == 429) {
			block(LIST, retry_after(1 / limits[LIST].rate));
			leave_all(LOOK, market, 1 / limits[LIST].rate);
			return;
		}
		if (res.outcome != HTTP_OK)
			stop_for(LIST, &res);
		take_page(&res, next, sizeof(next));
		if (next[0] == '\0')
			break;
	}
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
		go(r, LOOK, sp.ask_wait);
		return;
	}
	r->status = "created";
	put_request(r);
	r->poll_wait = sp.poll_wait;
	r->give_up_at = http_clock() + sp.report_wait;
	go(r, WATCH, r->poll_wait);
}

/* What was not asked for after all is as it was before. */
static void
take_back(struct request *r)
{
	r->attempts--;
	r->status = r->before;
}

/* Amazon's quota is used up: it is left for this run, or for a later one. */
static void
wait_for_quota(struct request *r)
{
	double wait = retry_after(sp.ask_wait);

	if (sp.ask_wait < 900)
		sp.ask_wait *= 2;
	block(CREATE, wait);
	take_back(r);
	set_error(r, "");
	if (wait > time_left()) {
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
	char words[WORDS_SIZE];

	if (res->status == 429) {
		wait_for_quota(r);
		return;
	}
	read_error(res, words, sizeof(words));
	if (res->ambiguous && !refused(res)) {
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
	stop_for(CREATE, res);
}

static void
ask(struct request *r)
{
	char url[URL_SIZE], body[1024];
	struct http_res res;
	double wait = spend(CREATE);

	if (wait > 0 && wait > time_left()) {
		put_off(r, r->status, wait);
		return;
	}
	if (wait > 0 || ++r->asks > ATTEMPTS_MAX) {
		if (wait > 0)
			go(r, ASK, wait);
		else
			put_off(r, r->status, sp.ask_wait);
		return;
	}
	need_token(r->market);
	if (strcmp(r->status, "creating") != 0) {
		r->before = r->status;
		r->attempts++;
	}
	r->status = "creating";
	r->asked_at = when_now();
	r->not_before = 0;
	put_request(r);
	make_url(url, r->market, REPORTS "/reports", "");
	make_body(r, body, sizeof(body));
	res = call(CREATE, r->market, url, NULL, body);
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
	} else if (r->attempts < 2) {
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
	} else if (r->attempts >= ATTEMPTS_MAX) {
		fail(r);
	} else {
		warnx("%s: %s; it is tried again later", r->id, r->error);
		sp.failed++;
		put_off(r, "FATAL", FATAL_WAIT * (double)r->attempts);
	}
}

/* It has been in the queue for too long: make room for another. */
static void
cancel(struct request *r)
{
	char url[URL_SIZE];
	struct http_res res;

	if (spend(CANCEL) > 0)
		return;
	make_url(url, r->market, REPORTS "/reports/", r->report_id);
	res = call(CANCEL, r->market, url, "DELETE", NULL);
	if (refused(&res))
		stop_for(CANCEL, &res);
	if (res.outcome != HTTP_OK)
		return; /* it has left the queue, then */
	set_error(r, "cancelled by us, after 24 hours in Amazon's queue");
	put_off(r, "planned", 0);
}

static void
watch_again(struct request *r)
{
	int64_t age = when_now() - r->asked_at;

	if (strcmp(r->status, "IN_QUEUE") == 0 && r->asked_at != 0 &&
	    age > QUEUED_MAX)
		cancel(r);
	if (r->step == SETTLED)
		return;
	if (strcmp(r->status, "IN_PROGRESS") == 0 && r->asked_at != 0 &&
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
	read_error(res, r->error, sizeof(r->error));
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
		set_error(r, "");
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

		if (!json_is(status, next)) {
			read_words(words, sizeof(words), status);
			warnx("%s: a status that is not known: '%s'", r->id,
			    words);
		}
		if (strcmp(r->status, next) != 0) {
			r->status = next;
			put_request(r);
		}
		watch_again(r);
	}
}

static void
watch(struct request *r)
{
	struct json_field parts[] = {JSON_FIELD("processingStatus"),
	    JSON_FIELD("reportDocumentId"), JSON_END};
	char url[URL_SIZE];
	struct http_res res;
	struct json_slice body;
	struct json_error e;
	double wait;

	if ((wait = spend(POLL)) > 0) {
		go(r, WATCH, wait);
		return;
	}
	make_url(url, r->market, REPORTS "/reports/", r->report_id);
	res = call(POLL, r->market, url, NULL, NULL);
	body.s = res.body;
	body.len = res.len;
	if (res.outcome == HTTP_OK && json_scan(body, parts, &e) &&
	    json_kind(parts[0].val) == JSON_STRING) {
		read_id(r->document_id, sizeof(r->document_id), parts[1].val);
		take_status(r, parts[0].val, r->document_id[0] != '\0');
	} else if (res.status == 404 || res.status == 400) {
		take_unknown_report(r, &res);
	} else if (res.outcome == HTTP_LATER) {
		if (res.status == 429)
			block(POLL, retry_after(1));
		watch_again(r);
	} else {
		if (res.outcome == HTTP_OK) {
			res.outcome = HTTP_BROKEN;
			snprintf(res.why, sizeof(res.why),
			    "not the answer expected");
		}
		stop_for(POLL, &res);
	}
}

/* ---- documents */

static bool
granularity_is(struct json_slice options, const char *asin)
{
	struct json_field p[] = {JSON_FIELD("dateGranularity"),
	    JSON_FIELD("asinGranularity"), JSON_END};
	struct json_error e;

	return json_scan(options, p, &e) && json_is(p[0].val, "DAY") &&
	    json_is(p[1].val, asin);
}

/* What the document says that it is; how that is not what was asked for. */
static const char *
compare(const struct request *r, const struct json_field *p)
{
	if (!json_is(p[0].val, REPORT_TYPE))
		return "it is of another type";
	if (!granularity_is(p[1].val, r->granularity))
		return "it is of another granularity";
	if (!day_is(p[2].val, r->day) || !day_is(p[3].val, r->day))
		return "it is of another day";
	if (!holds(p[4].val, r->market->id))
		return "it is of another marketplace";
	return NULL;
}

static void
take_specification(struct json_slice val)
{
	struct json_field p[] = {JSON_FIELD("reportType"),
	    JSON_FIELD("reportOptions"), JSON_FIELD("dataStartTime"),
	    JSON_FIELD("dataEndTime"), JSON_FIELD("marketplaceIds"), JSON_END};
	struct document *d = &sp.doc;
	char id[64] = "";
	struct json_error e;
	struct json_iter it;

	d->specified = true;
	if (!json_scan(val, p, &e)) {
		d->mismatch = "its reportSpecification makes no sense";
		return;
	}
	if (d->of != NULL) {
		d->mismatch = compare(d->of, p);
		return;
	}
	it = json_walk(p[4].val);
	if (json_next(&it))
		read_words(id, sizeof(id), it.val);
	d->market = market_find(id);
	d->days = granularity_is(p[1].val, "CHILD") ||
	    granularity_is(p[1].val, "SKU") ||
	    granularity_is(p[1].val, "PARENT");
	if (!json_is(p[0].val, REPORT_TYPE))
		d->mismatch = "it is of another type";
	else if (d->market == NULL)
		d->mismatch = "it is of no marketplace that is known";
	else if (p[2].val.len < 12 || p[3].val.len < 12 ||
	    !when_day(p[2].val.s + 1, 10, &d->from) ||
	    !when_day(p[3].val.s + 1, 10, &d->to))
		d->mismatch = "it does not say of which days it is";
}

static void
put_row(const char *type, const char *date, struct json_slice data)
{
	run_record(type);
	nd_field_str("marketplace", sp.doc.market->code);
	nd_field_str("date", date);
	nd_field_str("report_id", sp.doc.report_id);
	nd_field_str("fetched_at", sp.doc.fetched_at);
	nd_field("data", data);
	nd_puts("}\n");
	sp.rows++;
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
	return day >= sp.doc.from && day <= sp.doc.to;
}

/* A row on its way out.  What another try has let out is not said again. */
static void
put_element(bool by_asin, struct json_slice row)
{
	struct document *d = &sp.doc;
	char date[WHEN_DAY_SIZE];
	struct json_error e;

	if (d->by_asin + d->by_date <= d->out)
		return;
	d->out++;
	if (!json_valid(row, &e)) {
		warnx("report %s: a row of %s: column %zu: %s", d->report_id,
		    by_asin ? "byAsin" : "byDate", e.column, e.why);
	} else if (by_asin && d->from == d->to) {
		put_row("sp_sales_by_asin", when_day_text(d->from, date), row);
		return;
	} else if (!by_asin && d->days && row_day(row, date)) {
		put_row("sp_sales_by_date", date, row);
		return;
	} else if (d->refused == 0) {
		warnx("report %s: %s", d->report_id,
		    by_asin ? "the rows of byAsin are of several days at once"
			    : "a row of byDate is of none of its days");
	}
	d->refused++;
	nd_failed();
}

/* A part of a document. */
static void
take_part(void *arg, const char *name, bool element, struct json_slice val)
{
	struct document *d = &sp.doc;
	bool by_asin = strcmp(name, "salesAndTrafficByAsin") == 0;

	(void)arg;
	if (!element && strcmp(name, "reportSpecification") == 0) {
		take_specification(val);
	} else if (element &&
	    (by_asin || strcmp(name, "salesAndTrafficByDate") == 0)) {
		if (by_asin)
			d->by_asin++;
		else
			d->by_date++;
		if (!d->checking)
			put_element(by_asin, val);
	}
}

static bool
unpacked(void *arg, const char *data, size_t len)
{
	(void)arg;
	return split_feed(sp.split, data, len);
}

static bool
kept(void *arg, const char *data, size_t len)
{
	size_t room = FATAL_TEXT_MAX - sp.text_len;

	(void)arg;
	len = len < room ? len : room;
	memcpy(sp.text + sp.text_len, data, len);
	sp.text_len += len;
	return true;
}

static void
begin_document(void *arg)
{
	(void)arg;
	gunzip_reset(sp.gunzip);
	split_reset(sp.split);
	sp.doc.by_asin = sp.doc.by_date = 0;
	sp.doc.specified = false;
	sp.doc.mismatch = NULL;
	sp.text_len = 0;
}

static bool
take_bytes(void *arg, const char *data, size_t len)
{
	(void)arg;
	return gunzip_feed(sp.gunzip, data, len);
}

/* Why what came is no document, or NULL. */
static const char *
document_why(void)
{
	const char *why = gunzip_why(sp.gunzip);

	if (why == NULL && !split_whole(sp.split))
		why = split_why(sp.split);
	return why;
}

/* Whether a URL may be followed: to Amazon's store; or to loopback, where the
 * API itself is said to be on loopback. */
static bool
trusted(const struct market *market, const char *url)
{
	if (http_is_local(base_url(market)))
		return http_is_local(url);
	return http_is_within(url, "amazonaws.com");
}

/* Ask where the document is; false if that has to wait, or has failed. */
static bool
find_document(struct request *r, char *location, size_t size)
{
	struct json_field parts[] = {JSON_FIELD("url"), JSON_END};
	char url[URL_SIZE];
	struct http_res res;
	struct json_slice body;
	struct json_error e;
	double wait;
	size_t n;

	if ((wait = spend(DOCUMENT)) > 0) {
		go(r, READ, wait);
		return false;
	}
	make_url(url, r->market, REPORTS "/documents/", r->document_id);
	res = call(DOCUMENT, r->market, url, NULL, NULL);
	if (res.status == 429) {
		wait = retry_after(1 / limits[DOCUMENT].rate);
		block(DOCUMENT, wait);
		go(r, READ, wait);
		return false;
	}
	if (res.status == 404 || res.status == 400) {
		take_unknown_report(r, &res);
		return false;
	}
	body.s = res.body;
	body.len = res.len;
	if (res.outcome != HTTP_OK)
		stop_for(DOCUMENT, &res);
	if (!json_scan(body, parts, &e) || parts[0].val.len >= size ||
	    (n = json_text(parts[0].val, location)) == 0) {
		warnx("%s: getReportDocument gives no URL", r->id);
		stop(EX_PROTOCOL);
	}
	location[n] = '\0';
	if (strlen(location) != n || !trusted(r->market, location)) {
		warnx("%s: the document is said to be where Amazon keeps none; "
		      "not going there",
		    r->id);
		stop(EX_PROTOCOL);
	}
	return true;
}

/* http_do shows no URL past its '?', but this one's path is nobody's business
 * either: it says nothing itself, being tried by us. */
static struct http_res
download(const char *location)
{
	struct http_req req = {.url = location,
	    .raw = true,
	    .begin = begin_document,
	    .take = take_bytes,
	    .once = true,
	    .max_wait = 0};

	begin_document(NULL);
	sp.calls++;
	return http_do(sp.http, &req);
}

/* What is wrong with what was downloaded, or NULL. */
static const char *
download_why(const struct http_res *res)
{
	static char words[WORDS_SIZE];
	const char *why = gunzip_why(sp.gunzip);

	if (res->status == 200 && res->outcome != HTTP_OK &&
	    (why = document_why()) != NULL)
		return why;
	if (res->outcome != HTTP_OK) {
		snprintf(words, sizeof(words), "%s", res->why);
		return words;
	}
	return why;
}

/* The text of a document that says why a report failed. */
static void
take_reason(struct request *r)
{
	struct json_field parts[] = {JSON_FIELD("errorDetails"), JSON_END};
	struct json_slice text = {sp.text, sp.text_len};
	struct json_error e;
	char words[WORDS_SIZE - 32];
	size_t n = text.len < sizeof(words) ? text.len : sizeof(words) - 1;

	memcpy(words, sp.text, n);
	words[n] = '\0';
	if (json_scan(text, parts, &e) && parts[0].val.s != NULL)
		read_words(words, sizeof(words), parts[0].val);
	for (char *p = words; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = *p == '\n' ? ' ' : '?';
	snprintf(r->error, sizeof(r->error), "failed at Amazon: %s", words);
}

static void
read_reason(struct request *r)
{
	struct gunzip *documents = sp.gunzip;
	char location[URL_SIZE];
	struct http_res res;

	if (!find_document(r, location, sizeof(location)))
		return;
	sp.gunzip = gunzip_new(kept, NULL);
	res = download(location);
	if (res.outcome == HTTP_OK && gunzip_why(sp.gunzip) == NULL)
		take_reason(r);
	gunzip_free(sp.gunzip);
	sp.gunzip = documents;
	take_fatal(r);
}

/* What a whole document came to. */
static void
take_document(struct request *r)
{
	r->rows_by_asin = sp.doc.by_asin;
	r->rows_by_date = sp.doc.by_date;
	set_error(r, "");
	if (sp.doc.by_asin == 0 && sp.doc.by_date == 0) {
		take_nothing(r, "the report is empty");
		return;
	}
	r->status = "DONE";
	r->not_before = 0;
	put_request(r);
	r->step = SETTLED;
}

/* The document of a report that is not what was asked for, though Amazon said
 * so: it is of another app, perhaps. */
static void
drop_report(struct request *r)
{
	char words[WORDS_SIZE];

	snprintf(words, sizeof(words),
	    "report %s is not what was asked for: %s", r->report_id,
	    sp.doc.mismatch);
	warnx("%s: %s", r->id, words);
	set_error(r, words);
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
	char words[WORDS_SIZE];

	snprintf(words, sizeof(words), "the document of report %s: %.200s",
	    r->report_id, why);
	set_error(r, words);
	note_status(EX_PROTOCOL);
	take_fatal(r);
}

/*
 * The first time the document is checked, the second time its rows go out: so
 * none of a damaged one ever does.  Both times it has to be the same.
 */
static void
read_document(struct request *r)
{
	char location[URL_SIZE];
	unsigned long sum = 0;
	unsigned long long length = 0;
	const char *why = NULL;
	struct http_res res;
	int left = DOWNLOADS_MAX;

	sp.doc = (struct document){.of = r,
	    .report_id = r->report_id,
	    .checking = true,
	    .market = r->market,
	    .from = r->day,
	    .to = r->day,
	    .days = true};
	when_text(when_now(), sp.doc.fetched_at);
	if (!find_document(r, location, sizeof(location)))
		return;
	while (left > 0) {
		res = download(location);
		why = download_why(&res);
		if (why == NULL)
			why = document_why();
		if (why == NULL && !sp.doc.specified)
			why = "it does not say what it is";
		if (why == NULL && sp.doc.mismatch != NULL) {
			drop_report(r);
			return;
		}
		if (why == NULL && !sp.doc.checking &&
		    (gunzip_sum(sp.gunzip) != sum ||
			gunzip_length(sp.gunzip) != length))
			why = "it is another one the second time";
		if (why == NULL && !sp.doc.checking) {
			take_document(r);
			return;
		}
		if (why == NULL) {
			sum = gunzip_sum(sp.gunzip);
			length = gunzip_length(sp.gunzip);
			sp.doc.checking = false;
			continue;
		}
		warnx("%s: the document of report %s: %s%s", r->id,
		    r->report_id, why, --left > 0 ? "; trying again" : "");
		if (left > 0 && !find_document(r, location, sizeof(location)))
			return;
	}
	drop_document(r, why);
}

/* ---- all of them */

/* Amazon may have it, or it has to be looked for first. */
static void
first_step(struct request *r)
{
	double wait = (double)(r->not_before - when_now());

	wait = r->not_before == 0 || wait < 0 ? 0 : wait;
	r->poll_wait = sp.poll_wait;
	r->give_up_at = http_clock() + sp.report_wait;
	if (strcmp(r->status, "DONE") == 0 ||
	    strcmp(r->status, "no_data") == 0 ||
	    strcmp(r->status, "failed") == 0)
		r->step = SETTLED;
	else if (r->report_id[0] != '\0' && strcmp(r->status, "ready") == 0 &&
	    r->document_id[0] != '\0')
		go(r, READ, 0);
	else if (r->report_id[0] != '\0' &&
	    (strcmp(r->status, "created") == 0 ||
		strcmp(r->status, "ready") == 0 ||
		strncmp(r->status, "IN_", 3) == 0))
		go(r, WATCH, 0);
	else
		go(r, LOOK, wait);
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
	struct json_slice line = {r->line, r->len};

	sp.later++;
	note_status(EX_TEMPFAIL);
	if (r->step == ASK && r->at > http_clock()) {
		sp.later--;
		put_off(r, r->status, r->at - http_clock());
	} else if (r->updated_at == 0 ||
	    (r->step == LOOK && r->looks == 0 && r->asks == 0)) {
		nd_put_line(line); /* as it came */
	}
	r->step = SETTLED;
}

static void
take_step(struct request *r)
{
	switch (r->step) {
	case LOOK:
		look(r);
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
	nd_field_int("requests", (long long)sp.calls);
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
	read_words(r->id, sizeof(r->id), record[REQUEST_ID].val);
	if (r->id[0] == '\0' || record[REQUEST_ID].val.len >= sizeof(r->id))
		return "a report_requests needs a request_id";
	if ((r->market = market_read(record[MARKETPLACE].val)) == NULL)
		return "a marketplace that Amazon does not have";
	if (!read_day(record[DATE].val, &r->day))
		return "date is no day";
	snprintf(r->granularity, sizeof(r->granularity), "CHILD");
	if (json_kind(record[GRANULARITY].val) > JSON_NULL)
		read_words(r->granularity, sizeof(r->granularity),
		    record[GRANULARITY].val);
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
	when_read(record[ASKED_AT].val, &r->asked_at);
	when_read(record[UPDATED_AT].val, &r->updated_at);
	r->rows_by_asin = r->rows_by_date = -1;
	r->before = "planned";
	return NULL;
}

static void
take(struct nd_in *in)
{
	struct json_slice line = nd_line(in);
	const char *why;

	if (sp.n == sp.cap) {
		sp.cap = sp.cap == 0 ? 64 : 2 * sp.cap;
		sp.requests =
		    must(realloc(sp.requests, sp.cap * sizeof(*sp.requests)));
	}
	if ((why = read_request(&sp.requests[sp.n])) != NULL) {
		nd_bad(in, "%s", why);
		return;
	}
	sp.requests[sp.n].line = must(malloc(line.len));
	memcpy(sp.requests[sp.n].line, line.s, line.len);
	sp.requests[sp.n].len = line.len;
	sp.n++;
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

/* ---- saved documents */

static void
read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	char buf[64 << 10];
	size_t n;

	if (f == NULL)
		err(EX_USAGE, "cannot open '%s'", path);
	begin_document(NULL);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		if (!take_bytes(NULL, buf, n))
			break;
	if (ferror(f))
		err(EX_IOERR, "cannot read '%s'", path);
	fclose(f);
}

static void
read_saved(const char *path)
{
	const char *name = strrchr(path, '/'), *why;

	sp.doc = (struct document){
	    .report_id = name == NULL ? path : name + 1, .checking = true};
	when_text(when_now(), sp.doc.fetched_at);
	read_file(path);
	if ((why = document_why()) == NULL)
		why = sp.doc.mismatch;
	if (why == NULL && !sp.doc.specified)
		why = "it does not say what it is";
	if (why != NULL) {
		warnx("%s: %s", path, why);
		nd_failed();
		return;
	}
	sp.doc.checking = false;
	read_file(path);
}

/* ---- how the API is: a health_checks record */

static void
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
	if (!json_scan(body, top, &e))
		return;
	it = json_walk(top[0].val);
	while (json_next(&it)) {
		size_t len = strlen(detail);

		if (!json_scan(it.val, both, &e) || part[0].val.s == NULL ||
		    *part[0].val.s != 't')
			continue;
		read_words(code, sizeof(code), place[0].val);
		snprintf(detail + len, size - len, " %s", code);
	}
}

static _Noreturn void
check(void)
{
	const struct market *market = market_find("US");
	char url[URL_SIZE], detail[600];
	double began = http_clock();
	struct http_res res;

	make_url(url, market, "/sellers/v1/marketplaceParticipations", "");
	res = call(SELLERS, market, url, NULL, NULL);
	if (res.outcome == HTTP_OK)
		read_participations(&res, detail, sizeof(detail));
	else
		read_error(&res, detail, sizeof(detail));
	run_health("sp-api", began, res.outcome == HTTP_OK, detail);
	stop(http_status(&res));
}

/* ---- settings */

/* Amazon wants to know who asks: app/version (Language=...; ...). */
static void
make_agent(void)
{
	struct utsname u;

	if (uname(&u) == -1)
		snprintf(u.sysname, sizeof(u.sysname), "unknown");
	for (char *p = u.sysname; *p != '\0'; p++)
		if (strchr("();=\\", *p) != NULL)
			*p = '_';
	snprintf(sp.agent, sizeof(sp.agent),
	    "User-Agent: sellerpipe/" SELLERPIPE_VERSION
	    " (Language=C/11; Platform=%.60s)",
	    u.sysname);
}

static const char *
either(const char *name, const char *other, const char *what_for)
{
	const char *value = conf_get(name);

	if (value == NULL)
		value = conf_get(other);
	return value != NULL ? value : conf_need(name, what_for);
}

static void
read_settings(void)
{
	sp.client_id = either("SP_API_CLIENT_ID", "LWA_APP_ID",
	    "the client id of your app's LWA credentials");
	sp.client_secret = either("SP_API_CLIENT_SECRET", "LWA_CLIENT_SECRET",
	    "the client secret of your app's LWA credentials");
	refresh_token(market_find("US"));
	sp.lwa_url = conf_or("LWA_URL", "https://api.amazon.com/auth/o2/token");
	http_check_url("LWA_URL", sp.lwa_url);
	http_check_url("SP_API_URL", base_url(market_find("US")));
	sp.poll_wait =
	    (double)conf_number("SP_POLL_MS", 1, 600000, 10000) / 1000;
	sp.ask_wait =
	    (double)conf_number("SP_ASK_MS", 1, 3600000, 60000) / 1000;
	make_agent();
}

enum mode { FETCH, SAVED, CHECK };

static enum mode
read_options(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"max-wait", required_argument, NULL, 'w'},
	    {"report-wait", required_argument, NULL, 'r'},
	    {"document", no_argument, NULL, 'd'},
	    {"check", no_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	enum mode mode = FETCH;
	double max_wait = 900;
	int c;

	opterr = 0;
	sp.report_wait = 600;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'w')
			max_wait = http_seconds("--max-wait", optarg);
		else if (c == 'r')
			sp.report_wait = http_seconds("--report-wait", optarg);
		else if (c == 'd')
			mode = SAVED;
		else if (c == 'k')
			mode = CHECK;
		else
			nd_option(c, argv, usage);
	}
	if (mode != SAVED && optind < argc)
		errx(
		    EX_USAGE, "unknown operand '%s'; see --help", argv[optind]);
	if (mode == SAVED && optind == argc)
		errx(EX_USAGE, "--document of which file? see --help");
	sp.began = http_clock();
	sp.deadline = sp.began + max_wait;
	return mode;
}

static int
finish(void)
{
	int status = nd_finish();

	split_free(sp.split);
	gunzip_free(sp.gunzip);
	for (size_t i = 0; i < sp.n; i++)
		free(sp.requests[i].line);
	free(sp.requests);
	conf_free();
	return status > sp.status || status == EX_IOERR ? status : sp.status;
}

int
main(int argc, char *argv[])
{
	enum mode mode = read_options(argc, argv);

	sp.gunzip = gunzip_new(unpacked, NULL);
	sp.split = split_new(take_part, NULL);
	if (mode == SAVED) {
		run_begin("sp-fetch");
		for (; optind < argc; optind++)
			read_saved(argv[optind]);
		run_end();
		return finish();
	}
	read_settings();
	open_state();
	sp.http = http_new();
	if (mode == CHECK)
		check();
	read_records();
	fetch();
	http_free(sp.http);
	close(sp.state);
	return finish();
}
