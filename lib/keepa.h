/*
 * keepa.h - what Keepa's API says about times and tokens.
 *
 * Sources: Keepa's API documentation ("Tokens", "Time format"); its Java client
 * (KeepaTime.java, Response.java, RequestError.java).
 */
#ifndef KEEPA_H
#define KEEPA_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/json.h"

#define KEEPA_MINUTES_MAX 100000000LL /* some 190 years of Keepa's time */
#define KEEPA_STUB 4 /* productType of an ASIN that Amazon does not have */

/* What an answer says besides what was asked for. */
struct keepa_envelope {
	bool known; /* there was one */
	long long left; /* tokens; negative after a request that cost more */
	long long rate; /* tokens that are added each minute */
	long long refill_in; /* ms until then */
	long long consumed; /* by this request */
	char error[300]; /* in Keepa's words, as printable ASCII; or empty */
};

/* Keepa's minutes since 2011 as seconds since 1970. */
int64_t keepa_time(long long minutes);

/* Take a member of an answer into its envelope, if it belongs there. */
void keepa_envelope_add(
    struct keepa_envelope *, const char *name, struct json_slice val);

/* The envelope of an answer that is there whole; not known if it is none. */
struct keepa_envelope keepa_envelope_of(const char *body, size_t len);

/*
 * Seconds from the answer on until Keepa takes requests again, which it does
 * whenever the balance is above 0, whatever they cost.
 */
double keepa_refill(const struct keepa_envelope *);

#endif
