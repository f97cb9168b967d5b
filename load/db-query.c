/*
 * db-query - rows of a table or a view, as records
 *
 * Each row becomes a record whose type is the table's or the view's name, with
 * all columns in their order, so that db-load can put it into another database.
 * Columns that hold JSON are JSON, and what is NULL is null.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/db.h"
#include "lib/ndjson.h"

enum kind { PLAIN, JSON_TEXT, BOOLEAN };

struct query {
	sqlite3 *db;
	const char *name;
	sqlite3_stmt *rows; /* first only to know its columns */
	enum kind *kinds; /* by column */
	int n;
};

static const char usage[] =
    "usage: db-query [-d URL] [--order COLUMN,...] [--limit N] NAME "
    "[CONDITION...]\n"
    "\n"
    "Writes the rows of a table or a view as records.  A condition is a "
    "column,\n"
    "one of = != < <= > >=, and a value; all of them have to hold.  The value\n"
    "null stands for no value.\n"
    "\n"
    "  -d, --database URL  sqlite:FILE (else DATABASE_URL, else amazon.db)\n"
    "  -o, --order LIST    columns to sort by, each with - before it: "
    "downwards\n"
    "  -l, --limit N       at most so many rows\n"
    "      --list          the names of all tables and views\n"
    "      --help, --version\n"
    "\n"
    "example: db-query rank_history asin=B00TEST001 --order -changed_at "
    "--limit 9\n";

static void *
must(void *p)
{
	if (p == NULL)
		err(EX_TEMPFAIL, NULL);
	return p;
}

static void
list_names(sqlite3 *db)
{
	sqlite3_stmt *stmt = db_prepare(db,
	    "SELECT name, type FROM sqlite_master WHERE type IN ('table', "
	    "'view') AND name NOT LIKE 'sqlite_%' ORDER BY type, name");

	while (db_step(db, stmt)) {
		nd_puts("{\"type\":\"names\"");
		nd_field_str(
		    "name", (const char *)sqlite3_column_text(stmt, 0));
		nd_field_str(
		    "kind", (const char *)sqlite3_column_text(stmt, 1));
		nd_puts("}\n");
	}
	sqlite3_finalize(stmt);
}

static void
check_name(sqlite3 *db, const char *name)
{
	sqlite3_stmt *stmt = db_prepare(db,
	    "SELECT 1 FROM sqlite_master WHERE name = ?1 "
	    "AND type IN ('table', 'view')");

	sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	if (!db_step(db, stmt))
		errx(EX_USAGE, "no table or view '%s'; see 'db-query --list'",
		    name);
	sqlite3_finalize(stmt);
}

/* The column whose name is the first len bytes of text; exit if there is none.
 */
static int
column(const struct query *q, const char *text, size_t len)
{
	for (int i = 0; i < q->n; i++) {
		const char *name = sqlite3_column_name(q->rows, i);

		if (strlen(name) == len && strncmp(name, text, len) == 0)
			return i;
	}
	errx(EX_USAGE, "%s has no column '%.*s'", q->name, (int)len, text);
}

static void
find_kinds(struct query *q)
{
	sqlite3_stmt *stmt = db_prepare(q->db,
	    "SELECT max(kind) FROM column_kinds WHERE column_name = ?1 "
	    "AND kind IN ('json', 'boolean') "
	    "AND (table_name = ?2 OR NOT EXISTS (SELECT 1 FROM sqlite_master "
	    "WHERE name = ?2 AND type = 'table'))");

	q->kinds = must(calloc((size_t)q->n + 1, sizeof(*q->kinds)));
	for (int i = 0; i < q->n; i++) {
		const char *kind;

		sqlite3_bind_text(stmt, 1, sqlite3_column_name(q->rows, i), -1,
		    SQLITE_STATIC);
		sqlite3_bind_text(stmt, 2, q->name, -1, SQLITE_STATIC);
		db_step(q->db, stmt);
		kind = (const char *)sqlite3_column_text(stmt, 0);
		if (kind != NULL)
			q->kinds[i] =
			    strcmp(kind, "json") == 0 ? JSON_TEXT : BOOLEAN;
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
}

/* The operator of a condition, behind its column. */
static const char *
operator(const char *p)
{
	static const char *const all[] = {"!=", "<=", ">=", "=", "<", ">"};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strncmp(p, all[i], strlen(all[i])) == 0)
			return all[i];
	return NULL;
}

/* Append a condition; its value becomes parameter number. */
static void
add_condition(
    const struct query *q, sqlite3_str *sql, const char *text, int number)
{
	size_t len = strcspn(text, "!<>=");
	const char *op = operator(text + len);

	if (len == 0 || op == NULL)
		errx(EX_USAGE, "'%s' is no condition, such as asin=B00TEST001",
		    text);
	if (strcmp(op, "=") == 0)
		op = "IS";
	else if (strcmp(op, "!=") == 0)
		op = "IS NOT";
	sqlite3_str_appendf(sql, " %s \"%w\" %s ?%d",
	    number == 1 ? "WHERE" : "AND",
	    sqlite3_column_name(q->rows, column(q, text, len)), op, number);
}

static void
add_order(const struct query *q, sqlite3_str *sql, const char *list)
{
	const char *comma = " ORDER BY";

	for (const char *p = list; *p != '\0'; comma = ",") {
		bool down = *p == '-';
		size_t len = strcspn(p += down, ",");

		sqlite3_str_appendf(sql, "%s \"%w\"%s", comma,
		    sqlite3_column_name(q->rows, column(q, p, len)),
		    down ? " DESC" : "");
		p += len + (p[len] == ',');
	}
}

/* As a number where the column holds numbers, else as a text: a view's column
 * can be an expression, to which SQLite would not adapt the value. */
