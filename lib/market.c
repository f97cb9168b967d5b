#include <string.h>

#include "lib/market.h"

static const struct market markets[] = {
    {"US", "USD", 2, 1, "ATVPDKIKX0DER", "NA"},
    {"UK", "GBP", 2, 2, "A1F83G8C2ARO7P", "EU"},
    {"DE", "EUR", 2, 3, "A1PA6795UKMFR9", "EU"},
    {"FR", "EUR", 2, 4, "A13V1IB3VIYZZH", "EU"},
    {"JP", "JPY", 0, 5, "A1VC38T7YXB528", "FE"},
    {"CA", "CAD", 2, 6, "A2EUQ1WTGCTBG2", "NA"},
    {"IT", "EUR", 2, 8, "APJ6JRA9NG5V4", "EU"},
    {"ES", "EUR", 2, 9, "A1RKKUPIHCS9HS", "EU"},
    {"IN", "INR", 2, 10, "A21TJRUUN4KGV", "EU"},
    {"MX", "MXN", 2, 11, "A1AM78C64UM0Y8", "NA"},
    {"BR", "BRL", 2, 12, "A2Q3Y263D00KWC", "NA"},
    {"AE", "AED", 2, 0, "A2VIGQ35RCS4UG", "EU"},
    {"AU", "AUD", 2, 0, "A39IBJ37TRP1C6", "FE"},
    {"BE", "EUR", 2, 0, "AMEN7PMS3EDWL", "EU"},
    {"EG", "EGP", 2, 0, "ARBP9OOSHTCHU", "EU"},
    {"IE", "EUR", 2, 0, "A28R8C7NBKEWEA", "EU"},
    {"NL", "EUR", 2, 0, "A1805IZSGTT6HS", "EU"},
    {"PL", "PLN", 2, 0, "A1C3SOZRARQ6R3", "EU"},
    {"SA", "SAR", 2, 0, "A17E79C6D8DWNP", "EU"},
    {"SE", "SEK", 2, 0, "A2NODRKZP88ZB9", "EU"},
    {"SG", "SGD", 2, 0, "A19VAU5U5O7RUS", "FE"},
    {"TR", "TRY", 2, 0, "A33AVAJ2PDY3EV", "EU"},
    {"ZA", "ZAR", 2, 0, "AE08WJ6YKNBMC", "EU"},
};

#define COUNT (sizeof(markets) / sizeof(markets[0]))

const struct market *
market_find(const char *name)
{
	if (strcmp(name, "GB") == 0)
		name = "UK"; /* as ISO 3166 has it, and Amazon does not */
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(markets[i].code, name) == 0 ||
		    strcmp(markets[i].id, name) == 0)
			return &markets[i];
	return NULL;
}

const struct market *
market_read(struct json_slice code)
{
	for (size_t i = 0; i < COUNT; i++)
		if (json_is(code, markets[i].code))
			return &markets[i];
	return NULL;
}

int
market_decimals(struct json_slice currency)
{
	static const char none[] = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF "
				   "UGX UYI VND VUV XAF XOF XPF";
	static const char three[] = "BHD IQD JOD KWD LYD OMR TND";
	char code[] = "???";

	if (json_kind(currency) != JSON_STRING || currency.len != 5)
		return 2;
	memcpy(code, currency.s + 1, 3);
	return strstr(none, code) != NULL ? 0
	    : strstr(three, code) != NULL ? 3
					  : 2;
}
