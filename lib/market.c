#include <string.h>

#include "lib/market.h"

static const struct market markets[] = {
    {"US", "USD", 2, 1},
    {"UK", "GBP", 2, 2},
    {"DE", "EUR", 2, 3},
    {"FR", "EUR", 2, 4},
    {"JP", "JPY", 0, 5},
    {"CA", "CAD", 2, 6},
    {"IT", "EUR", 2, 8},
    {"ES", "EUR", 2, 9},
    {"IN", "INR", 2, 10},
    {"MX", "MXN", 2, 11},
    {"BR", "BRL", 2, 12},
};

#define COUNT (sizeof(markets) / sizeof(markets[0]))

const struct market *
market_find(const char *code)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(markets[i].code, code) == 0)
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
