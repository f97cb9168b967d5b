/*
 * ndjson.h - records in, records out: one JSON object a line.
 *
 * What every filter must get right stands here once: bad lines, streams that
 * stop before their end, full disks, readers that leave, and not keeping
 * anybody waiting for what is already known.
 */
#ifndef NDJSON_H
#define NDJSON_H

#include <string.h>

#include "lib/json.h"

#define ND_LINE_MAX (16UL << 20) /* bytes, without the newline */

struct nd_in;

/*
 * Parse no options of its own, but --help and --version and whatever is wrong:
 * for a getopt_long that gave c.  With 'h' the usage, with 'V' the version goes
 * to standard output, and the program ends with 0; else with 64.
 */
_Noreturn void nd_option(int c, char *argv[], const char *usage);

/* The status for a file that cannot be opened, by errno: 75 for want of memory
 * or descriptors, which may be there the next time; or else the one given. */
int nd_status(int otherwise);

/* Open path, or standard input if path is NULL; exit with 64 if it cannot be
 * opened.  nd_close frees it. */
struct nd_in *nd_open(const char *path);
void nd_close(struct nd_in *);

/*
 * The next record that is one strict JSON object of at most ND_LINE_MAX bytes:
 * false at the end.  Its fields are filled; fields[0] must be "type".  A line
 * that is not such an object is reported as bad and skipped; an empty one is
 * skipped without a word.  A `run` record whose `end` did not come by the end
 * of the input is reported then.
 *
 * Before it waits for more input it flushes standard output.  Slices last until
 * the next call.
 */
bool nd_read(struct nd_in *, struct json_field *fields);

/* The same, with all members of the record in place of some. */
bool nd_read_members(struct nd_in *, struct json_members *);

/* Call idle(arg) too when no input has come for so many milliseconds. */
void nd_on_idle(struct nd_in *, int ms, void (*idle)(void *), void *arg);

/* The line of the record just read, without its newline, and its number. */
struct json_slice nd_line(const struct nd_in *);
unsigned long nd_lineno(const struct nd_in *);

/* Report the record just read as bad: input, line number, and this reason. */
void nd_bad(struct nd_in *, const char *why, ...)
    __attribute__((format(printf, 2, 3)));

/* The same of a record that was read before, by its line number. */
void nd_bad_at(struct nd_in *, unsigned long line, const char *why, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether an input has stopped short of the end of its run. */
bool nd_cut_short(void);

/* From now on the exit status is at least that of bad input: 65. */
void nd_failed(void);

/*
 * Write to standard output: bytes as they are, a JSON string that says text
 * (control characters escaped, bytes that are not UTF-8 replaced), a decimal
 * number, a line with its newline.  Exit with 74 if that fails, and die of
 * SIGPIPE if the reader has gone.
 */
void nd_put(struct json_slice);
void nd_put_string(const char *text, size_t len);
void nd_put_int(long long n);
void nd_put_line(struct json_slice);
void nd_flush(void);

/* How many of the left bytes from p on are one character of UTF-8 that is not
 * of ASCII; 0 if none are. */
size_t nd_character(const char *p, size_t left);

#define ND_INT_SIZE 24

/* A number as text, somewhere in buf; where it begins is returned. */
char *nd_int_text(long long n, char buf[ND_INT_SIZE]);

/* A slice as it is, and null where there is none; a text, or null. */
void nd_value(struct json_slice);
void nd_value_str(const char *text);

/* The length of a literal is known to the compiler, if these are inline. */
static inline void
nd_puts(const char *raw)
{
	struct json_slice s = {raw, strlen(raw)};

	nd_put(s);
}

/* Write ,"name":value into a record that has been begun. */
static inline void
nd_name(const char *name)
{
	nd_puts(",\"");
	nd_puts(name);
	nd_puts("\":");
}

static inline void
nd_field(const char *name, struct json_slice val)
{
	nd_name(name);
	nd_value(val);
}

static inline void
nd_field_str(const char *name, const char *text)
{
	nd_name(name);
	nd_value_str(text);
}

static inline void
nd_field_int(const char *name, long long n)
{
	nd_name(name);
	nd_put_int(n);
}

/*
 * Flush and close standard output; main's exit status: 75 if an input stopped
 * short, else 65 if a record was bad, else 0.
 */
int nd_finish(void);

#endif
