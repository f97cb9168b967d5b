#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "lib/conf.h"
#include "lib/http.h"

#define HEAD_MAX (64UL << 10) /* bytes of all headers of an answer */

struct buffer {
	char *s;
	size_t len, cap, max;
};

struct http {
	CURL *curl;
	char error[CURL_ERROR_SIZE];
	struct buffer head, body;
	char value[1024]; /* of the header asked for last */
	const struct http_req *req;
	size_t streamed;
	bool begun, refused; /* of this attempt's stream */
	bool suspect; /* what is left in the connection that was used last */
	long connect_timeout, stall_timeout, timeout, tries;
	double first_wait;
	double began; /* the request at hand */
};

double
http_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void
http_sleep(double seconds)
{
	struct timespec ts;

	ts.tv_sec = (time_t)seconds;
	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	while (nanosleep(&ts, &ts) == -1 && errno == EINTR)
		;
}

/* Add to a buffer and its closing NUL; false if that goes past its ceiling. */
static bool
append(struct buffer *b, const char *data, size_t n)
{
	if (n > b->max - b->len)
		return false;
	if (b->len + n >= b->cap) {
		b->cap = 2 * (b->len + n) + 1;
		if ((b->s = realloc(b->s, b->cap)) == NULL)
			err(EX_TEMPFAIL, NULL);
	}
	memcpy(b->s + b->len, data, n);
	b->len += n;
	b->s[b->len] = '\0';
	return true;
}

static size_t
receive_head(char *data, size_t size, size_t n, void *arg)
{
	struct http *h = arg;

	n *= size;
	if (n >= 5 && memcmp(data, "HTTP/", 5) == 0)
		h->head.len = 0; /* after a 100 Continue comes the answer */
	return append(&h->head, data, n) ? n : 0;
}

/* Bytes of an answer with status 200 that is streamed. */
static bool
stream(struct http *h, const char *data, size_t n)
{
	if (!h->begun && h->req->begin != NULL)
		h->req->begin(h->req->arg);
	h->begun = true;
	h->streamed += n;
	if (h->streamed > HTTP_STREAM_MAX)
		return false;
	h->refused = !h->req->take(h->req->arg, data, n);
	return !h->refused;
}

static size_t
receive(char *data, size_t size, size_t n, void *arg)
{
	struct http *h = arg;
	long status = 0;
	bool taken;

	n *= size;
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	if (h->req->take != NULL && status == 200)
		taken = stream(h, data, n);
	else
		taken = append(&h->body, data, n);
	return taken ? n : 0; /* which libcurl reports as a failed write */
}

struct http *
http_new(void)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    (h->curl = curl_easy_init()) == NULL)
		errx(EX_TEMPFAIL, "cannot start libcurl");
	h->head.max = HEAD_MAX;
	h->body.max = HTTP_BODY_MAX;
	h->connect_timeout = conf_number("HTTP_CONNECT_TIMEOUT", 1, 600, 30);
	h->stall_timeout = conf_number("HTTP_STALL_TIMEOUT", 1, 3600, 90);
	h->timeout = conf_number("HTTP_TIMEOUT", 1, 86400, 600);
	h->tries = conf_number("HTTP_TRIES", 1, 100, 5);
	h->first_wait =
	    (double)conf_number("HTTP_WAIT_MS", 1, 60000, 1000) / 1000;
	srandom((unsigned)time(NULL) ^ (unsigned)getpid());
	return h;
}

void
http_free(struct http *h)
{
	curl_easy_cleanup(h->curl);
	curl_global_cleanup();
	free(h->head.s);
	free(h->body.s);
	free(h);
}

/* What a URL is, as far as it matters here. */
struct target {
	bool plain, tls; /* http, https */
	bool local; /* to loopback */
	bool user; /* with a name or a password, which messages would show */
};

static bool
loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	    (strncmp(host, "127.", 4) == 0 &&
		strspn(host, "0123456789.") == strlen(host));
}

