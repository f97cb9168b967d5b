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

#include "lib/ndjson.h"
#include "load/drivers/query.h"
#include "load/drivers/url.h"

static const struct {
	const char *prefix;
	const struct querier *querier;
} queriers[] = {{"postgresql://", &query_postgres},
    {"postgres://", &query_postgres}, {"https://", &query_rest},
    {"http://", &query_rest}, {"", &query_sqlite}};

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

void *
query_must(void *p)
{
	if (p == NULL)
		err(EX_TEMPFAIL, NULL);
	return p;
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

static struct condition
read_condition(const char *text)
{
	struct condition c = {.column = text, .len = strcspn(text, "!<>=")};

	c.sign = operator(text + c.len);
	if (c.len == 0 || c.sign == NULL)
		errx(EX_USAGE, "'%s' is no condition, such as asin=B00TEST001",
		    text);
	c.value = text + c.len + strlen(c.sign);
	if (strcmp(c.value, "null") == 0)
		c.value = NULL;
	return c;
}

static struct condition *
read_conditions(char *const *texts, size_t n)
{
	struct condition *all = query_must(calloc(n + 1, sizeof(*all)));

	for (size_t i = 0; i < n; i++)
		all[i] = read_condition(texts[i]);
	return all;
}

/* The one for what the URL begins with. */
static const struct querier *
find_querier(const char *url)
{
	size_t i = 0;

	while (
	    strncmp(url, queriers[i].prefix, strlen(queriers[i].prefix)) != 0)
		i++;
	return queriers[i].querier;
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
	struct query q = {.limit = -1};
	const struct querier *querier;
	struct condition *conditions;
	const char *url = NULL;
	bool list = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "d:o:l:", options, NULL)) != -1) {
		if (c == 'd')
			url = optarg;
		else if (c == 'o')
			q.order = optarg;
		else if (c == 'l')
			q.limit = read_limit(optarg);
		else if (c == 'L')
			list = true;
		else
			nd_option(c, argv, usage);
	}
	if (!list && optind == argc)
		errx(EX_USAGE, "what table or view? see --help and --list");
	if (list && optind < argc)
		errx(
		    EX_USAGE, "unknown operand '%s'; see --help", argv[optind]);

	if (!list)
		q.name = argv[optind++];
	q.n_conditions = (size_t)(argc - optind);
	q.conditions = conditions =
	    read_conditions(argv + optind, q.n_conditions);

	url = url_given(url);
	querier = find_querier(url);
	querier->open(url);
	if (list)
		querier->list();
	else
		querier->query(&q);
	querier->close();
	free(conditions);
	return nd_finish();
}
