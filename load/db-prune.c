/*
 * db-prune - remove from the database what is old and can be spared
 *
 * Raw answers of looks, the record of runs, and health checks; never changes,
 * rank history or sales.  What is removed makes room for what comes; a file
 * does not shrink.
 *
 * It goes in small steps.  What is removed stays so if it is killed, and the
 * next run goes on.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/ndjson.h"
#include "load/drivers/prune.h"
#include "load/drivers/url.h"

#define DAYS_MAX 36500

static const struct {
	const char *option, *what;
} kinds[] = {[PRUNE_RAW] = {"raw-days", "raw answers in asin_history"},
    [PRUNE_RUNS] = {"runs-days", "runs"},
    [PRUNE_CHECKS] = {"checks-days", "health_checks"}};

static const struct pruner *const pruners[] = {[URL_SQLITE] = &prune_sqlite,
    [URL_POSTGRES] = &prune_postgres,
    [URL_REST] = &prune_rest};

static const char usage[] =
    "usage: db-prune [-d URL] [--raw-days N] [--runs-days N] "
    "[--checks-days N]\n"
    "                [--dry-run]\n"
    "\n"
    "Removes from the database what is older than so many days.\n"
    "\n"
    "  -d, --database URL   sqlite:FILE, postgresql://... or https://...\n"
    "                       (else DATABASE_URL, else amazon.db)\n"
    "      --raw-days N     of looks, Keepa's raw answers\n"
    "      --runs-days N    the record of runs\n"
    "      --checks-days N  health checks\n"
    "      --dry-run        say how much there is of that, and remove "
    "nothing\n"
    "      --help, --version\n"
    "\n"
    "example: db-prune --raw-days 30 --dry-run\n";

static void
report(enum prune_kind kind, long long n, const char *done)
{
	if (n > 0)
		warnx("%lld %s %s removed", n, kinds[kind].what, done);
}

static long
read_days(const char *option, const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < 1 || n > DAYS_MAX)
		errx(EX_USAGE, "--%s '%s' is no number of days", option, text);
	return n;
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"raw-days", required_argument, NULL, 0},
	    {"runs-days", required_argument, NULL, 1},
	    {"checks-days", required_argument, NULL, 2},
	    {"database", required_argument, NULL, 'd'},
	    {"dry-run", no_argument, NULL, 'n'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	const char *url = NULL;
	long days[PRUNE_KINDS] = {0};
	bool dry_run = false, any = false;
	const struct pruner *pruner;
	enum url_kind kind;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "d:", options, NULL)) != -1) {
		if (c >= 0 && c < PRUNE_KINDS) {
			days[c] = read_days(kinds[c].option, optarg);
			any = true;
		} else if (c == 'd') {
			url = optarg;
		} else if (c == 'n') {
			dry_run = true;
		} else {
			nd_option(c, argv, usage);
		}
	}
	if (optind < argc)
		errx(
		    EX_USAGE, "unknown operand '%s'; see --help", argv[optind]);
	if (!any)
		errx(EX_USAGE, "what is to be removed? see --help");

	url = url_given(url, argv, &kind);
	pruner = pruners[kind];
	pruner->open(url);
	for (enum prune_kind k = 0; k < PRUNE_KINDS; k++) {
		if (days[k] == 0)
			continue;
		if (dry_run)
			report(k, pruner->count(k, days[k]), "would be");
		else if (isatty(STDERR_FILENO))
			report(k, pruner->prune(k, days[k]), "are");
		else
			pruner->prune(k, days[k]);
	}
	pruner->close();
	return nd_finish();
}
