/*
 * db-load - records into the tables that they are named after
 *
 * A record whose type is a table's name becomes a row of it, field by column;
 * what has no table or no column here is left alone.  A row that is there is
 * updated in the columns that came, and in no other.  A record older than the
 * row, by the table's own time, changes nothing: so a stream can be loaded
 * twice, or late, and leaves the same database.
 *
 * What came is committed when the input pauses, and every 100,000 records.
 */
#include <err.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/db.h"
#include "lib/ndjson.h"

#define BATCH 100000
#define PAUSE_MS 50
#define SHAPES_MAX 64 /* kept per table; a stream has a few */

enum kind { PLAIN, JSON_TEXT, BOOLEAN, VERSION, FIRST };
enum op { UPSERT, UPDATE, DELETE };

struct column {
	char *name;
	char type; /* of STRICT tables: the first letter of INTEGER REAL TEXT */
	int key; /* its place in the primary key, from 1; 0: none */
	enum kind kind;
};

/* Records with the same keys in the same order go by the same statement. */
struct shape {
	enum op op;
	size_t n;
	char **keys; /* as they stand in the line */
	int *columns; /* by key; -1: none of that name */
	sqlite3_stmt *stmt;
};

struct table {
	char *name;
	struct column *columns;
	int n_columns;
	struct shape *shapes[SHAPES_MAX]; /* the last one used is first */
	size_t n_shapes;
	unsigned long records, refused;
};

static struct {
	sqlite3 *db;
	struct nd_in *in;
	struct table *tables;
	size_t n_tables;
	bool dry_run;
	unsigned long pending; /* records since the last commit */
	char *text; /* of all strings of a record that had escapes */
	size_t text_cap;
} load;

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
		c = &t->columns[t->n_columns++];
		c->name =
		    must(strdup((const char *)sqlite3_column_text(stmt, 0)));
		c->type = *(const char *)sqlite3_column_text(stmt, 1);
		c->key = sqlite3_column_int(stmt, 2);
		c->kind = kind_of((const char *)sqlite3_column_text(stmt, 3));
	}
	sqlite3_finalize(stmt);
}

static void
read_tables(void)
{
	sqlite3_stmt *stmt = db_prepare(load.db,
	    "SELECT name FROM sqlite_master WHERE type = 'table' "
	    "AND name NOT LIKE 'sqlite_%' AND name <> 'column_kinds'");

	while (db_step(load.db, stmt)) {
		load.tables = must(realloc(
		    load.tables, (load.n_tables + 1) * sizeof(*load.tables)));
		memset(&load.tables[load.n_tables], 0, sizeof(*load.tables));
		load.tables[load.n_tables++].name =
		    must(strdup((const char *)sqlite3_column_text(stmt, 0)));
	}
	sqlite3_finalize(stmt);
	for (size_t i = 0; i < load.n_tables; i++)
		read_columns(&load.tables[i]);
}

static struct table *
find_table(struct json_slice type)
{
	for (size_t i = 0; i < load.n_tables; i++)
		if (json_is(type, load.tables[i].name))
			return &load.tables[i];
	return NULL;
}

static int
find_column(const struct table *t, struct json_slice key)
{
	for (int i = 0; i < t->n_columns; i++)
		if (json_key_is(key, t->columns[i].name))
			return i;
	return -1;
}

/* SQL, piece by piece.  All names in it come from the schema. */
static void
add(sqlite3_str *sql, const char *between, bool *first)
{
	sqlite3_str_appendall(sql, *first ? "" : between);
	*first = false;
}

/* The condition that a row be the record's own. */
static void
where_key(sqlite3_str *sql, const struct table *t, const struct shape *sh)
{
	bool first = true;

	sqlite3_str_appendall(sql, " WHERE ");
	for (size_t i = 0; i < sh->n; i++) {
		int c = sh->columns[i];

		if (c == -1 || t->columns[c].key == 0)
			continue;
		add(sql, " AND ", &first);
		sqlite3_str_appendf(
		    sql, "\"%w\" = ?%d", t->columns[c].name, c + 1);
	}
}

