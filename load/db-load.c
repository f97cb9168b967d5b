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

#include "lib/ndjson.h"
#include "lib/when.h"
#include "load/drivers/load.h"
#include "load/drivers/url.h"

#define BATCH 100000
#define PAUSE_MS 50
#define OPEN_MAX_S 1 /* others want to write, too */
#define SHORT_MAX 15 /* digits that every double can hold */

static const struct loader *const loaders[] = {[URL_SQLITE] = &load_sqlite,
    [URL_POSTGRES] = &load_postgres,
    [URL_REST] = &load_rest};

static struct load load;

static const char usage[] =
    "usage: db-load [-d URL] [--init] [--dry-run] <records\n"
    "\n"
    "Loads each record into the table that its type names: what is there is\n"
    "updated in the columns that came.  \"op\":\"update\" changes only a row "
    "that\n"
    "is there, \"op\":\"delete\" removes it.  Types without a table are left "
    "alone.\n"
    "\n"
    "  -d, --database URL  sqlite:FILE, postgresql://... or https://... (else\n"
    "                      DATABASE_URL, else amazon.db)\n"
    "      --init          make the tables first; input may be empty\n"
    "      --dry-run       load, say how much, and take it all back\n"
    "      --help, --version\n"
    "\n"
    "example: keepa-fetch B00TEST001 | keepa-flatten | badge-diff | db-load\n";

void *
load_must(void *p)
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

bool
load_type(const char *name, enum type *type)
{
	static const char *const names[] = {[TYPE_TEXT] = "text",
	    [TYPE_INTEGER] = "integer",
	    [TYPE_REAL] = "real",
	    [TYPE_BOOLEAN] = "boolean",
	    [TYPE_JSON] = "json",
	    [TYPE_TIME] = "time",
	    [TYPE_DAY] = "day"};

	for (*type = TYPE_TEXT; *type <= TYPE_DAY; ++*type)
		if (strcmp(name, names[*type]) == 0)
			return true;
	return false;
}

struct table *
load_table(struct load *to, const char *name)
{
	struct table *t;

	to->tables = load_must(
	    realloc(to->tables, (to->n_tables + 1) * sizeof(*to->tables)));
	t = &to->tables[to->n_tables++];
	memset(t, 0, sizeof(*t));
	t->version = t->times = -1;
	t->name = load_must(strdup(name));
	return t;
}

void
load_column(struct load *to, const char *name, enum type type, int key,
    const char *kind)
{
	struct table *t = &to->tables[to->n_tables - 1];
	size_t n = (size_t)t->n_columns + 1;
	struct column *c;

	t->columns = load_must(realloc(t->columns, n * sizeof(*t->columns)));
	t->came = load_must(realloc(t->came, n * sizeof(*t->came)));
	c = &t->columns[t->n_columns];
	memset(c, 0, sizeof(*c));
	c->name = load_must(strdup(name));
	c->len = strlen(name);
	c->type = type;
	c->key = key;
	c->kind = kind_of(kind);
	t->n_keys += key != 0;
	if (c->kind == VERSION)
		t->version = t->n_columns;
	else if (c->kind == TIMES)
		t->times = t->n_columns;
	t->n_columns++;
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

/* A string without escapes stands where it came; others are written out to
 * load.text, which has room for the whole line. */
static const char *
decode_text(struct column *c, char **text)
{
	struct json_slice *to = &c->value.text;

	c->value.kind = VALUE_TEXT;
	to->s = c->val.s + 1;
	to->len = c->val.len - 2;
	if (memchr(to->s, '\\', to->len) == NULL)
		return NULL;
	to->len = json_text(c->val, *text);
	to->s = *text;
	*text += to->len;
	return memchr(to->s, '\0', to->len) != NULL ? "holds a NUL" : NULL;
}

/* A number of a few digits, as most are: the double nearest to it is the
 * quotient of two that are exact.  False if it is none of these. */
static bool
decode_short(struct column *c)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7,
	    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	const char *p = c->val.s, *end = p + c->val.len, *point = end;
	bool minus = *p == '-';
	long long n = 0;

	if (c->val.len > SHORT_MAX ||
	    (c->type == TYPE_REAL && FLT_EVAL_METHOD != 0))
		return false;
	for (p += minus; p < end; p++) {
		if (*p >= '0' && *p <= '9')
			n = 10 * n + (*p - '0');
		else if (*p == '.' && c->type == TYPE_REAL)
			point = p + 1;
		else
			return false;
	}
	if (c->type == TYPE_REAL) {
		c->value.kind = VALUE_REAL;
		c->value.x =
		    (minus ? -(double)n : (double)n) / powers[end - point];
	} else {
		c->value.kind = VALUE_INTEGER;
		c->value.n = minus ? -n : n;
	}
	return true;
}

