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
#include <unistd.h>

#include "lib/ndjson.h"
#include "load/drivers/query.h"
#include "load/drivers/url.h"

#define LEASE 600 /* seconds, unless --lease says so */
#define LEASE_MAX (168 * 3600)
#define HOLDER_SIZE 1024

static const struct querier *const queriers[] = {[URL_SQLITE] = &query_sqlite,
    [URL_POSTGRES] = &query_postgres,
    [URL_REST] = &query_rest};

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
    "  -d, --database URL  sqlite:FILE, postgresql://... or https://... (else\n"
    "                      DATABASE_URL, else amazon.db)\n"
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
		    "--lease '%s' is no time such as 600s, 10m or 2h, of at "
		    "most 168h",
		    text);
	return n * unit;
}

/* An environment variable, or NULL if it is empty, too. */
static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value == NULL || *value == '\0' ? NULL : value;
}

/* Who claims, unless --holder says so: a machine, and a folder there. */
static const char *
find_holder(void)
{
	static char here[HOLDER_SIZE];
	const char *holder = variable("SELLERPIPE_HOLDER");
	size_t n;

	if (holder != NULL)
		return holder;
	if (gethostname(here, HOLDER_SIZE / 4) != 0)
		err(EX_OSERR, "cannot tell the machine's name");
	here[HOLDER_SIZE / 4] = '\0';
	n = strlen(here);
	here[n++] = ':';
	if (getcwd(here + n, sizeof(here) - n) == NULL)
		err(EX_CONFIG, "cannot tell the folder; see --holder");
	return here;
}

/* Which run claims. */
static const char *
find_run(void)
{
	static char pid[24];
	const char *run = variable("SELLERPIPE_RUN");

	if (run != NULL)
		return run;
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	return pid;
}

/* Fill in what the options left out, or exit if they make no sense. */
static void
check_claim(struct claim *c, bool claiming, const char *order)
{
	if (!claiming && (c->seconds != 0 || c->holder != NULL))
		errx(EX_USAGE, "--lease and --holder belong to --claim");
	if (!claiming)
		return;
	if (order != NULL)
		errx(EX_USAGE,
		    "--claim goes by the order of the view, not by "
		    "--order");
	if (c->seconds == 0)
		c->seconds = LEASE;
	if (c->holder == NULL)
		c->holder = find_holder();
	if (*c->holder == '\0' || strlen(c->holder) > HOLDER_SIZE)
		errx(EX_USAGE,
		    "the holder is to have a name, of up to %d bytes",
		    HOLDER_SIZE);
	c->run = find_run();
}

static const struct option options[] = {
    {"database", required_argument, NULL, 'd'},
    {"order", required_argument, NULL, 'o'},
    {"limit", required_argument, NULL, 'l'}, {"claim", no_argument, NULL, 'C'},
    {"lease", required_argument, NULL, 'E'},
    {"holder", required_argument, NULL, 'H'}, {"list", no_argument, NULL, 'L'},
    {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0}};

int
main(int argc, char *argv[])
{
	struct query q = {.limit = -1};
	const struct querier *querier;
	enum url_kind kind;
	struct condition *conditions;
	const char *url = NULL;
	struct claim claim = {0};
	bool list = false, claiming = false;
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
		else if (c == 'C')
			claiming = true;
		else if (c == 'E')
			claim.seconds = read_lease(optarg);
		else if (c == 'H')
			claim.holder = optarg;
		else
			nd_option(c, argv, usage);
	}
	if (!list && optind == argc)
		errx(EX_USAGE, "what table or view? see --help and --list");
	if (list && optind < argc)
		errx(
		    EX_USAGE, "unknown operand '%s'; see --help", argv[optind]);
	if (list && claiming)
		errx(EX_USAGE, "--claim claims rows of a view, not --list");
	check_claim(&claim, claiming, q.order);

	if (!list)
		q.name = argv[optind++];
	q.n_conditions = (size_t)(argc - optind);
	q.conditions = conditions =
	    read_conditions(argv + optind, q.n_conditions);

	url = url_given(url, argv, &kind);
	querier = queriers[kind];
	querier->open(url);
	if (list)
		querier->list();
	else if (claiming)
		querier->claim(&q, &claim);
	else
		querier->query(&q);
	querier->close();
	free(conditions);
	return nd_finish();
}
