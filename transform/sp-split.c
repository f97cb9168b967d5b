/*
 * sp-split - the rows of saved Sales & Traffic reports
 *
 * Reads documents as Amazon gives them, gzipped or not, and writes their rows
 * as sp-fetch does, so that what comes after it can be run on them.  A document
 * says itself of which marketplace and day it is.
 *
 * A file is read twice: first it is checked, then its rows go out.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/ndjson.h"
#include "lib/report.h"

#define NAME_SIZE 97 /* of a report's id, that sales-flatten takes */

static const char usage[] =
    "usage: sp-split FILE...\n"
    "\n"
    "Writes the rows of saved Sales & Traffic documents, gzipped or not:\n"
    "sp_sales_by_date, and sp_sales_by_asin if the document is of one day.\n"
    "They count as fetched when the file was last changed.\n"
    "\n"
    "      --help, --version\n"
    "\n"
    "example: sp-split report.json.gz | sales-flatten | jq .\n";

static void
read_file(struct report *r, FILE *f, const char *path)
{
	char buf[64 << 10];
	size_t n;

	rewind(f);
	report_again(r);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		if (!report_feed(r, buf, n))
			break;
	if (ferror(f))
		err(EX_IOERR, "cannot read '%s'", path);
}

/* What is not even a file is said before any rows are out.  Opening a pipe
 * could wait for ever. */
static void
look_at(const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1 || access(path, R_OK) == -1)
		err(EX_USAGE, "cannot open '%s'", path);
	if (!S_ISREG(st.st_mode))
		errx(EX_USAGE, "'%s' is no file that can be read twice", path);
}

static void
split(const char *path)
{
	static const struct report_ask whatever;
	const char *slash = strrchr(path, '/'), *why;
	char fetched_at[WHEN_SIZE], name[NAME_SIZE];
	struct report *r;
	struct stat st;
	FILE *f = fopen(path, "rb");

	if (f == NULL || fstat(fileno(f), &st) == -1)
		err(nd_status(EX_IOERR), "cannot open '%s'", path);
	snprintf(name, sizeof(name), "%s", slash == NULL ? path : slash + 1);
	r = report_begin(&whatever, name, when_text(st.st_mtime, fetched_at));
	read_file(r, f, path);
	why = report_why(r);
	if (why == NULL)
		why = r->mismatch;
	if (why == NULL) {
		report_let_out(r);
		read_file(r, f, path);
		why = report_why(r);
	}
	if (why != NULL) {
		warnx("%s: %s", path, why);
		nd_failed();
	}
	fclose(f);
	nd_flush(); /* the next file may be the end */
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		nd_option(c, argv, usage);
	if (optind == argc)
		errx(EX_USAGE, "no files; see --help");
	for (int i = optind; i < argc; i++)
		look_at(argv[i]);
	for (; optind < argc; optind++)
		split(argv[optind]);
	report_free();
	return nd_finish();
}
