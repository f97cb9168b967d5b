/*
 * when.h - times as records write them: UTC, 2026-11-20T08:00:00Z.
 *
 * In programs a time is the seconds since 1970, as in time_t.
 */
#ifndef WHEN_H
#define WHEN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/json.h"

#define WHEN_SIZE sizeof("2026-11-20T08:00:00Z")

/* Write the time t of the years 1 to 9999 as text; the return value is buf. */
char *when_text(int64_t t, char buf[WHEN_SIZE]);

/*
 * Read a JSON string that says a time, in the form above; fractions of a second
 * are cut off.  False if it says something else, or no time that exists.
 */
bool when_read(struct json_slice val, int64_t *t);

/* The clock. */
int64_t when_now(void);

#endif
