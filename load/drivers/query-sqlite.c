/* SQLite: a statement, and what it gives, value by value. */
#include <err.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/db.h"
#include "lib/ndjson.h"
#include "load/drivers/query.h"

enum kind { PLAIN, JSON_TEXT, BOOLEAN };

struct reading {
	const char *name;
	sqlite3_stmt *rows; /* only to know its columns */
	enum kind *kinds; /* by column */
	char **heads; /* by column: ,"name": */
	int n;
};

/* What a claim takes its rows as, for whom, and until when. */
struct lease {
	char *work, *id; /* id: an expression */
	char now[24], until[24]; /* by the database's clock */
	const struct claim *claim;
	const struct query *wanted;
};

/* Parameters of a claim's statements, behind all conditions. */
enum { WORK = 901, HOLDER, RUN, NOW, UNTIL, LIMIT };

static sqlite3 *db;

static void
list_names(void)
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
check_name(const char *name)
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
column(const struct reading *q, const char *text, size_t len)
{
	for (int i = 0; i < q->n; i++) {
		const char *name = sqlite3_column_name(q->rows, i);

		if (strlen(name) == len && strncmp(name, text, len) == 0)
			return i;
	}
	errx(EX_USAGE, "%s has no column '%.*s'", q->name, (int)len, text);
}

