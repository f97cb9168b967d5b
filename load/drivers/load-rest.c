/*
 * load-rest.c - records into a PostgreSQL behind PostgREST.
 *
 * A batch goes as the body of one call of db_load, which is one transaction;
 * see load/schema/postgres/functions.sql.  A call that is repeated because its
 * answer was lost changes nothing more.
 *
 * What one call is too much for goes in two halves, and these in halves.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/ndjson.h"
#include "load/drivers/batch.h"
#include "load/drivers/rest.h"
#include "load/drivers/schema.h"

#define BATCH_BYTES (3UL << 20)

static struct load *load;
static struct batch batch;
static struct rest_text body;

static void
add_column(struct load *to, struct json_slice text)
{
	struct json_field column[] = {JSON_FIELD("name"), JSON_FIELD("type"),
	    JSON_FIELD("key"), JSON_FIELD("kind"), JSON_END};
	char name[256], kind[16], word[16];
	struct json_error e;
	enum type type;
	long long key;

	if (!json_scan(text, column, &e) ||
	    *json_words(column[0].val, name, sizeof(name)) == '\0' ||
	    !load_type(json_words(column[1].val, word, sizeof(word)), &type) ||
	    !json_int(column[2].val, 0, 1000, &key))
		rest_nonsense();
	json_words(column[3].val, kind, sizeof(kind));
	load_column(to, name, type, (int)key, *kind == '\0' ? NULL : kind);
}

/* The catalogue, as db_tables gives it. */
static void
read_tables(struct load *to)
{
	static const struct rest_call call = {
	    .path = "rpc/db_tables", .body = "{}", .len = 2};
	struct json_slice answer;
	struct json_iter tables, columns;
	struct json_error e;

	if (rest_ask(&call, &answer) != REST_OK)
		rest_fail();
	if (json_kind(answer) != JSON_ARRAY)
		rest_nonsense();
	tables = json_walk(answer);
	while (json_next(&tables)) {
		struct json_field table[] = {
		    JSON_FIELD("name"), JSON_FIELD("columns"), JSON_END};
		char name[256];

		if (!json_scan(tables.val, table, &e) ||
		    *json_words(table[0].val, name, sizeof(name)) == '\0')
			rest_nonsense();
		load_table(to, name);
		columns = json_walk(table[1].val);
		while (json_next(&columns))
			add_column(to, columns.val);
	}
}

static void
put_json(struct rest_text *to, struct json_slice text)
{
	const size_t nul = sizeof(BATCH_NUL) - 1;
	size_t len;

	while ((len = batch_before_nul(text)) < text.len) {
		rest_add(to, text.s, len);
		rest_puts(to, BATCH_NUL);
		text.s += len + nul;
		text.len -= len + nul;
	}
	rest_add(to, text.s, text.len);
}

static void
put_real(struct rest_text *to, const struct column *c)
{
	char number[NUMBER_MAX];

	rest_add(to, number, (size_t)(batch_put_real(number, c) - number));
}

static void
put_value(struct rest_text *to, const struct column *c)
{
	const struct value *v = &c->value;

	if (v->kind == VALUE_NULL)
		rest_puts(to, "null");
	else if (c->type == TYPE_BOOLEAN)
		rest_puts(to, v->n != 0 ? "true" : "false");
	else if (c->type == TYPE_JSON)
		put_json(to, v->text);
	else if (v->kind == VALUE_TEXT)
		rest_put_string(to, v->text.s, v->text.len);
	else if (v->kind == VALUE_INTEGER)
		rest_put_int(to, v->n);
	else
		put_real(to, c);
}

static void
put_record(struct group *g)
{
	static struct rest_text one;

	one.len = 0;
	for (int i = 0; i < g->n; i++) {
		const struct column *c = &g->table->columns[g->columns[i]];

		rest_puts(&one, i == 0 ? "{" : ",");
		rest_put_string(&one, c->name, c->len);
		rest_puts(&one, ":");
		put_value(&one, c);
	}
	rest_puts(&one, "}\n");
	memcpy(batch_room(g, one.len), one.s, one.len);
	g->len += one.len;
	batch.bytes += one.len;
}

static size_t
line_length(const char *p)
{
	return (size_t)(strchr(p, '\n') - p) + 1;
}

/* What a group's records are, and how many of them follow. */
static void
put_head(const struct group *g, size_t n)
{
	const struct column *c;

	rest_puts(&body, "{\"table\":");
	rest_put_string(&body, g->table->name, strlen(g->table->name));
	rest_puts(&body, ",\"op\":\"");
	rest_puts(&body, batch_op(g->op));
	rest_puts(&body, "\",\"columns\":");
	for (int i = 0; i < g->n; i++) {
		c = &g->table->columns[g->columns[i]];
		rest_puts(&body, i == 0 ? "[" : ",");
		rest_put_string(&body, c->name, c->len);
	}
	rest_puts(&body, "],\"records\":");
	rest_put_int(&body, (long long)n);
	rest_puts(&body, g->again ? ",\"again\":true}\n" : "}\n");
}

/* Put the records of a group from first on, up to last. */
static void
put_group(const struct group *g, size_t first, size_t last)
{
	const char *p = g->buf, *end;

	put_head(g, last - first);
	for (size_t i = 0; i < first; i++)
		p += line_length(p);
	end = p;
	if (last == g->records)
		end = g->buf + g->len;
	else
		for (size_t i = first; i < last; i++)
			end += line_length(end);
	rest_add(&body, p, (size_t)(end - p));
}

