/*
 * db-load - records into the tables that they are named after
 *
 * A record whose type is a table's name becomes a row of it, field by column;
 * what has no table or no column here is left alone.  A row that is there is
 * updated in the columns that came, and in no other.  A record older than the
 * row, by the table's own time, changes only what nothing newer has named: so a
 * stream can be loaded twice, or out of order, and leaves the same database.
 *
 * What came is committed when the input pauses, every 100,000 records, and
 * after a second or two.
 */
#include <err.h>
#include <errno.h>
#include <float.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/db.h"
#include "lib/ndjson.h"
#include "lib/when.h"

#define BATCH 100000
#define PAUSE_MS 50
#define OPEN_MAX_S 1 /* others want to write, too */
#define SHAPES_MAX 64 /* kept per table; a stream has a few */
#define SHORT_MAX 15 /* digits that every double can hold */

enum kind { PLAIN, JSON_TEXT, BOOLEAN, VERSION, TIMES, FIRST };
enum op { UPSERT, UPDATE, DELETE };

struct column {
	char *name;
	size_t len; /* of it */
	char type; /* of STRICT tables: the first letter of INTEGER REAL TEXT */
	int key; /* its place in the primary key, from 1; 0: none */
	enum kind kind;
	struct json_slice val; /* of the record at hand */
};

/* Records with the same columns in the same order go by the same statement. */
struct shape {
	enum op op;
	int n;
	int *columns;
	sqlite3_stmt *stmt;
};

struct table {
	char *name;
	struct column *columns;
	int n_columns, n_keys;
	int version, times; /* the columns of that kind; -1: none */
	int *came, n_came; /* the columns of the record at hand */
	struct shape *shapes[SHAPES_MAX]; /* the last one used is first */
	size_t n_shapes;
	unsigned long records, refused;
};

/* A statement that is being written. */
struct sql {
	sqlite3_str *str;
	const struct table *table;
	const struct shape *shape;
};

static struct {
	sqlite3 *db;
	struct nd_in *in;
	struct table *tables, *last; /* last: of the record before */
	size_t n_tables;
	bool dry_run;
	unsigned long pending; /* records since the last commit */
	int64_t began; /* when the first of them came */
	char *text; /* of all strings of a record that had escapes */
	size_t text_cap;
} load;

static void put_time(const struct sql *, int column, bool of_row);

static const char usage[] =
    "usage: db-load [-d URL] [--init] [--dry-run] <records\n"
    "\n"
    "Loads each record into the table that its type names: what is there is\n"
    "updated in the columns that came.  \"op\":\"update\" changes only a row "
    "that\n"
    "is there, \"op\":\"delete\" removes it.  Types without a table are left "
    "alone.\n"
    "\n"
    "  -d, --database URL  sqlite:FILE (else DATABASE_URL, else amazon.db)\n"
    "      --init          make the tables first; input may be empty\n"
    "      --dry-run       load, say how much, and take it all back\n"
    "      --help, --version\n"
    "\n"
    "example: keepa-fetch B00TEST001 | keepa-flatten | badge-diff | db-load\n";

static void *
must(void *p)
{
	if (p == NULL)
		err(EX_TEMPFAIL, NULL);
	return p;
}

static enum kind
kind_of(const char *name)
{
	static const char *const kinds[] = {[JSON_TEXT] = "json",
	    [BOOLEAN] = "boolean",
	    [VERSION] = "version",
	    [TIMES] = "times",
	    [FIRST] = "first"};

	for (enum kind k = JSON_TEXT; k <= FIRST; k++)
		if (name != NULL && strcmp(name, kinds[k]) == 0)
			return k;
	return PLAIN;
}

static void
read_columns(struct table *t)
{
	sqlite3_stmt *stmt = db_prepare(load.db,
	    "SELECT c.name, c.type, c.pk, k.kind FROM pragma_table_info(?1) c "
	    "LEFT JOIN column_kinds k "
	    "ON k.table_name = ?1 AND k.column_name = c.name");

	sqlite3_bind_text(stmt, 1, t->name, -1, SQLITE_STATIC);
	while (db_step(load.db, stmt)) {
		struct column *c;

		t->columns = must(realloc(t->columns,
		    (size_t)(t->n_columns + 1) * sizeof(*t->columns)));
		c = &t->columns[t->n_columns];
		memset(c, 0, sizeof(*c));
		c->name =
		    must(strdup((const char *)sqlite3_column_text(stmt, 0)));
		c->len = strlen(c->name);
		c->type = *(const char *)sqlite3_column_text(stmt, 1);
		c->key = sqlite3_column_int(stmt, 2);
		c->kind = kind_of((const char *)sqlite3_column_text(stmt, 3));
		t->n_keys += c->key != 0;
		if (c->kind == VERSION)
			t->version = t->n_columns;
		else if (c->kind == TIMES)
			t->times = t->n_columns;
		t->n_columns++;
	}
	sqlite3_finalize(stmt);
	t->came = must(calloc((size_t)t->n_columns, sizeof(*t->came)));
}

