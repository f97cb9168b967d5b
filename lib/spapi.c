#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h> /* how it reads dates */

#include "lib/conf.h"
#include "lib/ndjson.h"
#include "lib/run.h"
#include "lib/spapi.h"
#include "lib/when.h"

#define HEADER_SIZE 4096
#define DAY 86400
#define SECRET_DAYS 180 /* that a client secret is good for */
#define SECRET_NOTICE 14 /* before that it is told each time */
#define CREATE_FIRST 4 /* the burst of createReport that is honoured */
#define RATE_MIN 0.0001 /* less than a request in 3 hours is no rate */
#define RATE_MAX 1000
#define GRACE 30 /* seconds for a call that began before the deadline */

/* Amazon's operations, with the rates that its model gives: requests a second,
 * and how many at once after a rest. */
static const struct {
	const char *name;
	double rate, burst;
} limits[SPAPI_OPS] = {{"createReport", 0.0167, 15}, {"getReport", 2, 15},
    {"getReports", 0.0222, 10}, {"getReportDocument", 0.0167, 15},
    {"cancelReport", 0.0222, 10}, {"getMarketplaceParticipations", 0.016, 15}};

/* What is left of a rate, for all runs that share the file: by the clock. */
struct bucket {
	double tokens, rate, at;
	double blocked_until; /* Amazon has said no */
};

static struct {
	double deadline; /* by http_clock */
	const char *lwa_url, *client_id, *client_secret;
	char agent[256];
	struct http *http;
	int state; /* the file of the buckets */
	char token[3][HEADER_SIZE]; /* by region: x-amz-access-token: ... */
	double token_until[3];
	unsigned long calls;
	void (*on_stop)(const char *why);
} sp;

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
		err(nd_status(EX_IOERR), "cannot open '%s'", path);
}

/* The buckets as the file has them.  What it does not have, or not rightly, is
 * a bucket of which nothing is known: a few requests are tried. */
static void
read_buckets(struct bucket b[SPAPI_OPS])
{
	char text[2048], name[64], *line, *rest = text;
	ssize_t n = pread(sp.state, text, sizeof(text) - 1, 0);
	struct bucket r;

	text[n > 0 ? n : 0] = '\0';
	for (int op = 0; op < SPAPI_OPS; op++)
		b[op] = (struct bucket){
		    op == SPAPI_CREATE_REPORT ? CREATE_FIRST : limits[op].burst,
		    limits[op].rate, now(), 0};
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (sscanf(line, "%63s %lf %lf %lf %lf", name, &r.tokens,
			&r.rate, &r.at, &r.blocked_until) != 5 ||
		    !(r.rate >= RATE_MIN && r.rate <= RATE_MAX))
			continue;
		for (int op = 0; op < SPAPI_OPS; op++)
			if (strcmp(name, limits[op].name) == 0)
				b[op] = r;
	}
}

static void
write_buckets(const struct bucket b[SPAPI_OPS])
{
	char text[2048];
	int n = 0;

	for (int op = 0; op < SPAPI_OPS; op++)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
		    "%s %.4f %.6g %.3f %.3f\n", limits[op].name, b[op].tokens,
		    b[op].rate, b[op].at, b[op].blocked_until);
	if (pwrite(sp.state, text, (size_t)n, 0) != n ||
	    ftruncate(sp.state, n) == -1)
		err(EX_IOERR, "cannot write the state of the rates");
}

/* Lock the file and read it, each bucket filled up to now. */
static void
begin_buckets(struct bucket b[SPAPI_OPS])
{
	double t = now();

	while (flock(sp.state, LOCK_EX) == -1)
		if (errno != EINTR)
			err(EX_IOERR, "cannot lock the state of the rates");
	read_buckets(b);
	for (int op = 0; op < SPAPI_OPS; op++) {
		double passed = t - b[op].at;

		if (passed < -1) /* the clock was set back */
			b[op].blocked_until += passed;
		if (!(b[op].blocked_until <= t + DAY + 1))
			b[op].blocked_until = 0;
		b[op].tokens += passed > 0 ? passed * b[op].rate : 0;
		if (!(b[op].tokens >= 0))
			b[op].tokens = 0;
		if (b[op].tokens > limits[op].burst)
			b[op].tokens = limits[op].burst;
		b[op].at = t;
	}
}

static void
end_buckets(const struct bucket b[SPAPI_OPS])
{
	write_buckets(b);
	flock(sp.state, LOCK_UN);
}

/* Take a request's worth from a bucket, and return 0; or how many seconds to
 * wait until there is one. */
