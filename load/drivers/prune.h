/*
 * prune.h - between db-prune and the kinds of databases that it prunes.
 *
 * What cannot be done ends the program, with the statuses and messages of
 * db-prune(1).
 */
#ifndef PRUNE_H
#define PRUNE_H

/* What can be removed, if it is older than so many days. */
enum prune_kind {
	PRUNE_RAW, /* raw answers of looks */
	PRUNE_RUNS,
	PRUNE_CHECKS,
	PRUNE_KINDS
};

struct pruner {
	void (*open)(const char *url); /* it has to be there */

	/* How many there are; remove them, about a thousand in a transaction,
	 * and say how many that were. */
	long long (*count)(enum prune_kind, long days);
	long long (*prune)(enum prune_kind, long days);
	void (*close)(void);
};

extern const struct pruner prune_sqlite, prune_postgres, prune_rest;

#endif