/* A table without a key, which only a user can have added, is left alone. */
static void
read_tables(void)
{
	sqlite3_stmt *stmt = db_prepare(load.db,
	    "SELECT name FROM pragma_table_list t WHERE schema = 'main' "
	    "AND type = 'table' AND strict AND name <> 'column_kinds' "
	    "AND EXISTS (SELECT 1 FROM pragma_table_info(t.name) WHERE pk) "
	    "ORDER BY name");

	while (db_step(load.db, stmt)) {
		struct table *t;

		load.tables = must(realloc(
		    load.tables, (load.n_tables + 1) * sizeof(*load.tables)));
		t = &load.tables[load.n_tables++];
		memset(t, 0, sizeof(*t));
		t->version = t->times = -1;
		t->name =
		    must(strdup((const char *)sqlite3_column_text(stmt, 0)));
	}
	sqlite3_finalize(stmt);
	for (size_t i = 0; i < load.n_tables; i++)
		read_columns(&load.tables[i]);
}

/* Whether the key says name.  Most do not even begin like it. */
static bool
is_key(struct json_slice key, const char *name)
{
	return (*key.s == *name || *key.s == '\\') && json_key_is(key, name);
}

static struct table *
find_table(struct json_slice type)
{
	if (load.last != NULL && json_is(type, load.last->name))
		return load.last;
	for (size_t i = 0; i < load.n_tables; i++)
		if (json_is(type, load.tables[i].name))
			return load.last = &load.tables[i];
	return NULL;
}

/* Records mostly name their columns in order, and without escapes: look from
 * next on for the bytes, and then for what they say. */
static int
find_column(const struct table *t, int next, struct json_slice key)
{
	for (int i = 0; i < t->n_columns; i++, next++) {
		const struct column *c;

		if (next >= t->n_columns)
			next = 0;
		c = &t->columns[next];
		if (key.len == c->len && memcmp(key.s, c->name, key.len) == 0)
			return next;
	}
	if (memchr(key.s, '\\', key.len) == NULL)
		return -1;
	for (int i = 0; i < t->n_columns; i++)
		if (json_key_is(key, t->columns[i].name))
			return i;
	return -1;
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
	struct sql q = {sqlite3_str_new(load.db), t, sh};
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
	text = must(sqlite3_str_finish(q.str));
	stmt = db_prepare(load.db, text);
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

/* Find the columns that the record names; false if it names one twice, or not
 * all of the key. */
static bool
collect(struct table *t, const struct json_members *m)
{
	int keys = 0, next = 0;

	for (int i = 0; i < t->n_came; i++)
		t->columns[t->came[i]].val.s = NULL;
	t->n_came = 0;
	for (size_t i = 0; i < m->n; i++) {
		int n = find_column(t, next, m->v[i].key);
		struct column *c = &t->columns[n];

		if (n == -1)
			continue;
		if (c->val.s != NULL) {
			nd_bad(load.in, "'%s' occurs twice", c->name);
			return false;
		}
		c->val = m->v[i].val;
		t->came[t->n_came++] = n;
		keys += c->key != 0;
		next = n + 1;
	}
	if (keys < t->n_keys)
		nd_bad(load.in, "%s: not all of its key is there", t->name);
	return keys == t->n_keys;
}

static struct shape *
new_shape(const struct table *t, enum op op)
{
	struct shape *sh = must(calloc(1, sizeof(*sh)));
	size_t size = (size_t)t->n_came * sizeof(*sh->columns);

	sh->op = op;
	sh->n = t->n_came;
	sh->columns = must(malloc(size));
	memcpy(sh->columns, t->came, size);
	sh->stmt = statement(t, sh);
	return sh;
}

/* The shape of what came, put first among those of its table. */
static struct shape *
find_shape(struct table *t, enum op op)
{
	size_t size = (size_t)t->n_came * sizeof(*t->came), i;
	struct shape *sh = NULL;

	for (i = 0; i < t->n_shapes; i++) {
		sh = t->shapes[i];
		if (sh->op == op && sh->n == t->n_came &&
		    memcmp(sh->columns, t->came, size) == 0)
			break;
	}
	if (i == t->n_shapes) {
		sh = new_shape(t, op);
		if (t->n_shapes == SHAPES_MAX)
			free_shape(t->shapes[--i]);
		else
			t->n_shapes++;
	}
	memmove(t->shapes + 1, t->shapes, i * sizeof(t->shapes[0]));
	t->shapes[0] = sh;
	return sh;
}

/* A string without escapes is bound where it stands; others are written out to
 * *text, which has room for the whole line. */
static const char *
bind_text(sqlite3_stmt *stmt, int i, const struct column *c, char **text)
{
	const char *s = c->val.s + 1;
	size_t len = c->val.len - 2;

	if (memchr(s, '\\', len) != NULL) {
		len = json_text(c->val, *text);
		s = *text;
		*text += len;
		if (memchr(s, '\0', len) != NULL)
			return "holds a NUL";
	}
	sqlite3_bind_text(stmt, i, s, (int)len, SQLITE_STATIC);
	return NULL;
}

/* A number of a few digits, as most are: the double nearest to it is the
 * quotient of two that are exact.  False if it is none of these. */
static bool
bind_short(sqlite3_stmt *stmt, int i, const struct column *c)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7,
	    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	const char *p = c->val.s, *end = p + c->val.len, *point = end;
	bool minus = *p == '-';
	long long n = 0;

	if (c->val.len > SHORT_MAX || (c->type == 'R' && FLT_EVAL_METHOD != 0))
		return false;
	for (p += minus; p < end; p++) {
		if (*p >= '0' && *p <= '9')
			n = 10 * n + (*p - '0');
		else if (*p == '.' && c->type == 'R')
			point = p + 1;
		else
			return false;
	}
	if (c->type == 'I')
		sqlite3_bind_int64(stmt, i, minus ? -n : n);
	else
		sqlite3_bind_double(stmt, i,
		    (minus ? -(double)n : (double)n) / powers[end - point]);
	return true;
}

