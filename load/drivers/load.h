/*
 * load.h - between db-load and the kinds of databases that it loads into.
 *
 * db-load reads records and holds their values to the columns; a loader does
 * what is left to do with a database of its kind.  What it cannot do ends the
 * program, with the statuses and messages of db-load(1).
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/json.h"

struct nd_in;

/* What column_kinds says of a column, see load/schema. */
enum kind { PLAIN, JSON_TEXT, BOOLEAN, VERSION, TIMES, FIRST };
enum op { UPSERT, UPDATE, DELETE };

/* What a column can hold. */
enum type {
	TYPE_TEXT,
	TYPE_INTEGER,
	TYPE_REAL,
	TYPE_BOOLEAN, /* from here on not of SQLite, where kinds tell them */
	TYPE_JSON,
	TYPE_TIME,
	TYPE_DAY
};

/* A value as its column holds it; a text lasts as long as the record. */
struct value {
	enum { VALUE_NULL, VALUE_INTEGER, VALUE_REAL, VALUE_TEXT } kind;
	long long n; /* a boolean's, too: 0 or 1 */
	double x;
	struct json_slice text;
};

struct column {
	char *name;
	size_t len; /* of it */
	enum type type;
	int key; /* its place in the primary key, from 1; 0: none */
	enum kind kind;
	struct json_slice val; /* in the record at hand */
	struct value value; /* what that says */
};

struct table {
	char *name;
	struct column *columns;
	int n_columns, n_keys;
	int version, times; /* the columns of that kind; -1: none */
	int *came, n_came; /* the columns of the record at hand */
	unsigned long records, refused;
	void *more; /* the loader's own */
};

struct load {
	const struct loader *loader;
	struct nd_in *in;
	struct table *tables, *last; /* last: of the record before */
	size_t n_tables;
	bool init, dry_run;
	unsigned long pending; /* records since the last commit */
	long long began; /* when the first of them came */
	char *text; /* of all strings of a record that had escapes */
	size_t text_cap;
};

struct loader {
	/* Open the database, with the newest schema, and add its tables by
	 * load_table and load_column. */
	void (*open)(struct load *, const char *url);

	/* Take the record at hand, whose values are in its table's columns;
	 * false if it was refused, and reported.  One that is refused only
	 * later is reported then, and moved from records to refused. */
	bool (*store)(struct load *, struct table *, enum op);

	/* See what was taken in the database, for good; or, in a dry run, have
	 * it gone without a trace. */
	void (*commit)(struct load *);
	void (*close)(struct load *);
};

extern const struct loader load_sqlite, load_postgres, load_rest;

/* Add a table; a column to the last table added.  Names are copied. */
struct table *load_table(struct load *, const char *name);
void load_column(
    struct load *, const char *name, enum type, int key, const char *kind);

/* The type that a server's db_tables calls so; false if it is none of these. */
bool load_type(const char *name, enum type *);

/* p, unless there is no memory, which ends the program with 75. */
void *load_must(void *p);

#endif
