/*
 * report.h - the document of a Sales & Traffic report, read while it arrives.
 *
 * It is read at least twice: first to check it, then to let its rows out, as
 * records sp_sales_by_date and sp_sales_by_asin.  So nothing of a document that
 * is damaged, or not what was asked for, ever gets out; and it is never held as
 * a whole.
 *
 * Source: Amazon's schema sellerSalesAndTrafficReport.json.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/json.h"
#include "lib/market.h"
#include "lib/when.h"

#define REPORT_TYPE "GET_SALES_AND_TRAFFIC_REPORT"

/* What a document is expected to be; all unset: whatever it says it is. */
struct report_ask {
	const struct market *market;
	int64_t day; /* since 1970 */
	const char *granularity; /* CHILD */
};

struct report {
	/* Set by report_begin. */
	struct report_ask ask;
	const char *id; /* the report's, as it stands in its rows */
	char fetched_at[WHEN_SIZE];

	/* Of this reading; of the last one, all there is to know. */
	long long by_asin, by_date; /* rows */
	const char *mismatch; /* how it is not what was asked for, or NULL */

	/* Of all readings. */
	long long out, refused; /* rows that went out, and that could not */
};

/* Begin another document, with a reading to check it.  There is one at a time;
 * what the caller gives has to last.  Without a fetched_at only its words are
 * wanted, for report_reason. */
struct report *report_begin(
    const struct report_ask *, const char *id, const char *fetched_at);

/* Read from the start again, after a reading that broke off, say. */
void report_again(struct report *);

/* Take the next bytes; false once it cannot become a document. */
bool report_feed(struct report *, const char *data, size_t len);

/* After a reading: why it is no whole document; NULL if it is one.  What is
 * read after it has been checked has to be the same. */
const char *report_why(struct report *);

/* It is checked: with the next readings the rows go out, each once, even if a
 * reading breaks off.  A row that makes no sense is reported and left out. */
void report_let_out(struct report *);

/* The text of a document that says why there is none, instead: what there is of
 * it, cut to fit and made printable. */
void report_reason(struct report *, char *words, size_t size);

/* Helpers for the API's answers: whether a list of strings holds one; whether a
 * time is of a day. */
bool report_holds(struct json_slice list, const char *text);
bool report_day_is(struct json_slice time, int64_t day);

void report_free(void);

#endif
