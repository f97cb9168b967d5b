/* SQLite: each record by the statement for its columns, as it comes. */
#include <stdlib.h>
#include <string.h>

#include "lib/db.h"
#include "lib/ndjson.h"
#include "load/drivers/load.h"

#define SHAPES_MAX 64 /* kept per table; a stream has a few */

/* Records with the same columns in the same order go by the same statement. */
struct shape {
	enum op op;
	int n;
	int *columns;
	sqlite3_stmt *stmt;
};

struct shapes {
	struct shape *v[SHAPES_MAX]; /* the last one used is first */
	size_t n;
};

/* A statement that is being written. */
struct sql {
	sqlite3_str *str;
	const struct table *table;
	const struct shape *shape;
};

static sqlite3 *db;
static bool in_transaction;

static void put_time(const struct sql *, int column, bool of_row);

static void
read_columns(struct load *load, const char *table)
{
	sqlite3_stmt *stmt = db_prepare(db,
	    "SELECT c.name, c.type, c.pk, k.kind FROM pragma_table_info(?1) c "
	    "LEFT JOIN column_kinds k "
	    "ON k.table_name = ?1 AND k.column_name = c.name");

	sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
	while (db_step(db, stmt)) {
		/* of STRICT tables: INTEGER, REAL, TEXT */
		char type = *(const char *)sqlite3_column_text(stmt, 1);

		load_column(load, (const char *)sqlite3_column_text(stmt, 0),
		    type == 'I'       ? TYPE_INTEGER
			: type == 'R' ? TYPE_REAL
				      : TYPE_TEXT,
		    sqlite3_column_int(stmt, 2),
		    (const char *)sqlite3_column_text(stmt, 3));
	}
	sqlite3_finalize(stmt);
}

/* A table without a key, which only a user can have added, is left alone. */
static void
read_tables(struct load *load)
{
	sqlite3_stmt *stmt = db_prepare(db,
	    "SELECT name FROM pragma_table_list t WHERE schema = 'main' "
	    "AND type = 'table' AND strict AND name <> 'column_kinds' "
	    "AND EXISTS (SELECT 1 FROM pragma_table_info(t.name) WHERE pk) "
	    "ORDER BY name");

	while (db_step(db, stmt)) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);

		load_table(load, name)->more =
		    load_must(calloc(1, sizeof(struct shapes)));
		read_columns(load, name);
	}
	sqlite3_finalize(stmt);
}

static void
open_file(struct load *load, const char *url)
{
	db = db_open(url, load->dry_run ? DB_TRY : DB_WRITE);
	read_tables(load);
}

static bool
names(const struct shape *sh, int column)
{
	for (int i = 0; i < sh->n; i++)
		if (sh->columns[i] == column)
			return true;
	return false;
}

/* Whether each column of the row has a time of its own, and the record one. */
static bool
by_column(const struct table *t, const struct shape *sh)
{
	return t->times != -1 && names(sh, t->version);
}

/*
 * Write SQL by a template, in which stand for a column
 *
 *     @t @c @s  its table's and its own name; its name within a text
 *     @p        the parameter that is the record's value of it
 *     @o @n     its value in the row, and as the record has it
 *     @O @N     as of when these are; '' comes before all times
 *     @V        the later one of the row's and the record's versions
 *
 * All names come from the schema.
 */
static void
put(const struct sql *q, int column, const char *template)
{
	const struct table *t = q->table;

	for (const char *p = template; *p != '\0'; p++) {
		if (*p != '@')
			sqlite3_str_appendchar(q->str, 1, *p);
		else if (*++p == 't')
			sqlite3_str_appendf(q->str, "\"%w\"", t->name);
		else if (*p == 'c')
			sqlite3_str_appendf(
			    q->str, "\"%w\"", t->columns[column].name);
		else if (*p == 's')
			sqlite3_str_appendf(
			    q->str, "%q", t->columns[column].name);
		else if (*p == 'p')
			sqlite3_str_appendf(q->str, "?%d", column + 1);
		else if (*p == 'o')
			put(q, column, "@t.@c");
		else if (*p == 'n')
			put(q, column,
			    q->shape->op == UPSERT ? "excluded.@c" : "@p");
		else if (*p == 'V')
			put(q, t->version,
			    "max(coalesce(@o, ''), coalesce(@n, ''))");
		else
			put_time(q, column, *p == 'O');
	}
}