static void
bind(const struct query *q, sqlite3_stmt *stmt, int number, const char *text)
{
	size_t len = strcspn(text, "!<>=");
	const char *value = text + len + strlen(operator(text + len));
	int i = column(q, text, len);
	const char *type = sqlite3_column_decltype(q->rows, i);
	char *end;
	long long n = strtoll(value, &end, 10);
	bool numeric = end != value && *end == '\0' &&
	    (type == NULL || strcmp(type, "TEXT") != 0);

	if (strcmp(value, "null") == 0)
		sqlite3_bind_null(stmt, number);
	else if (q->kinds[i] == BOOLEAN && strcmp(value, "true") == 0)
		sqlite3_bind_int(stmt, number, 1);
	else if (q->kinds[i] == BOOLEAN && strcmp(value, "false") == 0)
		sqlite3_bind_int(stmt, number, 0);
	else if (numeric)
		sqlite3_bind_int64(stmt, number, n);
	else
		sqlite3_bind_text(stmt, number, value, -1, SQLITE_STATIC);
}

static void
put_real(double x)
{
	char text[40];

	snprintf(text, sizeof(text), "%.15g", x);
	if (strtod(text, NULL) < x || strtod(text, NULL) > x)
		snprintf(text, sizeof(text), "%.17g", x);
	nd_puts(text);
}

/* JSON that somebody wrote over several lines must not end the record. */
static void
put_json(const char *text, size_t len)
{
	struct json_slice part = {text, len};
	const char *newline;

	while ((newline = memchr(part.s, '\n', part.len)) != NULL) {
		struct json_slice line = {part.s, (size_t)(newline - part.s)};

		nd_put(line);
		nd_puts(" ");
		part.len -= line.len + 1;
		part.s = newline + 1;
	}
	nd_put(part);
}

static void
put_value(sqlite3_stmt *stmt, int i, enum kind kind)
{
	const char *text;
	size_t len;

	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_NULL:
		nd_puts("null");
		break;
	case SQLITE_INTEGER:
		if (kind == BOOLEAN)
			nd_puts(sqlite3_column_int(stmt, i) ? "true" : "false");
		else
			nd_put_int(sqlite3_column_int64(stmt, i));
		break;
	case SQLITE_FLOAT:
		put_real(sqlite3_column_double(stmt, i));
		break;
	default:
		text = (const char *)sqlite3_column_text(stmt, i);
		len = (size_t)sqlite3_column_bytes(stmt, i);
		if (kind == JSON_TEXT)
			put_json(text, len);
		else
			nd_put_string(text, len);
	}
}

static void
put_rows(const struct query *q, sqlite3_stmt *stmt)
{
	while (db_step(q->db, stmt)) {
		nd_puts("{\"type\":\"");
		nd_puts(q->name);
		nd_puts("\"");
		for (int i = 0; i < q->n; i++) {
			nd_puts(",\"");
			nd_puts(sqlite3_column_name(stmt, i));
			nd_puts("\":");
			put_value(stmt, i, q->kinds[i]);
		}
		nd_puts("}\n");
	}
}

static sqlite3_str *
select_all(const struct query *q)
{
	sqlite3_str *sql = sqlite3_str_new(q->db);

	sqlite3_str_appendf(sql, "SELECT * FROM \"%w\"", q->name);
	return sql;
}

static sqlite3_stmt *
prepare(const struct query *q, sqlite3_str *sql)
{
	char *text = must(sqlite3_str_finish(sql));
	sqlite3_stmt *stmt = db_prepare(q->db, text);

	sqlite3_free(text);
	return stmt;
}

static void
query(struct query *q, const char *order, long limit, char *const *conditions)
{
	sqlite3_stmt *stmt;
	sqlite3_str *sql;

	check_name(q->db, q->name);
	q->rows = prepare(q, select_all(q));
	q->n = sqlite3_column_count(q->rows);
	find_kinds(q);

	sql = select_all(q);
	for (int i = 0; conditions[i] != NULL; i++)
		add_condition(q, sql, conditions[i], i + 1);
	if (order != NULL)
		add_order(q, sql, order);
	if (limit >= 0)
		sqlite3_str_appendf(sql, " LIMIT %d", (int)limit);
	stmt = prepare(q, sql);
	for (int i = 0; conditions[i] != NULL; i++)
		bind(q, stmt, i + 1, conditions[i]);
	put_rows(q, stmt);
	sqlite3_finalize(stmt);
	sqlite3_finalize(q->rows);
	free(q->kinds);
}

static long
read_limit(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < 0 || n > 2000000000)
		errx(EX_USAGE, "--limit '%s' is no number of rows", text);
	return n;
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"database", required_argument, NULL, 'd'},
	    {"order", required_argument, NULL, 'o'},
	    {"limit", required_argument, NULL, 'l'},
	    {"list", no_argument, NULL, 'L'}, {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	struct query q = {NULL, NULL, NULL, NULL, 0};
	const char *url = NULL, *order = NULL;
	bool list = false;
	long limit = -1;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "d:o:l:", options, NULL)) != -1) {
		if (c == 'd')
			url = optarg;
		else if (c == 'o')
			order = optarg;
		else if (c == 'l')
			limit = read_limit(optarg);
		else if (c == 'L')
			list = true;
		else
			nd_option(c, argv, usage);
	}
	if (!list && optind == argc)
		errx(EX_USAGE, "what table or view? see --help and --list");

	q.db = db_open(url, false);
	if (list) {
		list_names(q.db);
	} else {
		q.name = argv[optind];
		query(&q, order, limit, argv + optind + 1);
	}
	db_close(q.db);
	return nd_finish();
}