/* Whether it went well; without memory nothing is known of a URL. */
static bool
well(CURLUcode rc)
{
	if (rc == CURLUE_OUT_OF_MEMORY)
		err(EX_TEMPFAIL, NULL);
	return rc == CURLUE_OK;
}

/* A part of a URL, to be freed with curl_free; NULL if it has none. */
static char *
part(CURLU *u, CURLUPart which)
{
	char *text = NULL;

	return well(curl_url_get(u, which, &text, 0)) ? text : NULL;
}

static struct target
target(const char *url)
{
	struct target t = {false, false, false, false};
	CURLU *u = curl_url();
	char *scheme, *host, *user;

	if (u == NULL)
		err(EX_TEMPFAIL, NULL);
	if (well(curl_url_set(u, CURLUPART_URL, url, 0))) {
		scheme = part(u, CURLUPART_SCHEME);
		host = part(u, CURLUPART_HOST);
		user = part(u, CURLUPART_USER);
		t.plain = scheme != NULL && strcmp(scheme, "http") == 0;
		t.tls = scheme != NULL && strcmp(scheme, "https") == 0;
		t.local = host != NULL && loopback(host);
		t.user = user != NULL;
		curl_free(scheme);
		curl_free(host);
		curl_free(user);
	}
	curl_url_cleanup(u);
	return t;
}

void
http_check_url(const char *setting, const char *url)
{
	struct target t = target(url);

	if (!t.tls && !(t.plain && t.local))
		errx(EX_CONFIG,
		    "%s is no URL of https (or of http to loopback)", setting);
	if (t.user)
		errx(EX_CONFIG, "%s has a user's name in it", setting);
}

bool
http_is_local(const char *url)
{
	struct target t = target(url);

	return (t.plain || t.tls) && t.local && !t.user;
}

/* Whether a host is in a domain, and not just ends like it. */
static bool
within(const char *host, const char *domain)
{
	size_t n = strlen(host), m = strlen(domain);

	return n > m + 1 && host[n - m - 1] == '.' &&
	    strcasecmp(host + n - m, domain) == 0;
}

bool
http_is_within(const char *url, const char *domain)
{
	struct target t = target(url);
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL;
	bool is = false;

	if (u == NULL)
		err(EX_TEMPFAIL, NULL);
	if (t.tls && !t.user && well(curl_url_set(u, CURLUPART_URL, url, 0))) {
		host = part(u, CURLUPART_HOST);
		port = part(u, CURLUPART_PORT);
		is = host != NULL && within(host, domain) &&
		    (port == NULL || strcmp(port, "443") == 0);
		curl_free(host);
		curl_free(port);
	}
	curl_url_cleanup(u);
	return is;
}

/* Set what libcurl copies: where memory is short, it would go on without. */
static void
set_text(CURL *curl, CURLoption option, const char *text)
{
	if (curl_easy_setopt(curl, option, text) != CURLE_OK)
		errx(EX_TEMPFAIL, "cannot hold a request");
}