double
spapi_spend(enum spapi_op op)
{
	struct bucket b[SPAPI_OPS];
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
void
spapi_block(enum spapi_op op, double seconds)
{
	struct bucket b[SPAPI_OPS];

	begin_buckets(b);
	b[op].tokens = 1 - seconds * b[op].rate; /* there is one then */
	if (b[op].tokens < 0)
		b[op].tokens = 0;
	b[op].blocked_until = b[op].at + seconds;
	end_buckets(b);
}

/* Answers say what the rate is, if it is not the usual one. */
static void
learn_rate(enum spapi_op op, const struct http_res *res)
{
	const char *text = http_header(sp.http, "x-amzn-RateLimit-Limit");
	double rate = text == NULL ? 0 : strtod(text, NULL);
	struct bucket b[SPAPI_OPS];

	if (res->status == 429 || !(rate >= RATE_MIN && rate <= RATE_MAX))
		return;
	begin_buckets(b);
	b[op].rate = rate;
	end_buckets(b);
}

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

static _Noreturn void stop(int status, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static _Noreturn void
stop(int status, const char *fmt, ...)
{
	char why[2 * SPAPI_WORDS_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	warnx("%s", why);
	if (sp.on_stop != NULL)
		sp.on_stop(why);
	run_stop(status);
}

/* An error that is none of those. */
static _Noreturn void
stop_for_other(const struct http_res *res, const char *error, const char *more)
{
	bool says = res->outcome == HTTP_REFUSED && error[0] != '\0';
	int status = says && res->status < 500 ? EX_NOPERM : http_status(res);

	if (says)
		stop(status, "Login with Amazon: %s (%s)", error, more);
	stop(status, "Login with Amazon: %s%s", res->why,
	    res->outcome == HTTP_LATER ? "; try again later" : "");
}

/* Login with Amazon gave no token: say why, and what to do, and end. */
static _Noreturn void
stop_for_lwa(const struct http_res *res)
{
	struct json_field parts[] = {
	    JSON_FIELD("error"), JSON_FIELD("error_description"), JSON_END};
	struct json_slice body = {res->body, res->len};
	struct json_error e;
	char error[100] = "", more[SPAPI_WORDS_SIZE - 100] = "";

	if (json_scan(body, parts, &e)) {
		json_words(parts[0].val, error, sizeof(error));
		json_words(parts[1].val, more, sizeof(more));
		hide(error);
		hide(more);
	}
	for (size_t i = 0; i < sizeof(lwa_errors) / sizeof(lwa_errors[0]); i++)
		if (strcmp(error, lwa_errors[i].error) == 0)
			stop(lwa_errors[i].status,
			    "Login with Amazon: %s (%s): %s", error, more,
			    lwa_errors[i].advice);
	stop_for_other(res, error, more);
}

double
spapi_time_left(void)
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
	    .max_wait = spapi_time_left(),
	    .max_time = spapi_time_left() + GRACE};
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
	run_check_clock(sp.http, "Amazon");
	take_token(i, &res);
}

void
spapi_words(const struct http_res *res, char words[SPAPI_WORDS_SIZE])
{
	struct json_field top[] = {JSON_FIELD("errors"), JSON_END};
	struct json_field p[] = {JSON_FIELD("code"), JSON_FIELD("message"),
	    JSON_FIELD("details"), JSON_END};
	struct json_slice body = {res->body, res->len};
	const char *id = http_header(sp.http, "x-amzn-RequestId");
	struct json_error e;
	struct json_iter it;
	char text[120];
	size_t n =
	    (size_t)snprintf(words, SPAPI_WORDS_SIZE, "%.*s", 90, res->why);

	if (json_scan(body, top, &e)) {
		it = json_walk(top[0].val);
		if (!json_next(&it) || !json_scan(it.val, p, &e))
			p[0].name = NULL;
		for (int i = 0; p[i].name != NULL; i++)
			if (*json_words(p[i].val, text, sizeof(text)) != '\0' &&
			    n < SPAPI_WORDS_SIZE)
				n += (size_t)snprintf(words + n,
				    SPAPI_WORDS_SIZE - n, ": %s", text);
	}
	if (id != NULL && n < SPAPI_WORDS_SIZE)
		snprintf(
		    words + n, SPAPI_WORDS_SIZE - n, " (request %.60s)", id);
	for (char *c = words; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
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

void
spapi_url(char url[SPAPI_URL_SIZE], const struct market *market,
    const char *path, const char *id)
{
	if (snprintf(url, SPAPI_URL_SIZE, "%s%s%s", base_url(market), path,
		id) >= SPAPI_URL_SIZE)
		errx(EX_CONFIG, "SP_API_URL is too long");
}

/*
 * One call of an operation.  A token that has expired in the meantime is
 * renewed, once.  Without credentials that work the run is over: 77.
 */
struct http_res
spapi_call(enum spapi_op op, const struct market *market, const char *url,
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
	    .once = op == SPAPI_CREATE_REPORT};
	struct http_res res;

	for (int tries = 0;; tries++) {
		need_token(market);
		req.max_wait = spapi_time_left() < 60 ? spapi_time_left() : 60;
		req.max_time = spapi_time_left() + GRACE;
		sp.calls++;
		res = http_do(sp.http, &req);
		if (tries > 0 || !token_expired(&res))
			break;
		sp.token[i][0] = '\0';
	}
	learn_rate(op, &res);
	return res;
}

bool
spapi_refused(const struct http_res *res)
{
	return res->status == 401 || res->status == 403;
}

/* What an answer asks of the user. */
static const char *
advice(const struct http_res *res)
{
	if (res->outcome == HTTP_LATER)
		return "; try again later";
	if (!spapi_refused(res))
		return "";
	if (strstr(res->body, "secret") != NULL)
		return ": the client secret has expired; renew it in the "
		       "developer console and set SP_API_CLIENT_SECRET";
	if (res->status == 401 || strstr(res->body, "revoked") != NULL)
		return ": Amazon does not accept the app's token: authorize "
		       "the app again and set SP_API_REFRESH_TOKEN";
	return ": is the Brand Analytics role there, and was the app "
	       "authorized again since? Is it the right region?";
}

/* No credentials, no role, or not what answers there. */
_Noreturn void
spapi_stop(enum spapi_op op, const struct http_res *res)
{
	char words[SPAPI_WORDS_SIZE];

	spapi_words(res, words);
	stop(http_status(res), "Amazon: %s: %s%s", limits[op].name, words,
	    advice(res));
}

void
spapi_on_stop(void (*fn)(const char *why))
{
	sp.on_stop = fn;
}

/* The seconds that an answer of 429 asks for, or else so many. */
double
spapi_said(double otherwise)
{
	const char *text = http_header(sp.http, "Retry-After");
	char *end;
	double seconds;

	if (text == NULL)
		return otherwise;
	seconds = strtod(text, &end);
	if (end == text)
		seconds = (double)curl_getdate(text, NULL) - now();
	return seconds > 0 && seconds <= DAY ? seconds : otherwise;
}

/* A time as Amazon writes it: with Z, or an offset of none; 0 if it is none. */
int64_t
spapi_time(struct json_slice val)
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
first_of(const char *value, const char *other)
{
	return value != NULL ? value : other;
}

/* Amazon wants a new client secret every 180 days, and then says no. */
static void
mind_secret_age(void)
{
	const char *made = conf_get("SP_API_SECRET_DATE");
	int64_t day, left;

	if (made == NULL)
		return;
	if (!when_day(made, strlen(made), &day))
		errx(EX_CONFIG,
		    "SP_API_SECRET_DATE is no day; write it as 2026-11-18");
	left = day + SECRET_DAYS - when_now() / DAY;
	if (left <= 0)
		warnx("the client secret of %s has expired: renew it in the "
		      "developer console, and set SP_API_SECRET_DATE",
		    made);
	else if (left <= SECRET_NOTICE)
		warnx("the client secret expires in %d days: renew it in the "
		      "developer console, and set SP_API_SECRET_DATE",
		    (int)left);
}

static void
read_settings(void)
{
	sp.client_id =
	    first_of(conf_get("SP_API_CLIENT_ID"), conf_get("LWA_APP_ID"));
	if (sp.client_id == NULL)
		conf_need("SP_API_CLIENT_ID",
		    "the client id of your app's LWA credentials");
	sp.client_secret = first_of(
	    conf_get("SP_API_CLIENT_SECRET"), conf_get("LWA_CLIENT_SECRET"));
	if (sp.client_secret == NULL)
		conf_need("SP_API_CLIENT_SECRET",
		    "the client secret of your app's LWA credentials");
	refresh_token(market_find("US"));
	sp.lwa_url = conf_or("LWA_URL", "https://api.amazon.com/auth/o2/token");
	http_check_url("LWA_URL", sp.lwa_url);
	http_check_url("SP_API_URL", base_url(market_find("US")));
	mind_secret_age();
	make_agent();
}

void
spapi_open(double deadline)
{
	sp.deadline = deadline;
	read_settings();
	open_state();
	sp.http = http_new();
}

void
spapi_close(void)
{
	http_free(sp.http);
	close(sp.state);
}

unsigned long
spapi_calls(void)
{
	return sp.calls;
}

struct http_res
spapi_get(const struct http_req *req)
{
	sp.calls++;
	return http_do(sp.http, req);
}

bool
spapi_is_local(const struct market *market)
{
	return http_is_local(base_url(market));
}

double
spapi_interval(enum spapi_op op)
{
	return 1 / limits[op].rate;
}
