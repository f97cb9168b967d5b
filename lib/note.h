/*
 * note.h - what the programs that tell people something have in common.
 */
#ifndef NOTE_H
#define NOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/json.h"

/*
 * Parse the options --dry-run, --max-wait and --check, and those of nd_option:
 * the return value is whether --check was there.  max_wait is left as it is if
 * it was not given.  Exit with 64 if anything else is.
 */
bool note_options(
    int argc, char *argv[], const char *usage, bool *dry_run, double *max_wait);

/* Exit with 78 if a token could not stand in a header. */
void note_check_token(const char *setting, const char *token);

/* Whether a value is a list of records, as `on_sent` has to be, or none. */
bool note_are_records(struct json_slice val);

/* What became of a message. */
struct note {
	struct json_slice id; /* the message's */
	const char *sink, *target;
	const char *remote_id; /* NULL: not known */
	int attempts;
	const char *error; /* NULL: it was sent */
	int64_t sent_at; /* 0: now */
};

/* Write a notifications record; and if it was sent, the records of on_sent. */
void note_put(const struct note *, struct json_slice on_sent);

#endif