static void
put_time(const struct sql *q, int column, bool of_row)
{
	const struct table *t = q->table;

	put(q, t->version, "coalesce(");
	if (of_row || names(q->shape, t->times)) {
		put(q, t->times,
		    of_row ? "json_extract(@o" : "json_extract(@n");
		put(q, column, ", '$.@s'), ");
	}
	put(q, t->version, of_row ? "@o, '')" : "@n, '')");
}

/* The template for each column of the key; or of the record. */
static void
put_key(const struct sql *q, const char *between, const char *template)
{
	const char *comma = "";

	for (int i = 0; i < q->table->n_columns; i++) {
		if (q->table->columns[i].key == 0)
			continue;
		put(q, i, comma);
		put(q, i, template);
		comma = between;
	}
}

static void
put_named(const struct sql *q, const char *template)
{
	for (int i = 0; i < q->shape->n; i++) {
		put(q, 0, i == 0 ? "" : ", ");
		put(q, q->shape->columns[i], template);
	}
}

/* The template for each column of the record but its key. */
static void
put_values(const struct sql *q, const char *between,
    const char *(*template)(const struct sql *, enum kind))
{
	const char *comma = "";

	for (int i = 0; i < q->shape->n; i++) {
		int n = q->shape->columns[i];
		const struct column *c = &q->table->columns[n];

		if (c->key != 0 || template(q, c->kind) == NULL)
			continue;
		put(q, n, comma);
		put(q, n, template(q, c->kind));
		comma = between;
	}
}

static const char *
set(const struct sql *q, enum kind kind)
{
	if (!by_column(q->table, q->shape))
		return kind == FIRST ? "@c = coalesce(min(@o, @n), @o, @n)"
				     : "@c = @n";
	if (kind == TIMES)
		return NULL; /* put_times sets it */
	return kind == VERSION ? "@c = nullif(@V, '')"
			       : "@c = CASE WHEN @N >= @O THEN @n ELSE @o END";
}

static const char *
differs(const struct sql *q, enum kind kind)
{
	if (!by_column(q->table, q->shape))
		return "@o IS NOT @n";
	if (kind == TIMES)
		return NULL;
	return kind == VERSION ? "@n > coalesce(@o, '')"
			       : "@N > @O OR @N = @O AND @o IS NOT @n";
}

/* The times of the columns that are not as of the newest version. */
static void
put_times(const struct sql *q)
{
	const struct table *t = q->table;
	const char *from = "FROM (";

	put(q, t->times,
	    ", @c = (SELECT nullif(json_group_object(name, at), '{}') ");
	for (int i = 0; i < t->n_columns; i++) {
		if (t->columns[i].key != 0 || i == t->version || i == t->times)
			continue;
		put(q, i, from);
		put(q, i,
		    names(q->shape, i)
			? "SELECT '@s' AS name, max(@O, @N) AS at"
			: "SELECT '@s' AS name, @O AS at");
		from = " UNION ALL ";
	}
	put(q, t->version, ") WHERE at < @V)");
}

/* Of a new row, the times of the columns that the record does not name. */
static void
put_first_times(const struct sql *q)
{
	const struct table *t = q->table;
	const char *comma = ", '{";

	for (int i = 0; i < t->n_columns; i++) {
		if (i == t->times || names(q->shape, i))
			continue;
		put(q, i, comma);
		put(q, i, "\"@s\":\"\"");
		comma = ",";
	}
	put(q, t->times, "}'");
}

static void
put_insert(const struct sql *q)
{
	const struct table *t = q->table;
	bool times = by_column(t, q->shape) && !names(q->shape, t->times) &&
	    q->shape->n < t->n_columns - 1;

	put(q, 0, "INSERT INTO @t (");
	put_named(q, "@c");
	put(q, t->times, times ? ", @c" : "");
	put(q, 0, ") VALUES (");
	put_named(q, "@p");
	if (times)
		put_first_times(q);
	put(q, 0, ") ON CONFLICT (");
	put_key(q, ", ", "@c");
	put(q, 0, ") DO ");
}

/* Only by a record that is not older, and that changes something; where each
 * column has a time, an older one may still have the last word on some. */
static void
put_update(const struct sql *q)
{
	const struct table *t = q->table;
	bool each = by_column(t, q->shape);

	put(q, 0, q->shape->op == UPSERT ? "UPDATE SET " : "UPDATE @t SET ");
	put_values(q, ", ", set);
	if (each)
		put_times(q);
	put(q, 0, " WHERE (");
	put_values(q, " OR ", differs);
	put(q, 0, ")");
	if (!each && t->version != -1 && names(q->shape, t->version))
		put(q, t->version, " AND (@o IS NULL OR @n >= @o)");
	if (q->shape->op == UPDATE)
		put_key(q, "", " AND @c = @p");
}

