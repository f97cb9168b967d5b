/*
 * run.h - the records by which a program with a peer accounts for itself.
 *
 * A stream says whether it is whole: `run` begins it, and `end` comes once all
 * that was asked for is done.  A program that has to stop before writes no
 * `end`, and whoever reads the stream knows.
 */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>

/* Write `run`, with an id that is new; and `end`, with the number of records
 * begun in between. */
void run_begin(const char *program);
void run_end(void);

/* The id of the run, of at most 63 bytes. */
const char *run_id(void);

/* Begin a record of a type: {"type":"..." is written. */
void run_record(const char *type);

/* Count so many records that somebody else has written. */
void run_count(long long n);

/* Write a health_checks record: how a service is, asked from began on, a time
 * of http_clock. */
void run_health(const char *service, double began, bool ok, const char *detail);

/*
 * End the program with 75 if its clock and that of the last answer's Date are
 * more than half a day apart: what it would write now would be older, or newer,
 * than it is, and newer records of the same things would not count.  whose is a
 * name for messages.
 */
struct http;
void run_check_clock(struct http *, const char *whose);

/* End the program with this status, or with 74 if standard output fails, and
 * without an `end`. */
_Noreturn void run_stop(int status);

#endif
