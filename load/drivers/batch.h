/*
 * batch.h - records that go to a server together, in one transaction.
 *
 * A group holds records of one table with the same columns, which one statement
 * can store.  None of them is of the same row as another, but for the groups
 * that say `again`: their records are stored one after the other.  Groups are
 * stored in their order, in which records of the same row are as they came.
 */
#ifndef BATCH_H
#define BATCH_H

#include <stdint.h>

#include "load/drivers/load.h"

struct group {
	struct table *table;
	enum op op;
	bool again;
	bool straight; /* the driver's: it goes straight into its table */
	int *columns, n; /* in the order of the values */
	char *buf; /* the records, as the driver writes them */
	size_t len; /* of them; the driver adds what it writes */
	size_t cap;
	unsigned long *lines; /* of the input, by record */
	size_t records, lines_cap;
};

/* It begins as all zeros. */
struct batch {
	struct group *groups;
	size_t n, cap; /* cap: those that have memory to be used again */
	size_t bytes; /* of all groups; the driver adds what it writes */
	size_t records;
	uint64_t *seen; /* hashes of the rows' keys */
	uint32_t *seen_in; /* and the group that each was last in, from 1 */
	size_t seen_cap;
};

/*
 * The group for the record at hand, whose values are decoded: the record counts
 * in it from now on, and is to be written to the end of its buf.  NULL if it
 * needs one group more than there can be (100): the batch has to go first.
 */
struct group *batch_add(
    struct batch *, struct table *, enum op, unsigned long line);

/* Make room for more bytes at the end of a group's buf; give where they go. */
char *batch_room(struct group *, size_t more);

/* Empty it, for other records; free all that it has. */
void batch_clear(struct batch *);
void batch_free(struct batch *);

/*
 * The bytes of a text of JSON before its first NUL, which is 6 bytes, \u0000;
 * all if it has none.  It is the one escape that PostgreSQL takes in no text of
 * JSON, not even where it only passes it on: what is stored is BATCH_NUL.
 */
size_t batch_before_nul(struct json_slice);
#define BATCH_NUL "\\ufffd"

/* Write a number of NUMBER_MAX bytes at most, with all its digits, as a server
 * reads it: what is too small for it, as 0.  Give where it ends. */
#define NUMBER_MAX 32
char *batch_put_real(char *to, const struct column *);

/* What an op is called. */
const char *batch_op(enum op);

#endif