/* What libcurl may speak: nothing but what http_check_url lets through. */
static void
allow_protocols(CURL *curl, const char *url)
{
	struct target t = target(url);
	bool plain = t.plain && t.local;

#if LIBCURL_VERSION_NUM >= 0x075500
	set_text(curl, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
#else
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS,
	    plain ? (long)CURLPROTO_HTTP : (long)CURLPROTO_HTTPS);
#endif
	if (t.local) /* is not reached by way of a proxy */
		set_text(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(
	    curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static struct curl_slist *
header_list(const char *const *headers)
{
	struct curl_slist *list = NULL, *longer;

	for (; headers != NULL && *headers != NULL; headers++) {
		if (strpbrk(*headers, "\r\n") != NULL)
			errx(EX_CONFIG, "a line break in a header");
		if ((longer = curl_slist_append(list, *headers)) == NULL)
			err(EX_TEMPFAIL, NULL);
		list = longer;
	}
	return list;
}

/* A handle without options; and without connections, if the last may be out of
 * step: what follows a broken answer in it would be read as the next. */
static CURL *
clean_handle(struct http *h)
{
	if (!h->suspect) {
		curl_easy_reset(h->curl);
		return h->curl;
	}
	curl_easy_cleanup(h->curl);
	if ((h->curl = curl_easy_init()) == NULL)
		errx(EX_TEMPFAIL, "cannot start libcurl");
	h->suspect = false;
	return h->curl;
}

/* In milliseconds, of what is left for all attempts. */
static long
time_allowed(const struct http *h, const struct http_req *req)
{
	double left = h->began + req->max_time - http_clock();
	long ms = 1000 * h->timeout;

	if (req->max_time > 0 && 1000 * left < (double)ms)
		ms = left > 0 ? (long)(1000 * left) + 1 : 1;
	return ms;
}

static CURLcode
attempt(struct http *h, const struct http_req *req)
{
	struct curl_slist *list = header_list(req->headers);
	CURL *c = clean_handle(h);
	CURLcode rc;

	h->head.len = h->body.len = h->streamed = 0;
	h->begun = h->refused = false;
	h->error[0] = '\0';
	allow_protocols(c, req->url);
	set_text(c, CURLOPT_URL, req->url);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	set_text(c, CURLOPT_USERAGENT, "sellerpipe/" SELLERPIPE_VERSION);
	if (req->body != NULL) {
		curl_easy_setopt(
		    c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->len);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, req->body);
	}
	if (req->method != NULL)
		set_text(c, CURLOPT_CUSTOMREQUEST, req->method);
	set_text(c, CURLOPT_ACCEPT_ENCODING, req->raw ? NULL : "gzip");
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, h->connect_timeout);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, h->stall_timeout);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, time_allowed(h, req));
	/*
	 * libcurl sends again, without a word, what a connection that was used
	 * before took without an answer.
	 */
	curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, (long)req->once);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->error);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, receive_head);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
	rc = curl_easy_perform(c);
	curl_slist_free_all(list);
	return rc;
}

/* Whether the request has left, so that the server may act on it. */
static bool
has_left(CURL *curl)
{
	long bytes = 0;

	curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &bytes);
	return bytes > 0;
}

/* Failures of a network, or of ours, which may not be there the next time. */
static bool
passing(CURLcode rc)
{
	return rc == CURLE_COULDNT_RESOLVE_HOST ||
	    rc == CURLE_COULDNT_RESOLVE_PROXY || rc == CURLE_COULDNT_CONNECT ||
	    rc == CURLE_OPERATION_TIMEDOUT || rc == CURLE_GOT_NOTHING ||
	    rc == CURLE_SEND_ERROR || rc == CURLE_RECV_ERROR ||
	    rc == CURLE_PARTIAL_FILE || rc == CURLE_HTTP2 ||
	    rc == CURLE_HTTP2_STREAM || rc == CURLE_SSL_CONNECT_ERROR ||
	    rc == CURLE_OUT_OF_MEMORY;
}

static enum http_outcome
classify(CURLcode rc, long status)
{
	if (rc != CURLE_OK)
		return passing(rc) ? HTTP_LATER : HTTP_BROKEN;
	if (status >= 200 && status <= 299)
		return HTTP_OK;
	if (status == 408 || status == 429 || status >= 500)
		return HTTP_LATER;
	return HTTP_REFUSED;
}

static struct http_res
result(struct http *h, const struct http_req *req, CURLcode rc)
{
	struct http_res res = {0};

	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &res.status);
	res.outcome = classify(rc, res.status);
	res.body = h->body.len > 0 ? h->body.s : "";
	res.len = h->body.len;
	res.ambiguous = req->once && has_left(h->curl) &&
	    (res.outcome == HTTP_BROKEN ||
		(res.outcome == HTTP_LATER && res.status != 429));
	if (rc == CURLE_OK)
		snprintf(
		    res.why, sizeof(res.why), "HTTP status %ld", res.status);
	else if (h->refused)
		snprintf(res.why, sizeof(res.why), "not the answer expected");
	else if (rc == CURLE_WRITE_ERROR)
		snprintf(res.why, sizeof(res.why), "answer too large");
	else
		snprintf(res.why, sizeof(res.why), "%s",
		    h->error[0] ? h->error : curl_easy_strerror(rc));
	if (req->judge != NULL)
		req->judge(req->arg, &res);
	h->suspect = rc != CURLE_OK || res.outcome == HTTP_LATER;
	return res;
}

