/*
 * market.h - Amazon's marketplaces, by the country codes that records use.
 *
 * Sources: Amazon's "Marketplace IDs" and "SP-API Endpoints" pages; Keepa's API
 * documentation, "domain ID"; ISO 4217.
 */
#ifndef MARKET_H
#define MARKET_H

#include "lib/json.h"

struct market {
	const char *code; /* US */
	const char *currency; /* USD */
	int decimals; /* of the currency: 2, and for JPY 0 */
	int keepa_domain; /* 1, or 0 where Keepa has none */
	const char *id; /* Amazon's: ATVPDKIKX0DER */
	const char *region; /* of the Selling Partner API: NA, EU, FE */
};

/* The marketplace of a code or of Amazon's id, or, as a JSON string, of a code;
 * NULL if unknown. */
const struct market *market_find(const char *name);
const struct market *market_read(struct json_slice code);

/* How many decimals a currency has, by ISO 4217: a JSON string of its code.  2
 * for most, and for those that are not known. */
int market_decimals(struct json_slice currency);

#endif
