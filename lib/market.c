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