/* In a line, something that is no part of it stands behind every number. */
static const char *
decode_number(struct column *c)
{
	char *end;

	errno = 0;
	if (c->type == TYPE_INTEGER) {
		c->value.kind = VALUE_INTEGER;
		c->value.n = strtoll(c->val.s, &end, 10);
		if (json_kind(c->val) != JSON_NUMBER ||
		    end != c->val.s + c->val.len)
			return "is not an integer";
		if (errno != 0)
			return "is too large";
	} else {
		c->value.kind = VALUE_REAL;
		c->value.x = strtod(c->val.s, &end);
		if (json_kind(c->val) != JSON_NUMBER)
			return "is not a number";
		if (c->value.x > DBL_MAX || c->value.x < -DBL_MAX)
			return "is too large";
	}
	return NULL;
}

/* Where a column's type knows times and days, it must be one in our form. */
static const char *
decode_time(struct column *c)
{
	int64_t t;

	c->value.kind = VALUE_TEXT;
	c->value.text.s = c->val.s + 1;
	c->value.text.len = c->val.len - 2;
	if (c->type == TYPE_DAY)
		return json_kind(c->val) == JSON_STRING &&
			when_day(c->value.text.s, c->value.text.len, &t)
		    ? NULL
		    : "is not a day";
	return c->val.len == WHEN_SIZE + 1 && when_read(c->val, &t)
	    ? NULL
	    : "is not a time";
}

static const char *
decode_boolean(struct column *c, enum json_kind kind)
{
	if (kind == JSON_BOOL) {
		c->value.kind = VALUE_INTEGER;
		c->value.n = *c->val.s == 't';
		return NULL;
	}
	return decode_short(c) && (c->value.n == 0 || c->value.n == 1)
	    ? NULL
	    : "is neither true nor false";
}

/* What is wrong with the value for its column, or NULL. */
static const char *
decode(struct column *c, char **text)
{
	bool number = c->type == TYPE_INTEGER || c->type == TYPE_REAL;
	enum json_kind kind;

	if (number && decode_short(c))
		return NULL;
	kind = json_kind(c->val);
	c->value.kind = VALUE_NULL;
	if (kind == JSON_NULL)
		return NULL;
	if (c->type == TYPE_BOOLEAN ||
	    (c->kind == BOOLEAN && kind == JSON_BOOL))
		return decode_boolean(c, kind);
	if (number)
		return decode_number(c);
	if (c->type == TYPE_TIME || c->type == TYPE_DAY)
		return decode_time(c);
	if (kind == JSON_STRING && c->kind != JSON_TEXT && c->kind != TIMES &&
	    c->type != TYPE_JSON)
		return decode_text(c, text);
	c->value.kind = VALUE_TEXT;
	c->value.text = c->val;
	return NULL;
}

static void
commit(void *unused)
{
	(void)unused;
	if (load.pending > 0)
		load.loader->commit(&load);
	load.pending = 0;
}

static void
make_text_room(size_t len)
{
	if (len <= load.text_cap)
		return;
	free(load.text);
	load.text_cap = len < 4096 ? 4096 : len;
	load.text = load_must(malloc(load.text_cap));
}

/* What is deleted is known by its key alone. */
static void
keep_keys(struct table *t)
{
	int n = 0;

	for (int i = 0; i < t->n_came; i++) {
		if (t->columns[t->came[i]].key != 0)
			t->came[n++] = t->came[i];
		else
			t->columns[t->came[i]].val.s = NULL;
	}
	t->n_came = n;
}

static bool
store(struct table *t, enum op op, const struct json_members *m)
{
	const char *why;
	char *text;

	if (!collect(t, m))
		return false;
	if (op == DELETE)
		keep_keys(t);
	make_text_room(nd_line(load.in).len);
	text = load.text;
	for (int i = 0; i < t->n_came; i++) {
		struct column *c = &t->columns[t->came[i]];

		if ((why = decode(c, &text)) != NULL) {
			nd_bad(load.in, "%s: '%s' %s", t->name, c->name, why);
			return false;
		}
	}
	if (load.pending++ == 0)
		load.began = when_ticks();
	return load.loader->store(&load, t, op);
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
	load.loader->close(&load);
	if (load.dry_run)
		report();
	for (size_t i = 0; i < load.n_tables; i++) {
		struct table *t = &load.tables[i];

		for (int j = 0; j < t->n_columns; j++)
			free(t->columns[j].name);
		free(t->columns);
		free(t->came);
		free(t->name);
	}
	free(load.tables);
	free(load.text);
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
	enum url_kind kind;
	const char *url = NULL;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "d:", options, NULL)) != -1) {
		if (c == 'd')
			url = optarg;
		else if (c == 'i')
			load.init = true;
		else if (c == 'n')
			load.dry_run = true;
		else
			nd_option(c, argv, usage);
	}
	if (optind < argc)
		errx(
		    EX_USAGE, "unknown operand '%s'; see --help", argv[optind]);

	url = url_given(url, argv, &kind);
	load.loader = loaders[kind];
	load.loader->open(&load, url);
	load.in = nd_open(NULL);
	nd_on_idle(load.in, PAUSE_MS, commit, NULL);
	if (!load.init || !isatty(STDIN_FILENO))
		while (nd_read_members(load.in, &members))
			take(&members);
	commit(NULL); /* which can still report records of the input */
	nd_close(load.in);
	free(members.v);
	finish();
	return nd_finish();
}
