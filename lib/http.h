/*
 * http.h - one request at a time, repeated while there is hope.
 *
 * https only, TLS 1.2 or later, certificates always verified; plain http to a
 * loopback address alone.  Redirects are not followed.  Answers are unzipped,
 * unless they are wanted as they are.
 * Messages show a URL up to its '?', since a key may stand behind it.
 *
 * Settings: HTTP_CONNECT_TIMEOUT (30 s), HTTP_STALL_TIMEOUT (90 s without a
 * byte), HTTP_TIMEOUT (600 s, an attempt in all), HTTP_TRIES (5), HTTP_WAIT_MS
 * (1000 ms: the first wait before a repetition, each next one being twice as
 * long, give or take a quarter; and the least, whatever an answer asks for).
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_BODY_MAX (1UL << 20) /* bytes of an answer that is kept whole */
#define HTTP_STREAM_MAX (1UL << 30) /* bytes of an answer that is streamed */

struct http;

/* What an attempt came to; see http_do. */
enum http_outcome {
	HTTP_OK, /* status 200 to 299 */
	HTTP_REFUSED, /* any other status: to repeat it would not help */
	HTTP_LATER, /* might work later: 75 */
	HTTP_BROKEN /* no TLS, no HTTP, a body past its ceiling...: 76 */
};

struct http_res {
	enum http_outcome outcome;
	long status; /* 0: no answer at all */
	const char *body; /* ends in NUL; lasts until the next request */
	size_t len;
	int tries;
	double waited; /* seconds, between tries */
	bool ambiguous; /* the server may have acted on a request that failed */
	char why[256]; /* unless HTTP_OK: a phrase for a message */
};

struct http_req {
	const char *url; /* judge may change what it points at */
	const char *const *headers; /* each "Name: value", NULL at the end */
	const char *method; /* NULL: GET, or POST if there is a body */
	const char *body;
	size_t len;
	bool raw; /* do not offer to take, nor undo, an encoding */

	/*
	 * Where the bytes of an answer with status 200 go as they arrive,
	 * instead of into res.body; begin is called first, once an attempt.
	 * False from take ends the request as HTTP_BROKEN.  Both may be NULL.
	 */
	void (*begin)(void *arg);
	bool (*take)(void *arg, const char *data, size_t len);

	/*
	 * How many seconds this answer itself, by its body or headers, wants to
	 * be waited for; -1 if it does not say.  May be NULL: Retry-After is
	 * obeyed in any case.
	 */
	double (*wants)(struct http *, void *arg, const struct http_res *);

	/*
	 * A second look at what an attempt came to, for APIs that say 200 and
	 * mean something else: it may change outcome, ambiguous and why.  May
	 * be NULL.
	 */
	void (*judge)(void *arg, struct http_res *);
	void *arg;

	/*
	 * Do not repeat what the server may have acted on: only what never
	 * left, and what it refused with 429.
	 */
	bool once;
	bool secret; /* as the URL is: say nothing of repetitions */
	double max_wait; /* seconds that all waits together may take */
	double max_time; /* seconds for all attempts and waits; 0: no matter */
};

/* Exit with 75 if libcurl cannot be had: there is no memory for it. */
struct http *http_new(void);
void http_free(struct http *);

/*
 * Whether a URL may be asked at all: https, or http to loopback, and without a
 * user's name.  Exit with 78 if not, naming the setting that it came from.
 */
void http_check_url(const char *setting, const char *url);

/*
 * Whether a URL that somebody else gave leads to loopback; or by https, on its
 * usual port and without a user's name, to a host within a domain.
 */
bool http_is_local(const char *url);
bool http_is_within(const char *url, const char *domain);

/*
 * Ask, and repeat after no answer, 408, 429, and 5xx: each wait is announced
 * once on standard error, unless the URL is secret, and none is begun that
 * max_wait does not allow.
 */
struct http_res http_do(struct http *, const struct http_req *);

/* A header of the last answer, or NULL; lasts until the next request. */
const char *http_header(struct http *, const char *name);

/* Append name=value to a URL's query, value percent-encoded.  False if size
 * bytes do not hold it. */
bool http_param(char *url, size_t size, const char *name, const char *value);

/* Seconds that a clock counts which nobody sets. */
double http_clock(void);
void http_sleep(double seconds);

/* The seconds that an option gives, a day at most; exit with 64 if it does not
 * give any. */
double http_seconds(const char *option, const char *text);

/* The exit status of a program whose request came to this. */
int http_status(const struct http_res *);

#endif
