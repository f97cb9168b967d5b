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

#define WHEN_DAY_SIZE sizeof("2026-11-18")

/*
 * A business day, as the number of days since 1970, and as the text that it is
 * known by.  It belongs to no zone and is never shifted.  when_day is false if
 * the text says no day that exists.
 */
char *when_day_text(int64_t day, char buf[WHEN_DAY_SIZE]);
bool when_day(const char *text, size_t len, int64_t *day);

/* The clock. */
int64_t when_now(void);

/* Seconds for durations, of a clock that nobody sets. */
int64_t when_ticks(void);

#endif
