/*
 * db-query - rows of a table or a view, as records
 *
 * Each row becomes a record whose type is the table's or the view's name, with
 * all columns in their order, so that db-load can put it into another database.
 * Columns that hold JSON are JSON, and what is NULL is null.
 */
#include <err.h>
#include <float.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/db.h"
#include "lib/ndjson.h"

#define LEASE 600 /* seconds, unless --lease says so */
#define LEASE_MAX (168 * 3600)

enum kind { PLAIN, JSON_TEXT, BOOLEAN };

struct query {
	sqlite3 *db;
	const char *name;
	sqlite3_stmt *rows; /* first only to know its columns */
	enum kind *kinds; /* by column */
	char **heads; /* by column: ,"name": */
	int n;
};

/* What --claim takes its rows as, for whom, and until when. */
struct claim {
	char *work, *id; /* id: an expression */
	char holder[1024], run[256];
	char now[24], until[24]; /* by the database's clock */
	long seconds;
};

/* Parameters of a claim's statements, behind all conditions. */
enum { WORK = 901, HOLDER, RUN, NOW, UNTIL, LIMIT };

static const char usage[] =
    "usage: db-query [-d URL] [--order COLUMN,...] [--limit N] NAME "
    "[CONDITION...]\n"
    "       db-query --claim [--lease TIME] [--limit N] NAME [CONDITION...]\n"
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
    "      --claim         only those that nobody has a lease on, and lease "
    "them\n"
    "      --lease TIME    for so long: 600s, 10m, 2h (10m)\n"
    "      --holder NAME   who takes it (SELLERPIPE_HOLDER, else host and "
    "folder)\n"
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
	    "AND kind IN ('boolean', 'json', 'times') "
	    "AND (table_name = ?2 OR NOT EXISTS (SELECT 1 FROM sqlite_master "
	    "WHERE name = ?2 AND type = 'table'))");

	q->kinds = must(calloc((size_t)q->n, sizeof(*q->kinds)));
	for (int i = 0; i < q->n; i++) {
		const char *kind;

		sqlite3_bind_text(stmt, 1, sqlite3_column_name(q->rows, i), -1,
		    SQLITE_STATIC);
		sqlite3_bind_text(stmt, 2, q->name, -1, SQLITE_STATIC);
		db_step(q->db, stmt);
		kind = (const char *)sqlite3_column_text(stmt, 0);
		if (kind != NULL)
			q->kinds[i] =
			    strcmp(kind, "boolean") == 0 ? BOOLEAN : JSON_TEXT;
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

static bool
is_number(const char *text)
{
	char *end;

	strtod(text, &end);
	return end != text && *end == '\0' &&
	    text[strspn(text, "+-.0123456789Ee")] == '\0';
}

/*
 * Append a condition; its value becomes parameter number, a text that SQLite
 * adapts to the column.  An expression in a view has no type to adapt it to:
 * there each row's own type decides.
 */
static void
add_condition(
    const struct query *q, sqlite3_str *sql, const char *text, int number)
{
	size_t len = strcspn(text, "!<>=");
	const char *sign = operator(text + len), *op = sign, *name;
	int i;

	if (len == 0 || sign == NULL)
		errx(EX_USAGE, "'%s' is no condition, such as asin=B00TEST001",
		    text);
	if (strcmp(sign, "=") == 0)
		op = "IS";
	else if (strcmp(sign, "!=") == 0)
		op = "IS NOT";
	i = column(q, text, len);
	name = sqlite3_column_name(q->rows, i);
	sqlite3_str_appendall(sql, number == 1 ? " WHERE " : " AND ");
	if (sqlite3_column_decltype(q->rows, i) == NULL &&
	    is_number(text + len + strlen(sign)))
		sqlite3_str_appendf(sql,
		    "CASE typeof(\"%w\") WHEN 'text' THEN \"%w\" %s ?%d "
		    "ELSE \"%w\" %s CAST(?%d AS NUMERIC) END",
		    name, name, op, number, name, op, number);
	else
		sqlite3_str_appendf(sql, "\"%w\" %s ?%d", name, op, number);
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

static void
bind(const struct query *q, sqlite3_stmt *stmt, int number, const char *text)
{
	size_t len = strcspn(text, "!<>=");
	const char *value = text + len + strlen(operator(text + len));
	bool boolean = q->kinds[column(q, text, len)] == BOOLEAN;

	if (strcmp(value, "null") == 0)
		sqlite3_bind_null(stmt, number);
	else if (boolean && strcmp(value, "true") == 0)
		sqlite3_bind_int(stmt, number, 1);
	else if (boolean && strcmp(value, "false") == 0)
		sqlite3_bind_int(stmt, number, 0);
	else
		sqlite3_bind_text(stmt, number, value, -1, SQLITE_STATIC);
}

/* The shortest text of up to 17 digits that says it. */
static void
put_real(double x)
{
	char text[40];

	for (int digits = 15; digits <= 17; digits++) {
		double again;

		snprintf(text, sizeof(text), "%.*g", digits, x);
		again = strtod(text, NULL);
		if (!(again < x) && !(again > x))
			break;
	}
	/* JSON has no word for infinity, but numbers that are too large. */
	if (x > DBL_MAX || x < -DBL_MAX)
		nd_puts(x > 0 ? "9e999" : "-9e999");
	else
		nd_puts(text);
}

/* A NUL, which no text of ours holds, is replaced like what is not UTF-8. */
static void
put_text(const char *text, size_t len)
{
	char *copy;

	if (memchr(text, '\0', len) == NULL) {
		nd_put_string(text, len);
		return;
	}
	copy = must(malloc(len));
	for (size_t i = 0; i < len; i++)
		copy[i] = text[i] == '\0' ? '\xff' : text[i];
	nd_put_string(copy, len);
	free(copy);
}

/* JSON that somebody wrote over several lines must not end the record; what is
 * no JSON at all is a text. */
static void
put_json(const char *text, size_t len)
{
	struct json_slice part = {text, len};
	struct json_error e;
	const char *newline;

	if (!json_valid(part, &e)) {
		put_text(text, len);
		return;
	}
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
			put_text(text, len);
	}
}

/* What stands before the value of each column.  A view of several types says
 * itself, in its first column, which a row is of. */
static void
find_heads(struct query *q)
{
	sqlite3_stmt *stmt = db_prepare(q->db,
	    "SELECT iif(?1 = 0 AND ?2 = 'type', '{', "
	    "iif(?1 = 0, '{\"type\":' || json_quote(?3) || ',', ',')) "
	    "|| json_quote(?2) || ':'");

	q->heads = must(calloc((size_t)q->n, sizeof(*q->heads)));
	for (int i = 0; i < q->n; i++) {
		sqlite3_bind_int(stmt, 1, i);
		sqlite3_bind_text(stmt, 2, sqlite3_column_name(q->rows, i), -1,
		    SQLITE_STATIC);
		sqlite3_bind_text(stmt, 3, q->name, -1, SQLITE_STATIC);
		db_step(q->db, stmt);
		q->heads[i] =
		    must(strdup((const char *)sqlite3_column_text(stmt, 0)));
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
}

static void
put_rows(const struct query *q, sqlite3_stmt *stmt)
{
	while (db_step(q->db, stmt)) {
		for (int i = 0; i < q->n; i++) {
			nd_puts(q->heads[i]);
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

/* What the rows of a view are as work; exit if they are none. */
static void
find_work(const struct query *q, struct claim *c)
{
	sqlite3_stmt *stmt = db_prepare(
	    q->db, "SELECT work, columns FROM claimable WHERE name = ?1");
	sqlite3_str *id = sqlite3_str_new(q->db);
	const char *sign = "", *list;

	sqlite3_bind_text(stmt, 1, q->name, -1, SQLITE_STATIC);
	if (!db_step(q->db, stmt))
		errx(EX_USAGE, "%s cannot be claimed; see 'db-query claimable'",
		    q->name);
	c->work = must(strdup((const char *)sqlite3_column_text(stmt, 0)));
	list = (const char *)sqlite3_column_text(stmt, 1);
	for (size_t len; *list != '\0'; list += len + (list[len] == ',')) {
		len = strcspn(list, ",");
		sqlite3_str_appendf(id, "%s\"%w\"", sign,
		    sqlite3_column_name(q->rows, column(q, list, len)));
		sign = " || ':' || ";
	}
	c->id = must(sqlite3_str_finish(id));
	sqlite3_finalize(stmt);
}

/* Run a statement of a claim's. */
static void
run(const struct query *q, const struct claim *c, long limit, sqlite3_str *sql,
    char *const *conditions)
{
	const char *const texts[] = {
	    c->work, c->holder, c->run, c->now, c->until};
	sqlite3_stmt *stmt = prepare(q, sql);

	for (int i = 0; conditions[i] != NULL; i++)
		bind(q, stmt, i + 1, conditions[i]);
	for (int i = 0; i < LIMIT - WORK; i++) /* those that it has */
		sqlite3_bind_text(stmt, WORK + i, texts[i], -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, LIMIT, limit);
	while (db_step(q->db, stmt))
		continue;
	sqlite3_finalize(stmt);
}

static void
read_clock(const struct query *q, struct claim *c)
{
	sqlite3_stmt *stmt = db_prepare(q->db,
	    "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), "
	    "strftime('%Y-%m-%dT%H:%M:%SZ', 'now', ?1 || ' seconds')");

	sqlite3_bind_int64(stmt, 1, c->seconds);
	db_step(q->db, stmt);
	snprintf(c->now, sizeof(c->now), "%s", sqlite3_column_text(stmt, 0));
	snprintf(
	    c->until, sizeof(c->until), "%s", sqlite3_column_text(stmt, 1));
	sqlite3_finalize(stmt);
}

/* Put those that are free into the table `claimed`, in the view's order, and
 * lease them.  A limit is one of pieces of work, which can have several rows.
 */
static void
take(const struct query *q, const struct claim *c, long limit,
    char *const *conditions)
{
	char *const none[] = {NULL};
	sqlite3_str *sql = sqlite3_str_new(q->db);
	int i;

	sqlite3_str_appendf(sql,
	    "CREATE TEMP TABLE claimed AS SELECT *, %s AS \" id\" FROM \"%w\"",
	    c->id, q->name);
	for (i = 0; conditions[i] != NULL; i++)
		add_condition(q, sql, conditions[i], i + 1);
	sqlite3_str_appendf(sql,
	    " %s (%s) NOT IN (SELECT id FROM leases WHERE work = ?901 "
	    "AND leased_until >= ?904 AND (holder <> ?902 OR run_id = ?903))",
	    i == 0 ? "WHERE" : "AND", c->id);
	run(q, c, limit, sql, conditions);

	sql = sqlite3_str_new(q->db);
	sqlite3_str_appendall(sql,
	    "DELETE FROM claimed WHERE \" id\" NOT IN (SELECT \" id\" "
	    "FROM claimed GROUP BY 1 ORDER BY min(rowid) LIMIT ?906)");
	run(q, c, limit, sql, none);

	sql = sqlite3_str_new(q->db);
	sqlite3_str_appendall(sql,
	    "INSERT INTO leases SELECT DISTINCT ?901, \" id\", ?902, ?903, "
	    "?904, ?905 FROM claimed WHERE true ON CONFLICT (work, id) DO "
	    "UPDATE SET holder = excluded.holder, run_id = excluded.run_id, "
	    "claimed_at = excluded.claimed_at, "
	    "leased_until = excluded.leased_until");
	run(q, c, limit, sql, none);
}

/* Leases that are over, of work that is done. */
static void
forget(const struct query *q, const struct claim *c)
{
	char *const none[] = {NULL};
	sqlite3_str *sql = sqlite3_str_new(q->db);

	sqlite3_str_appendf(sql,
	    "DELETE FROM leases WHERE work = ?901 AND leased_until < ?904 "
	    "AND id NOT IN (SELECT %s FROM \"%w\")",
	    c->id, q->name);
	run(q, c, 0, sql, none);
}

/* Nothing is written out before it is leased for good. */
static void
claim(struct query *q, struct claim *c, long limit, char *const *conditions)
{
	sqlite3_stmt *stmt;

	find_work(q, c);
	db_exec(q->db, "BEGIN IMMEDIATE");
	read_clock(q, c);
	forget(q, c);
	take(q, c, limit, conditions);
	db_exec(q->db, "COMMIT");
	stmt = db_prepare(q->db, "SELECT * FROM claimed ORDER BY rowid");
	put_rows(q, stmt);
	sqlite3_finalize(stmt);
	free(c->work);
	sqlite3_free(c->id);
}

static void
query(struct query *q, const char *order, long limit, char *const *conditions)
{
	sqlite3_stmt *stmt;
	sqlite3_str *sql = select_all(q);

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
}

/* Find out what its columns are. */
static void
look_at(struct query *q)
{
	check_name(q->db, q->name);
	q->rows = prepare(q, select_all(q));
	q->n = sqlite3_column_count(q->rows);
	find_kinds(q);
	find_heads(q);
}

static void
forget_columns(struct query *q)
{
	sqlite3_finalize(q->rows);
	for (int i = 0; i < q->n; i++)
		free(q->heads[i]);
	free(q->heads);
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

/* A time such as 600s, 10m or 2h, in seconds. */
static long
read_lease(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);
	long unit = *end == 's' ? 1 : *end == 'm' ? 60 : *end == 'h' ? 3600 : 0;

	if (*text < '0' || *text > '9' || unit == 0 || end[1] != '\0' ||
	    n < 1 || n > LEASE_MAX / unit)
		errx(EX_USAGE,
		    "--lease '%s' is no time such as 600s, 10m or 2h, up to "
		    "168h",
		    text);
	return n * unit;
}

/* Who claims: the machine and the folder, unless we are told. */
static void
find_holder(struct claim *c, const char *holder)
{
	char host[256] = "", folder[sizeof(c->holder) - sizeof(host)] = "";
	const char *run = getenv("SELLERPIPE_RUN");

	if (holder == NULL)
		holder = getenv("SELLERPIPE_HOLDER");
	if (holder == NULL || *holder == '\0') {
		gethostname(host, sizeof(host) - 1);
		if (getcwd(folder, sizeof(folder)) == NULL)
			err(EX_NOINPUT, "cannot tell the current folder");
		snprintf(c->holder, sizeof(c->holder), "%s:%s", host, folder);
	} else if (snprintf(c->holder, sizeof(c->holder), "%s", holder) >=
	    (int)sizeof(c->holder)) {
		errx(EX_USAGE, "the holder's name is too long");
	}
	if (run == NULL || *run == '\0')
		snprintf(c->run, sizeof(c->run), "%ld", (long)getpid());
	else
		snprintf(c->run, sizeof(c->run), "%s", run);
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"database", required_argument, NULL, 'd'},
	    {"order", required_argument, NULL, 'o'},
	    {"limit", required_argument, NULL, 'l'},
	    {"claim", no_argument, NULL, 'C'},
	    {"lease", required_argument, NULL, 'E'},
	    {"holder", required_argument, NULL, 'H'},
	    {"list", no_argument, NULL, 'L'}, {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	struct query q = {0};
	struct claim claims = {0};
	const char *url = NULL, *order = NULL, *holder = NULL;
	bool list = false, claiming = false;
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
		else if (c == 'C')
			claiming = true;
		else if (c == 'E')
			claims.seconds = read_lease(optarg);
		else if (c == 'H')
			holder = optarg;
		else
			nd_option(c, argv, usage);
	}
	if (!list && optind == argc)
		errx(EX_USAGE, "what table or view? see --help and --list");
	if (list && optind < argc)
		errx(
		    EX_USAGE, "unknown operand '%s'; see --help", argv[optind]);
	if (!claiming && (claims.seconds != 0 || holder != NULL))
		errx(EX_USAGE, "--lease and --holder belong to --claim");
	if (claiming && (list || order != NULL))
		errx(EX_USAGE,
		    "--claim goes by the view's own order, and not "
		    "with --order or --list");
	if (claiming)
		find_holder(&claims, holder);
	if (claims.seconds == 0)
		claims.seconds = LEASE;

	q.db = db_open(url, DB_READ);
	if (list) {
		list_names(q.db);
	} else {
		q.name = argv[optind];
		look_at(&q);
		if (claiming)
			claim(&q, &claims, limit, argv + optind + 1);
		else
			query(&q, order, limit, argv + optind + 1);
		forget_columns(&q);
	}
	db_close(q.db);
	return nd_finish();
}