/* new: how the statement calls the record's own value of a column. */
static void
new_value(sqlite3_str *sql, const struct column *c, int number, enum op op)
{
	if (op == UPSERT)
		sqlite3_str_appendf(sql, "excluded.\"%w\"", c->name);
	else
		sqlite3_str_appendf(sql, "?%d", number);
}

static void
set_columns(sqlite3_str *sql, const struct table *t, const struct shape *sh)
{
	bool first = true;

	sqlite3_str_appendall(sql, " SET ");
	for (size_t i = 0; i < sh->n; i++) {
		int n = sh->columns[i];
		const struct column *c = &t->columns[n < 0 ? 0 : n];

		if (n == -1 || c->key != 0)
			continue;
		add(sql, ", ", &first);
		sqlite3_str_appendf(sql, "\"%w\" = ", c->name);
		if (c->kind == FIRST)
			sqlite3_str_appendf(sql, "coalesce(min(\"%w\".\"%w\", ",
			    t->name, c->name);
		new_value(sql, c, n + 1, sh->op);
		if (c->kind == FIRST)
			sqlite3_str_appendf(
			    sql, "), \"%w\".\"%w\")", t->name, c->name);
	}
}

/* Only a record that is not older, and that changes something. */
static void
where_new(sqlite3_str *sql, const struct table *t, const struct shape *sh)
{
	bool first = true;

	for (size_t i = 0; i < sh->n; i++) {
		int n = sh->columns[i];
		const struct column *c = &t->columns[n < 0 ? 0 : n];

		if (n == -1 || c->kind != VERSION)
			continue;
		sqlite3_str_appendf(
		    sql, "(\"%w\".\"%w\" IS NULL OR ", t->name, c->name);
		new_value(sql, c, n + 1, sh->op);
		sqlite3_str_appendf(
		    sql, " >= \"%w\".\"%w\") AND ", t->name, c->name);
	}
	sqlite3_str_appendall(sql, "(");
	for (size_t i = 0; i < sh->n; i++) {
		int n = sh->columns[i];
		const struct column *c = &t->columns[n < 0 ? 0 : n];

		if (n == -1 || c->key != 0)
			continue;
		add(sql, " OR ", &first);
		sqlite3_str_appendf(sql, "\"%w\".\"%w\" %s ", t->name, c->name,
		    c->kind == FIRST ? ">" : "IS NOT");
		new_value(sql, c, n + 1, sh->op);
	}
	sqlite3_str_appendall(sql, ")");
}

static void
insert_into(sqlite3_str *sql, const struct table *t, const struct shape *sh)
{
	bool first = true;

	sqlite3_str_appendf(sql, "INSERT INTO \"%w\"(", t->name);
	for (size_t i = 0; i < sh->n; i++)
		if (sh->columns[i] != -1) {
			add(sql, ", ", &first);
			sqlite3_str_appendf(
			    sql, "\"%w\"", t->columns[sh->columns[i]].name);
		}
	sqlite3_str_appendall(sql, ") VALUES (");
	first = true;
	for (size_t i = 0; i < sh->n; i++)
		if (sh->columns[i] != -1) {
			add(sql, ", ", &first);
			sqlite3_str_appendf(sql, "?%d", sh->columns[i] + 1);
		}
	sqlite3_str_appendall(sql, ") ON CONFLICT (");
	first = true;
	for (int i = 0; i < t->n_columns; i++)
		if (t->columns[i].key != 0) {
			add(sql, ", ", &first);
			sqlite3_str_appendf(sql, "\"%w\"", t->columns[i].name);
		}
	sqlite3_str_appendall(sql, ") DO ");
}

/* How many of the columns that came are of the key, or are not. */
static int
count_columns(const struct table *t, const struct shape *sh, bool key)
{
	int n = 0;

	for (size_t i = 0; i < sh->n; i++)
		if (sh->columns[i] != -1 &&
		    (t->columns[sh->columns[i]].key != 0) == key)
			n++;
	return n;
}