/* In a line, something that is no part of it stands behind every number. */
static const char *
bind_number(sqlite3_stmt *stmt, int i, const struct column *c)
{
	char *end;

	errno = 0;
	if (c->type == 'I') {
		long long n = strtoll(c->val.s, &end, 10);

		if (json_kind(c->val) != JSON_NUMBER ||
		    end != c->val.s + c->val.len)
			return "is not an integer";
		if (errno != 0)
			return "is too large";
		sqlite3_bind_int64(stmt, i, n);
	} else {
		double x = strtod(c->val.s, &end);

		if (json_kind(c->val) != JSON_NUMBER)
			return "is not a number";
		if (x > DBL_MAX || x < -DBL_MAX)
			return "is too large";
		sqlite3_bind_double(stmt, i, x);
	}
	return NULL;
}

/* What is wrong with the value for its column, or NULL once it is bound. */
static const char *
bind(sqlite3_stmt *stmt, int i, const struct column *c, char **text)
{
	enum json_kind kind;

	if (c->type != 'T' && bind_short(stmt, i, c))
		return NULL;
	kind = json_kind(c->val);
	if (kind == JSON_NULL)
		sqlite3_bind_null(stmt, i);
	else if (c->kind == BOOLEAN && kind == JSON_BOOL)
		sqlite3_bind_int(stmt, i, *c->val.s == 't');
	else if (c->type != 'T')
		return bind_number(stmt, i, c);
	else if (kind == JSON_STRING && c->kind != JSON_TEXT &&
	    c->kind != TIMES)
		return bind_text(stmt, i, c, text);
	else
		sqlite3_bind_text(
		    stmt, i, c->val.s, (int)c->val.len, SQLITE_STATIC);
	return NULL;
}

static void
begin(void)
{
	if (load.pending++ > 0)
		return;
	load.began = when_ticks();
	db_exec(load.db, "BEGIN IMMEDIATE");
}

/* A dry run takes back what it did as often as others commit, so that it holds
 * up nobody. */
static void
commit(void *unused)
{
	(void)unused;
	if (load.pending == 0)
		return;
	db_exec(load.db, load.dry_run ? "ROLLBACK" : "COMMIT");
	load.pending = 0;
}

static void
make_text_room(size_t len)
{
	if (len <= load.text_cap)
		return;
	free(load.text);
	load.text_cap = len < 4096 ? 4096 : len;
	load.text = must(malloc(load.text_cap));
}

