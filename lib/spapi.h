/*
 * spapi.h - calls of Amazon's Selling Partner API: credentials, rates, errors.
 *
 * Settings: SP_API_CLIENT_ID (or LWA_APP_ID), SP_API_CLIENT_SECRET (or
 * LWA_CLIENT_SECRET), SP_API_REFRESH_TOKEN, or one for each region with _NA,
 * _EU or _FE behind; SP_API_URL, for all regions, and LWA_URL; SP_API_STATE
 * (sp-api.state), the file in which all runs share what is left of the rates.
 * SP_API_SECRET_DATE, when the client secret was made: it is good for 180 days,
 * and the last 14 are told on standard error.
 *
 * Sources: Amazon's pages "SP-API Endpoints", "Connecting to the Selling
 * Partner API" (Login with Amazon), "Include a User-Agent Header in All
 * Requests", and "Usage Plans and Rate Limits"; its models' errors and rates.
 */
#ifndef SPAPI_H
#define SPAPI_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/http.h"
#include "lib/json.h"
#include "lib/market.h"

#define SPAPI_URL_SIZE 8192
#define SPAPI_WORDS_SIZE 400 /* of what Amazon says, in messages */

enum spapi_op {
	SPAPI_CREATE_REPORT,
	SPAPI_GET_REPORT,
	SPAPI_GET_REPORTS,
	SPAPI_GET_DOCUMENT,
	SPAPI_CANCEL_REPORT,
	SPAPI_PARTICIPATIONS,
	SPAPI_OPS
};

/*
 * Read the settings, and open the state of the rates; exit with 78 for a
 * setting that is missing or wrong.  No call waits beyond the deadline, by
 * http_clock.
 */
void spapi_open(double deadline);
void spapi_close(void);
double spapi_time_left(void);

/* Call this with the reason, before the run ends because of an answer. */
void spapi_on_stop(void (*)(const char *why));

/* How many requests have gone out, of all kinds. */
unsigned long spapi_calls(void);

/* A plain GET of something else, counted as a call; no token goes with it. */
struct http_res spapi_get(const struct http_req *);

/* Write the URL of a path of the API, for the region of a marketplace. */
void spapi_url(char url[SPAPI_URL_SIZE], const struct market *,
    const char *path, const char *id);

/* Whether the API is said to be on loopback. */
bool spapi_is_local(const struct market *);

/*
 * Take one request's worth of an operation's rate and return 0; or how many
 * seconds there is none.  What is taken is taken for all runs that share the
 * state.
 */
double spapi_spend(enum spapi_op);

/* Amazon said no: nobody asks for so many seconds.  spapi_said gives those of
 * the last answer's Retry-After, seconds or a date and a day at most, or else
 * the ones given. */
void spapi_block(enum spapi_op, double seconds);
double spapi_said(double otherwise);

/* The seconds in which one request more is allowed, by Amazon's model. */
double spapi_interval(enum spapi_op);

/*
 * One call.  A token is there first, or the program ends with what Login with
 * Amazon says: 77, 78, 75.  One that has expired is renewed, once.  A 429 is
 * not waited for; createReport is not repeated if Amazon may have acted on it.
 */
struct http_res spapi_call(enum spapi_op, const struct market *,
    const char *url, const char *method, const char *body);

/* Whether an answer says that the credentials will not do. */
bool spapi_refused(const struct http_res *);

/* What an answer says is wrong, in a line of printable ASCII without secrets.
 */
void spapi_words(const struct http_res *, char words[SPAPI_WORDS_SIZE]);

/* End the run because of an answer, and say what to do about it. */
_Noreturn void spapi_stop(enum spapi_op, const struct http_res *);

/* A time as Amazon writes it, with Z or an offset of none; 0 if it is none. */
int64_t spapi_time(struct json_slice val);

#endif