static sqlite3_stmt *
statement(const struct table *t, const struct shape *sh)
{
	bool others = count_columns(t, sh, false) > 0;
	sqlite3_str *sql = sqlite3_str_new(load.db);
	sqlite3_stmt *stmt;
	char *text;

	if (sh->op == UPSERT)
		insert_into(sql, t, sh);
	if (sh->op == DELETE) {
		sqlite3_str_appendf(sql, "DELETE FROM \"%w\"", t->name);
		where_key(sql, t, sh);
	} else if (!others) {
		sqlite3_str_appendall(
		    sql, sh->op == UPSERT ? "NOTHING" : "SELECT 1");
	} else {
		sqlite3_str_appendall(sql, "UPDATE");
		if (sh->op == UPDATE)
			sqlite3_str_appendf(sql, " \"%w\"", t->name);
		set_columns(sql, t, sh);
		if (sh->op == UPDATE)
			where_key(sql, t, sh);
		sqlite3_str_appendall(
		    sql, sh->op == UPDATE ? " AND " : " WHERE ");
		where_new(sql, t, sh);
	}
	text = must(sqlite3_str_finish(sql));
	stmt = db_prepare(load.db, text);
	sqlite3_free(text);
	return stmt;
}

static void
free_shape(struct shape *sh)
{
	sqlite3_finalize(sh->stmt);
	for (size_t i = 0; i < sh->n; i++)
		free(sh->keys[i]);
	free(sh->keys);
	free(sh->columns);
	free(sh);
}

static bool
has_shape(const struct shape *sh, enum op op, const struct json_members *m)
{
	if (sh->op != op || sh->n != m->n)
		return false;
	for (size_t i = 0; i < m->n; i++) {
		const struct json_slice *key = &m->v[i].key;

		if (strncmp(sh->keys[i], key->s, key->len) != 0 ||
		    sh->keys[i][key->len] != '\0')
			return false;
	}
	return true;
}

/* NULL if a column occurs twice, or a key is wanted and is not all there. */
static struct shape *
new_shape(struct table *t, enum op op, const struct json_members *m)
{
	struct shape *sh = must(calloc(1, sizeof(*sh)));
	int keys = 0;

	sh->op = op;
	sh->keys = must(calloc(m->n, sizeof(*sh->keys)));
	sh->columns = must(calloc(m->n, sizeof(*sh->columns)));
	for (size_t i = 0; i < m->n; i++) {
		struct json_slice key = m->v[i].key;

		sh->n++;
		sh->keys[i] = must(strndup(key.s, key.len));
		sh->columns[i] = find_column(t, key);
		for (size_t j = 0; j < i; j++)
			if (sh->columns[i] != -1 &&
			    sh->columns[j] == sh->columns[i]) {
				nd_bad(load.in, "'%s' occurs twice",
				    t->columns[sh->columns[i]].name);
				free_shape(sh);
				return NULL;
			}
	}
	for (int i = 0; i < t->n_columns; i++)
		keys += t->columns[i].key != 0;
	if (count_columns(t, sh, true) < keys) {
		nd_bad(load.in, "%s: not all of its key is there", t->name);
		free_shape(sh);
		return NULL;
	}
	sh->stmt = statement(t, sh);
	return sh;
}