/* Whether to ask again may help and can do no harm. */
static bool
again(const struct http_req *req, CURLcode rc, const struct http_res *res)
{
	if (res->ambiguous)
		return false;
	return res->outcome == HTTP_LATER ||
	    (!req->once && rc == CURLE_BAD_CONTENT_ENCODING);
}

/* The seconds that the answer asks to be waited for, or -1. */
static double
told(struct http *h, const struct http_req *req, const struct http_res *res)
{
	double wants = req->wants == NULL ? -1 : req->wants(h, req->arg, res);
	curl_off_t retry_after = 0;

	curl_easy_getinfo(h->curl, CURLINFO_RETRY_AFTER, &retry_after);
	if (retry_after > 0 && wants < (double)retry_after)
		wants = (double)retry_after;
	return wants;
}

struct http_res
http_do(struct http *h, const struct http_req *req)
{
	int shown = (int)strcspn(req->url, "?"); /* a key may stand behind */
	double backoff = h->first_wait, waited = 0, wait;
	long untold = h->tries - 1;
	struct http_res res;
	CURLcode rc;

	h->req = req;
	h->began = http_clock();
	for (int tries = 1;; tries++) {
		rc = attempt(h, req);
		res = result(h, req, rc);
		res.tries = tries;
		res.waited = waited;
		if (!again(req, rc, &res))
			return res;

		if ((wait = told(h, req, &res)) < 0) {
			if (untold-- == 0)
				return res;
			wait =
			    backoff * (0.75 + (double)(random() % 512) / 1024);
		} else if (wait < backoff) {
			wait = backoff; /* it said too little the last time */
		}
		backoff *= 2;
		if (waited + wait > req->max_wait ||
		    (req->max_time > 0 &&
			http_clock() - h->began + wait > req->max_time))
			return res;
		waited += wait;
		if (!req->secret)
			warnx("%.*s: %s; trying again in %.1f s", shown,
			    req->url, res.why, wait);
		http_sleep(wait);
	}
}

const char *
http_header(struct http *h, const char *name)
{
	size_t n = strlen(name);
	const char *line = h->head.len > 0 ? h->head.s : NULL;

	for (; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncasecmp(line, name, n) != 0 || line[n] != ':')
			continue;
		line += n + 1;
		line += strspn(line, " \t");
		n = strcspn(line, "\r\n");
		snprintf(h->value, sizeof(h->value), "%.*s", (int)n, line);
		return h->value;
	}
	return NULL;
}

bool
http_param(char *url, size_t size, const char *name, const char *value)
{
	char *coded = curl_easy_escape(NULL, value, 0);
	size_t len = strlen(url);
	int n;

	if (coded == NULL)
		err(EX_TEMPFAIL, NULL);
	n = snprintf(url + len, size - len, "%c%s=%s",
	    strchr(url, '?') == NULL ? '?' : '&', name, coded);
	curl_free(coded);
	return n >= 0 && (size_t)n < size - len;
}

double
http_seconds(const char *option, const char *text)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end != '\0' || !(n >= 0 && n <= 86400))
		errx(EX_USAGE, "%s '%s' is no number of seconds", option, text);
	return n;
}

int
http_status(const struct http_res *res)
{
	switch (res->outcome) {
	case HTTP_OK:
		return EX_OK;
	case HTTP_LATER:
		return EX_TEMPFAIL;
	case HTTP_REFUSED:
		if (res->status == 401 || res->status == 403)
			return EX_NOPERM;
		return EX_PROTOCOL;
	default:
		return EX_PROTOCOL;
	}
}