static void
find_kinds(struct reading *q)
{
	sqlite3_stmt *stmt = db_prepare(db,
	    "SELECT max(kind) FROM column_kinds WHERE column_name = ?1 "
	    "AND kind IN ('boolean', 'json', 'times') "
	    "AND (table_name = ?2 OR NOT EXISTS (SELECT 1 FROM sqlite_master "
	    "WHERE name = ?2 AND type = 'table'))");

	q->kinds = query_must(calloc((size_t)q->n, sizeof(*q->kinds)));
	for (int i = 0; i < q->n; i++) {
		const char *kind;

		sqlite3_bind_text(stmt, 1, sqlite3_column_name(q->rows, i), -1,
		    SQLITE_STATIC);
		sqlite3_bind_text(stmt, 2, q->name, -1, SQLITE_STATIC);
		db_step(db, stmt);
		kind = (const char *)sqlite3_column_text(stmt, 0);
		if (kind != NULL)
			q->kinds[i] =
			    strcmp(kind, "boolean") == 0 ? BOOLEAN : JSON_TEXT;
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
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
add_condition(const struct reading *q, sqlite3_str *sql,
    const struct condition *c, int number)
{
	int i = column(q, c->column, c->len);
	const char *name = sqlite3_column_name(q->rows, i), *op = c->sign;

	if (strcmp(op, "=") == 0)
		op = "IS";
	else if (strcmp(op, "!=") == 0)
		op = "IS NOT";
	sqlite3_str_appendall(sql, number == 1 ? " WHERE " : " AND ");
	if (sqlite3_column_decltype(q->rows, i) == NULL && c->value != NULL &&
	    is_number(c->value))
		sqlite3_str_appendf(sql,
		    "CASE typeof(\"%w\") WHEN 'text' THEN \"%w\" %s ?%d "
		    "ELSE \"%w\" %s CAST(?%d AS NUMERIC) END",
		    name, name, op, number, name, op, number);
	else
		sqlite3_str_appendf(sql, "\"%w\" %s ?%d", name, op, number);
}

static void
add_order(const struct reading *q, sqlite3_str *sql, const char *list)
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
bind(const struct reading *q, sqlite3_stmt *stmt, int number,
    const struct condition *c)
{
	bool boolean = q->kinds[column(q, c->column, c->len)] == BOOLEAN;

	if (c->value == NULL)
		sqlite3_bind_null(stmt, number);
	else if (boolean && strcmp(c->value, "true") == 0)
		sqlite3_bind_int(stmt, number, 1);
	else if (boolean && strcmp(c->value, "false") == 0)
		sqlite3_bind_int(stmt, number, 0);
	else
		sqlite3_bind_text(stmt, number, c->value, -1, SQLITE_STATIC);
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
	copy = query_must(malloc(len));
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
find_heads(struct reading *q)
{
	sqlite3_stmt *stmt = db_prepare(db,
	    "SELECT iif(?1 = 0 AND ?2 = 'type', '{', "
	    "iif(?1 = 0, '{\"type\":' || json_quote(?3) || ',', ',')) "
	    "|| json_quote(?2) || ':'");

	q->heads = query_must(calloc((size_t)q->n, sizeof(*q->heads)));
	for (int i = 0; i < q->n; i++) {
		sqlite3_bind_int(stmt, 1, i);
		sqlite3_bind_text(stmt, 2, sqlite3_column_name(q->rows, i), -1,
		    SQLITE_STATIC);
		sqlite3_bind_text(stmt, 3, q->name, -1, SQLITE_STATIC);
		db_step(db, stmt);
		q->heads[i] = query_must(
		    strdup((const char *)sqlite3_column_text(stmt, 0)));
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
}

static void
put_rows(const struct reading *q, sqlite3_stmt *stmt)
{
	while (db_step(db, stmt)) {
		for (int i = 0; i < q->n; i++) {
			nd_puts(q->heads[i]);
			put_value(stmt, i, q->kinds[i]);
		}
		nd_puts("}\n");
	}
}

static sqlite3_str *
select_all(const struct reading *q)
{
	sqlite3_str *sql = sqlite3_str_new(db);

	sqlite3_str_appendf(sql, "SELECT * FROM \"%w\"", q->name);
	return sql;
}

static sqlite3_stmt *
prepare(sqlite3_str *sql)
{
	char *text = query_must(sqlite3_str_finish(sql));
	sqlite3_stmt *stmt = db_prepare(db, text);

	sqlite3_free(text);
	return stmt;
}

static void
free_reading(struct reading *q)
{
	sqlite3_finalize(q->rows);
	for (int i = 0; i < q->n; i++)
		free(q->heads[i]);
	free(q->heads);
	free(q->kinds);
}

static struct reading
look_at(const struct query *wanted)
{
	struct reading q = {.name = wanted->name};

	check_name(q.name);
	q.rows = prepare(select_all(&q));
	q.n = sqlite3_column_count(q.rows);
	find_kinds(&q);
	find_heads(&q);
	return q;
}

static void
add_conditions(
    const struct reading *q, sqlite3_str *sql, const struct query *wanted)
{
	for (size_t i = 0; i < wanted->n_conditions; i++)
		add_condition(q, sql, &wanted->conditions[i], (int)i + 1);
}

static void
bind_conditions(
    const struct reading *q, sqlite3_stmt *stmt, const struct query *wanted)
{
	for (size_t i = 0; i < wanted->n_conditions; i++)
		bind(q, stmt, (int)i + 1, &wanted->conditions[i]);
}

static void
query(const struct query *wanted)
{
	struct reading q = look_at(wanted);
	sqlite3_str *sql = select_all(&q);
	sqlite3_stmt *stmt;

	add_conditions(&q, sql, wanted);
	if (wanted->order != NULL)
		add_order(&q, sql, wanted->order);
	if (wanted->limit >= 0)
		sqlite3_str_appendf(sql, " LIMIT %d", (int)wanted->limit);
	stmt = prepare(sql);
	bind_conditions(&q, stmt, wanted);
	put_rows(&q, stmt);
	sqlite3_finalize(stmt);
	free_reading(&q);
}

/* What the rows of a view are as work; exit if they are none. */
static void
find_work(const struct reading *q, struct lease *l)
{
	sqlite3_stmt *stmt = db_prepare(
	    db, "SELECT work, columns FROM claimable WHERE name = ?1");
	sqlite3_str *id = sqlite3_str_new(db);
	const char *sign = "", *list;

	sqlite3_bind_text(stmt, 1, q->name, -1, SQLITE_STATIC);
	if (!db_step(db, stmt))
		errx(EX_USAGE, "%s cannot be claimed; see 'db-query claimable'",
		    q->name);
	l->work =
	    query_must(strdup((const char *)sqlite3_column_text(stmt, 0)));
	list = (const char *)sqlite3_column_text(stmt, 1);
	for (size_t len; *list != '\0'; list += len + (list[len] == ',')) {
		len = strcspn(list, ",");
		sqlite3_str_appendf(id, "%s\"%w\"", sign,
		    sqlite3_column_name(q->rows, column(q, list, len)));
		sign = " || ':' || ";
	}
	l->id = query_must(sqlite3_str_finish(id));
	sqlite3_finalize(stmt);
}

/* Run a statement with those of the parameters that it has. */
static void
run(const struct lease *l, sqlite3_stmt *stmt)
{
	const char *const texts[] = {
	    l->work, l->claim->holder, l->claim->run, l->now, l->until};

	for (int i = WORK; i < LIMIT; i++)
		if (i <= sqlite3_bind_parameter_count(stmt))
			sqlite3_bind_text(
			    stmt, i, texts[i - WORK], -1, SQLITE_STATIC);
	if (LIMIT <= sqlite3_bind_parameter_count(stmt))
		sqlite3_bind_int64(stmt, LIMIT, l->wanted->limit);
	while (db_step(db, stmt))
		continue;
	sqlite3_finalize(stmt);
}

static void
read_clock(struct lease *l)
{
	sqlite3_stmt *stmt = db_prepare(db,
	    "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), "
	    "strftime('%Y-%m-%dT%H:%M:%SZ', 'now', ?1 || ' seconds')");

	sqlite3_bind_int64(stmt, 1, l->claim->seconds);
	db_step(db, stmt);
	snprintf(l->now, sizeof(l->now), "%s", sqlite3_column_text(stmt, 0));
	snprintf(
	    l->until, sizeof(l->until), "%s", sqlite3_column_text(stmt, 1));
	sqlite3_finalize(stmt);
}

/* Leases that are over, of work that is done. */
static void
forget(const struct lease *l)
{
	sqlite3_str *sql = sqlite3_str_new(db);

	sqlite3_str_appendf(sql,
	    "DELETE FROM leases WHERE work = ?901 AND leased_until < ?904 "
	    "AND id NOT IN (SELECT %s FROM \"%w\")",
	    l->id, l->wanted->name);
	run(l, prepare(sql));
}

/* Put those that are free into the table `claimed`, in the view's order. */
static void
take(const struct reading *q, const struct lease *l)
{
	sqlite3_str *sql = sqlite3_str_new(db);
	sqlite3_stmt *stmt;

	sqlite3_str_appendf(sql,
	    "CREATE TEMP TABLE claimed AS SELECT *, %s AS \" id\" FROM \"%w\"",
	    l->id, q->name);
	add_conditions(q, sql, l->wanted);
	sqlite3_str_appendf(sql,
	    " %s (%s) NOT IN (SELECT id FROM leases WHERE work = ?901 "
	    "AND leased_until >= ?904 AND (holder <> ?902 OR run_id = ?903))",
	    l->wanted->n_conditions == 0 ? "WHERE" : "AND", l->id);
	stmt = prepare(sql);
	bind_conditions(q, stmt, l->wanted);
	run(l, stmt);
	run(l,
	    db_prepare(db,
		"DELETE FROM claimed WHERE \" id\" NOT IN (SELECT \" id\" "
		"FROM claimed GROUP BY 1 ORDER BY min(rowid) LIMIT ?906)"));
}

static void
lease(const struct lease *l)
{
	run(l,
	    db_prepare(db,
		"INSERT INTO leases SELECT DISTINCT ?901, \" id\", ?902, "
		"?903, ?904, ?905 FROM claimed WHERE true "
		"ON CONFLICT (work, id) DO UPDATE SET "
		"holder = excluded.holder, run_id = excluded.run_id, "
		"claimed_at = excluded.claimed_at, "
		"leased_until = excluded.leased_until"));
}

static void
claim(const struct query *wanted, const struct claim *c)
{
	struct reading q = look_at(wanted);
	struct lease l = {.claim = c, .wanted = wanted};
	sqlite3_stmt *stmt;

	find_work(&q, &l);
	db_exec(db, "BEGIN IMMEDIATE");
	read_clock(&l);
	forget(&l);
	take(&q, &l);
	lease(&l);
	db_exec(db, "COMMIT");
	stmt = db_prepare(db, "SELECT * FROM claimed ORDER BY rowid");
	put_rows(&q, stmt);
	sqlite3_finalize(stmt);
	free(l.work);
	sqlite3_free(l.id);
	free_reading(&q);
}

static void
open_file(const char *url)
{
	db = db_open(url, DB_READ);
}

static void
close_file(void)
{
	db_close(db);
}

const struct querier query_sqlite = {
    open_file, list_names, query, claim, close_file};