/* The shape of the record, put first among those of its table. */
static struct shape *
find_shape(struct table *t, enum op op, const struct json_members *m)
{
	struct shape *sh = NULL;
	size_t i;

	for (i = 0; i < t->n_shapes; i++)
		if (has_shape(t->shapes[i], op, m))
			break;
	if (i < t->n_shapes) {
		sh = t->shapes[i];
	} else {
		if ((sh = new_shape(t, op, m)) == NULL)
			return NULL;
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
static bool
bind_text(sqlite3_stmt *stmt, int i, struct json_slice val, char **text)
{
	const char *s = val.s + 1;
	size_t len = val.len - 2;

	if (memchr(s, '\\', len) != NULL) {
		len = json_text(val, *text);
		s = *text;
		*text += len;
		if (memchr(s, '\0', len) != NULL)
			return false;
	}
	sqlite3_bind_text(stmt, i, s, (int)len, SQLITE_STATIC);
	return true;
}

static double
real(struct json_slice val)
{
	char buf[512]; /* of a longer number, its first digits tell the value */

	snprintf(buf, sizeof(buf), "%.*s", (int)val.len, val.s);
	return strtod(buf, NULL);
}

/* What is wrong with the value for this column, or NULL once it is bound. */
static const char *
bind(sqlite3_stmt *stmt, int i, const struct column *c, struct json_slice val,
    char **text)
{
	enum json_kind kind = json_kind(val);
	long long n;

	if (kind == JSON_NULL) {
		sqlite3_bind_null(stmt, i);
	} else if (c->kind == JSON_TEXT ||
	    (c->type == 'T' && kind != JSON_STRING)) {
		sqlite3_bind_text(stmt, i, val.s, (int)val.len, SQLITE_STATIC);
	} else if (c->type == 'T') {
		if (!bind_text(stmt, i, val, text))
			return "a NUL in a text";
	} else if (kind == JSON_BOOL && c->type == 'I') {
		sqlite3_bind_int(stmt, i, *val.s == 't');
	} else if (c->type == 'I') {
		if (!json_int(val, INT64_MIN, INT64_MAX, &n))
			return "not an integer";
		sqlite3_bind_int64(stmt, i, n);
	} else {
		if (kind != JSON_NUMBER)
			return "not a number";
		sqlite3_bind_double(stmt, i, real(val));
	}
	return NULL;
}

static void
begin(void)
{
	if (load.pending++ == 0)
		db_exec(load.db, "BEGIN IMMEDIATE");
}

static void
commit(void *unused)
{
	(void)unused;
	if (load.pending == 0 || load.dry_run)
		return;
	db_exec(load.db, "COMMIT");
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
	bool refused = (sqlite3_errcode(load.db) & 0xff) == SQLITE_CONSTRAINT;

	if (rc == SQLITE_DONE || rc == SQLITE_ROW) {
		sqlite3_reset(stmt);
		return true;
	}
	if (!refused && rc != SQLITE_MISMATCH)
		db_fail(load.db, "write to");
	nd_bad(load.in, "%s: %s", t->name, sqlite3_errmsg(load.db));
	sqlite3_reset(stmt);
	return false;
}

static bool
store(struct table *t, enum op op, const struct json_members *m)
{
	struct shape *sh = find_shape(t, op, m);
	const char *why;
	char *text;

	if (sh == NULL)
		return false;
	make_text_room(nd_line(load.in).len);
	text = load.text;
	for (size_t i = 0; i < m->n; i++) {
		int n = sh->columns[i];

		if (n == -1 || (op == DELETE && t->columns[n].key == 0))
			continue;
		why = bind(sh->stmt, n + 1, &t->columns[n], m->v[i].val, &text);
		if (why != NULL) {
			nd_bad(load.in, "%s: '%s' is %s", t->name,
			    t->columns[n].name, why);
			return false;
		}
	}
	begin();
	return run(t, sh->stmt);
}

static void
take(const struct json_members *m)
{
	struct json_slice type = {NULL, 0}, op_val = {NULL, 0};
	enum op op = UPSERT;
	struct table *t;

	for (size_t i = 0; i < m->n; i++) {
		if (json_key_is(m->v[i].key, "type"))
			type = m->v[i].val;
		else if (json_key_is(m->v[i].key, "op"))
			op_val = m->v[i].val;
	}
	if (json_kind(type) != JSON_STRING) {
		nd_bad(load.in, "a record without a type");
		return;
	}
	if ((t = find_table(type)) == NULL)
		return;
	if (json_is(op_val, "update"))
		op = UPDATE;
	else if (json_is(op_val, "delete"))
		op = DELETE;
	else if (op_val.s != NULL) {
		nd_bad(load.in, "op is neither update nor delete");
		return;
	}
	if (store(t, op, m))
		t->records++;
	else
		t->refused++;
	if (load.pending >= BATCH)
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
	if (load.dry_run) {
		report();
		if (load.pending > 0)
			db_exec(load.db, "ROLLBACK");
	} else {
		commit(NULL);
	}
	for (size_t i = 0; i < load.n_tables; i++) {
		struct table *t = &load.tables[i];

		for (size_t j = 0; j < t->n_shapes; j++)
			free_shape(t->shapes[j]);
		for (int j = 0; j < t->n_columns; j++)
			free(t->columns[j].name);
		free(t->columns);
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

	load.db = db_open(url, true);
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