/* The records of the batch from first on, up to last, counted through all its
 * groups. */
static void
make_body(size_t first, size_t last)
{
	size_t before = 0;

	body.len = 0;
	if (load->dry_run)
		rest_puts(&body, "{\"dry_run\":true}\n");
	for (size_t i = 0; i < batch.n; i++) {
		const struct group *g = &batch.groups[i];
		size_t from = first > before ? first - before : 0;
		size_t to = last > before ? last - before : 0;

		if (to > g->records)
			to = g->records;
		if (from < to)
			put_group(g, from, to);
		before += g->records;
	}
}

static void
refuse(size_t n, const char *why)
{
	struct group *g = batch.groups;

	while (n >= g->records)
		n -= g++->records;
	nd_bad_at(load->in, g->lines[n], "%s: %s", g->table->name, why);
	g->table->records--;
	g->table->refused++;
}

/* Report those that the server has refused, by their number in the body. */
static void
read_refused(struct json_slice answer, size_t first, size_t last)
{
	struct json_iter it = json_walk(answer);
	struct json_error e;

	if (json_kind(answer) != JSON_ARRAY)
		rest_nonsense();
	while (json_next(&it)) {
		struct json_field one[] = {
		    JSON_FIELD("n"), JSON_FIELD("error"), JSON_END};
		char why[400];
		long long n;

		if (!json_scan(it.val, one, &e) ||
		    !json_int(one[0].val, 1, (long long)(last - first), &n))
			rest_nonsense();
		json_words(one[1].val, why, sizeof(why));
		refuse(first + (size_t)n - 1, why);
	}
}

static void
send_records(size_t first, size_t last)
{
	struct rest_call call = {.path = "rpc/db_load", .plain = true};
	struct json_slice answer;
	enum rest_outcome outcome;
	size_t middle = first + (last - first) / 2;

	make_body(first, last);
	call.body = body.s;
	call.len = body.len;
	outcome = rest_ask(&call, &answer);
	if (outcome == REST_OK) {
		read_refused(answer, first, last);
	} else if (outcome == REST_MISSING) {
		rest_fail();
	} else if (last - first > 1) {
		send_records(first, middle);
		send_records(middle, last);
	} else if (outcome != REST_SLOW) {
		refuse(first, rest_words());
	} else {
		rest_fail();
	}
}

static void
commit_rest(struct load *to)
{
	(void)to;
	if (batch.records > 0)
		send_records(0, batch.records);
	batch_clear(&batch);
}

static bool
store_rest(struct load *to, struct table *t, enum op op)
{
	unsigned long line = nd_lineno(to->in);
	struct group *g;

	if (batch.bytes >= BATCH_BYTES)
		commit_rest(to);
	if ((g = batch_add(&batch, t, op, line)) == NULL) {
		commit_rest(to);
		g = batch_add(&batch, t, op, line);
	}
	put_record(g);
	return true;
}

static void
close_rest(struct load *to)
{
	(void)to;
	batch_free(&batch);
	free(body.s);
	rest_close();
}

static void
put_sql(const struct db_migration *m)
{
	char *sql = db_text(m);

	nd_puts(sql);
	free(sql);
}

/* The SQL that makes what is missing, for somebody else to apply. */
static void
put_schema(long long version)
{
	nd_puts("BEGIN;\n"
		"SET LOCAL standard_conforming_strings = on;\n");
	for (const struct db_migration *m = postgres_migrations;
	     m->version != 0; m++) {
		if (m->version <= version)
			continue;
		put_sql(m);
		nd_puts("INSERT INTO sellerpipe_schema VALUES (");
		nd_put_int(m->version);
		nd_puts(");\n");
	}
	for (const struct db_migration *m = postgres_always; m->version != 0;
	     m++)
		put_sql(m);
	nd_puts("DO $$BEGIN PERFORM make_partitions(); END$$;\n"
		"NOTIFY pgrst, 'reload schema';\n"
		"COMMIT;\n");
	nd_flush();
}

/* Nobody can make tables through PostgREST. */
static void
check_version(void)
{
	long long version = rest_version();
	int newest = db_newest(postgres_migrations);

	if (version > newest)
		errx(EX_CONFIG,
		    "the database has schema %lld, and this program knows "
		    "%d: use a newer one",
		    version, newest);
	if (version == newest)
		return;
	if (load->init) {
		put_schema(version);
		errx(EX_CONFIG,
		    "paste what was written into the project's SQL editor and "
		    "run it there; then run this again");
	}
	errx(EX_CONFIG, "the database has %s of ours%s",
	    version == 0 ? "no tables" : "older tables", rest_init_hint);
}

static void
open_rest(struct load *to, const char *url)
{
	static const struct rest_call call = {
	    .path = "rpc/make_partitions", .body = "{}", .len = 2};
	struct json_slice answer;

	load = to;
	rest_open(url);
	check_version();
	if (!to->dry_run && rest_ask(&call, &answer) != REST_OK)
		rest_fail();
	read_tables(to);
}

const struct loader load_rest = {
    open_rest, store_rest, commit_rest, close_rest};
