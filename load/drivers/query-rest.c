/*
 * query-rest.c - rows from a PostgreSQL behind PostgREST, page by page.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/ndjson.h"
#include "load/drivers/query.h"
#include "load/drivers/rest.h"

static void
open_rest(const char *url)
{
	rest_open(url);
}

static void
ask(const struct rest_call *call, struct json_slice *answer)
{
	switch (rest_ask(call, answer)) {
	case REST_OK:
		return;
	case REST_VALUE: /* which the column cannot hold */
		errx(EX_USAGE, "%s", rest_words());
	default:
		rest_fail();
	}
}

/* Lines, as a string of JSON has them. */
static void
put_lines(struct json_slice string)
{
	char *text;
	struct json_slice lines;

	if (json_kind(string) != JSON_STRING)
		rest_nonsense();
	lines.s = text = query_must(malloc(string.len));
	lines.len = json_text(string, text);
	nd_put(lines);
	free(text);
}

static void
list_rest(void)
{
	static const struct rest_call call = {
	    .path = "rpc/db_list", .body = "{}", .len = 2};
	struct json_slice answer;
	struct json_iter it;

	ask(&call, &answer);
	if (json_kind(answer) != JSON_ARRAY)
		rest_nonsense();
	it = json_walk(answer);
	while (json_next(&it)) {
		put_lines(it.val);
		nd_puts("\n");
	}
}

static void
put_query(struct rest_text *to, const struct query *q)
{
	char *conditions = query_conditions(q), *order = query_order(q);

	rest_puts(to, "{\"name\":");
	rest_put_string(to, q->name, strlen(q->name));
	rest_puts(to, ",\"conditions\":");
	rest_puts(to, conditions);
	if (order != NULL) {
		rest_puts(to, ",\"ord\":");
		rest_puts(to, order);
	}
	if (q->limit >= 0) {
		rest_puts(to, ",\"lim\":");
		rest_put_int(to, q->limit);
	}
	free(conditions);
	free(order);
}

/* A command line can say anything. */
static void
check_text(const struct rest_text *body)
{
	struct json_slice text = {body->s, body->len};
	struct json_error e;

	if (!json_valid(text, &e))
		errx(EX_USAGE, "a name or a value is no UTF-8");
}

/* Write the rows of a page, and give what to ask for the next one by. */
static struct json_slice
put_page(struct json_slice answer)
{
	struct json_field page[] = {
	    JSON_FIELD("records"), JSON_FIELD("next"), JSON_END};
	struct json_error e;

	if (!json_scan(answer, page, &e))
		rest_nonsense();
	put_lines(page[0].val);
	return page[1].val;
}

static void
query_pages(const struct query *q)
{
	struct rest_text body = {NULL, 0, 0};
	struct rest_call call = {.path = "rpc/db_query"};
	struct json_slice answer, next;
	size_t len;

	put_query(&body, q);
	len = body.len;
	do {
		rest_puts(&body, "}");
		check_text(&body);
		call.body = body.s;
		call.len = body.len;
		ask(&call, &answer);
		next = put_page(answer);
		body.len = len;
		if (json_kind(next) == JSON_OBJECT) {
			rest_puts(&body, ",\"page\":");
			rest_add(&body, next.s, next.len);
		}
	} while (json_kind(next) == JSON_OBJECT);
	free(body.s);
}

static void
claim(const struct query *q, const struct claim *c)
{
	struct rest_text body = {NULL, 0, 0};
	/* What was leased by a call whose answer was lost, the next run gets.
	 */
	struct rest_call call = {.path = "rpc/db_claim", .once = true};
	struct json_slice answer;

	put_query(&body, q);
	if (q->limit < 0)
		rest_puts(&body, ",\"lim\":null");
	rest_puts(&body, ",\"seconds\":");
	rest_put_int(&body, c->seconds);
	rest_puts(&body, ",\"holder\":");
	rest_put_string(&body, c->holder, strlen(c->holder));
	rest_puts(&body, ",\"run\":");
	rest_put_string(&body, c->run, strlen(c->run));
	rest_puts(&body, "}");
	check_text(&body);
	call.body = body.s;
	call.len = body.len;
	ask(&call, &answer);
	put_lines(answer);
	free(body.s);
}

static void
close_rest(void)
{
	rest_close();
}

const struct querier query_rest = {
    open_rest, list_rest, query_pages, claim, close_rest};