/* Run the statement; a constraint that refuses it refuses the record. */
static bool
run(struct table *t, sqlite3_stmt *stmt)
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
	if ((sqlite3_errcode(load.db) & 0xff) != SQLITE_CONSTRAINT)
		db_fail(load.db, "write to");
	nd_bad(load.in, "%s: %s", t->name, sqlite3_errmsg(load.db));
	sqlite3_reset(stmt);
	return false;
}

static bool
store(struct table *t, enum op op, const struct json_members *m)
{
	const struct shape *sh;
	const char *why;
	char *text;

	if (!collect(t, m))
		return false;
	sh = find_shape(t, op);
	begin();
	make_text_room(nd_line(load.in).len);
	text = load.text;
	for (int i = 0; i < sh->n; i++) {
		int n = sh->columns[i];
		const struct column *c = &t->columns[n];

		if (op == DELETE && c->key == 0)
			continue;
		if ((why = bind(sh->stmt, n + 1, c, &text)) != NULL) {
			nd_bad(load.in, "%s: '%s' %s", t->name, c->name, why);
			return false;
		}
	}
	return run(t, sh->stmt);
}

/* Find a field that no table has a column for; false if there are two. */
static bool
find_field(
    const struct json_members *m, const char *name, struct json_slice *val)
{
	val->s = NULL;
	for (size_t i = 0; i < m->n; i++) {
		if (!is_key(m->v[i].key, name))
			continue;
		if (val->s != NULL)
			return false;
		*val = m->v[i].val;
	}
	return true;
}

static bool
read_op(const struct json_members *m, enum op *op)
{
	struct json_slice val;
	bool once = find_field(m, "op", &val);

	*op = json_is(val, "update") ? UPDATE
	    : json_is(val, "delete") ? DELETE
				     : UPSERT;
	if (!once)
		nd_bad(load.in, "'op' occurs twice");
	else if (*op == UPSERT && val.s != NULL)
		nd_bad(load.in, "op is neither update nor delete");
	else
		return true;
	return false;
}

static void
take(const struct json_members *m)
{
	struct json_slice type;
	struct table *t;
	enum op op;

	find_field(m, "type", &type); /* once, or nd_read_members refused it */
	if (json_kind(type) != JSON_STRING) {
		nd_bad(load.in, "a record without a type");
		return;
	}
	if ((t = find_table(type)) == NULL)
		return;
	if (read_op(m, &op) && store(t, op, m))
		t->records++;
	else
		t->refused++;
	if (load.pending >= BATCH || when_ticks() > load.began + OPEN_MAX_S)
		commit(NULL);
}

static void
report(void)
{
	for (size_t i = 0; i < load.n_tables; i++) {
		const struct table *t = &load.tables[i];

		if (t->records + t->refused > 0)
			warnx("%s: %lu records would be loaded, %lu refused",
			    t->name, t->records, t->refused);
	}
}

static void
finish(void)
{
	commit(NULL);
	if (load.dry_run)
		report();
	for (size_t i = 0; i < load.n_tables; i++) {
		struct table *t = &load.tables[i];

		for (size_t j = 0; j < t->n_shapes; j++)
			free_shape(t->shapes[j]);
		for (int j = 0; j < t->n_columns; j++)
			free(t->columns[j].name);
		free(t->columns);
		free(t->came);
		free(t->name);
	}
	free(load.tables);
	free(load.text);
	db_close(load.db);
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"database", required_argument, NULL, 'd'},
	    {"init", no_argument, NULL, 'i'},
	    {"dry-run", no_argument, NULL, 'n'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	struct json_members members = {NULL, 0, 0};
	const char *url = NULL;
	bool init = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "d:", options, NULL)) != -1) {
		if (c == 'd')
			url = optarg;
		else if (c == 'i')
			init = true;
		else if (c == 'n')
			load.dry_run = true;
		else
			nd_option(c, argv, usage);
	}
	if (optind < argc)
		errx(
		    EX_USAGE, "unknown operand '%s'; see --help", argv[optind]);

	load.db = db_open(url, load.dry_run ? DB_TRY : DB_WRITE);
	read_tables();
	load.in = nd_open(NULL);
	nd_on_idle(load.in, PAUSE_MS, commit, NULL);
	if (!init || !isatty(STDIN_FILENO))
		while (nd_read_members(load.in, &members))
			take(&members);
	nd_close(load.in);
	free(members.v);
	finish();
	return nd_finish();
}
