/*
 * fuzz.h - what the fuzzers share: claims that hold, and bytes where one too
 * many is seen.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program where a claim does not hold; unlike assert, always. */
#define HOLDS(claim) \
	do { \
		if (!(claim)) { \
			fprintf(stderr, "%s:%d: it does not hold: %s\n", \
			    __FILE__, __LINE__, #claim); \
			abort(); \
		} \
	} while (0)

/* The bytes in memory of exactly their size; the caller frees s. */
static inline struct json_slice
exactly(const void *data, size_t len)
{
	char *copy = malloc(len == 0 ? 1 : len);
	struct json_slice s = {copy, len};

	HOLDS(copy != NULL);
	if (len > 0)
		memcpy(copy, data, len);
	return s;
}

static inline void
release(struct json_slice s)
{
	free((char *)(uintptr_t)s.s);
}

static inline bool
same(struct json_slice a, struct json_slice b)
{
	return a.len == b.len && memcmp(a.s, b.s, a.len) == 0;
}

#endif