static sqlite3_stmt *
statement(const struct table *t, const struct shape *sh)
{
	struct sql q = {sqlite3_str_new(db), t, sh};
	sqlite3_stmt *stmt;
	char *text;

	if (sh->op == UPSERT)
		put_insert(&q);
	if (sh->op == DELETE) {
		put(&q, 0, "DELETE FROM @t WHERE ");
		put_key(&q, " AND ", "@c = @p");
	} else if (sh->n > t->n_keys) {
		put_update(&q);
	} else {
		put(&q, 0, sh->op == UPSERT ? "NOTHING" : "SELECT 1");
	}
	text = load_must(sqlite3_str_finish(q.str));
	stmt = db_prepare(db, text);
	sqlite3_free(text);
	return stmt;
}

static void
free_shape(struct shape *sh)
{
	sqlite3_finalize(sh->stmt);
	free(sh->columns);
	free(sh);
}

static struct shape *
new_shape(const struct table *t, enum op op)
{
	struct shape *sh = load_must(calloc(1, sizeof(*sh)));
	size_t size = (size_t)t->n_came * sizeof(*sh->columns);

	sh->op = op;
	sh->n = t->n_came;
	sh->columns = load_must(malloc(size));
	memcpy(sh->columns, t->came, size);
	sh->stmt = statement(t, sh);
	return sh;
}

/* The shape of what came, put first among those of its table. */
static struct shape *
find_shape(struct table *t, enum op op)
{
	size_t size = (size_t)t->n_came * sizeof(*t->came), i;
	struct shapes *shapes = t->more;
	struct shape *sh = NULL;

	for (i = 0; i < shapes->n; i++) {
		sh = shapes->v[i];
		if (sh->op == op && sh->n == t->n_came &&
		    memcmp(sh->columns, t->came, size) == 0)
			break;
	}
	if (i == shapes->n) {
		sh = new_shape(t, op);
		if (shapes->n == SHAPES_MAX)
			free_shape(shapes->v[--i]);
		else
			shapes->n++;
	}
	memmove(shapes->v + 1, shapes->v, i * sizeof(shapes->v[0]));
	shapes->v[0] = sh;
	return sh;
}

static void
bind(sqlite3_stmt *stmt, int i, const struct value *v)
{
	if (v->kind == VALUE_TEXT)
		sqlite3_bind_text(
		    stmt, i, v->text.s, (int)v->text.len, SQLITE_STATIC);
	else if (v->kind == VALUE_INTEGER)
		sqlite3_bind_int64(stmt, i, v->n);
	else if (v->kind == VALUE_REAL)
		sqlite3_bind_double(stmt, i, v->x);
	else
		sqlite3_bind_null(stmt, i);
}

/* Run the statement; a constraint that refuses it refuses the record. */
static bool
run(struct load *load, const struct table *t, sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	/* Its functions of JSON say no, too, where memory is short. */
	if ((rc & 0xff) == SQLITE_CONSTRAINT) {
		sqlite3_reset(stmt);
		rc = sqlite3_step(stmt);
	}
	if (rc == SQLITE_DONE || rc == SQLITE_ROW) {
		sqlite3_reset(stmt);
		return true;
	}
	if ((sqlite3_errcode(db) & 0xff) != SQLITE_CONSTRAINT)
		db_fail(db, "write to");
	nd_bad(load->in, "%s: %s", t->name, sqlite3_errmsg(db));
	sqlite3_reset(stmt);
	return false;
}

static bool
store(struct load *load, struct table *t, enum op op)
{
	const struct shape *sh = find_shape(t, op);

	if (!in_transaction)
		db_exec(db, "BEGIN IMMEDIATE");
	in_transaction = true;
	for (int i = 0; i < sh->n; i++) {
		int n = sh->columns[i];

		bind(sh->stmt, n + 1, &t->columns[n].value);
	}
	return run(load, t, sh->stmt);
}

/* A dry run takes back what it did as often as others commit, so that it holds
 * up nobody. */
static void
commit(struct load *load)
{
	if (in_transaction)
		db_exec(db, load->dry_run ? "ROLLBACK" : "COMMIT");
	in_transaction = false;
}

static void
close_file(struct load *load)
{
	for (size_t i = 0; i < load->n_tables; i++) {
		struct shapes *shapes = load->tables[i].more;

		for (size_t j = 0; j < shapes->n; j++)
			free_shape(shapes->v[j]);
		free(shapes);
	}
	db_close(db);
}

const struct loader load_sqlite = {open_file, store, commit, close_file};
