/*
 * sales - rows of sales_daily, as records or straight into a database
 *
 *     sales ROWS TIME             as records
 *     sales ROWS TIME FILE        as the upserts that db-load makes of them
 *
 * 500 ASINs in two marketplaces, day by day, fetched at TIME.  The second is
 * the limit for db-load: the same statement, with values that nobody had to
 * read.
 */
#include <err.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASINS 500
#define BATCH 100000 /* as db-load commits */
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))
#define KEYS 3

static const struct field {
	const char *name;
	bool real;
} fields[] = {{"marketplace", 0}, {"date", 0}, {"asin", 0}, {"parent_asin", 0},
    {"units_ordered", 0}, {"units_ordered_b2b", 0},
    {"ordered_product_sales_cents", 0}, {"ordered_product_sales_b2b_cents", 0},
    {"total_order_items", 0}, {"total_order_items_b2b", 0},
    {"browser_sessions", 0}, {"browser_sessions_b2b", 0},
    {"mobile_app_sessions", 0}, {"mobile_app_sessions_b2b", 0}, {"sessions", 0},
    {"sessions_b2b", 0}, {"browser_session_percentage", 1},
    {"browser_session_percentage_b2b", 1}, {"mobile_app_session_percentage", 1},
    {"mobile_app_session_percentage_b2b", 1}, {"session_percentage", 1},
    {"session_percentage_b2b", 1}, {"browser_page_views", 0},
    {"browser_page_views_b2b", 0}, {"mobile_app_page_views", 0},
    {"mobile_app_page_views_b2b", 0}, {"page_views", 0}, {"page_views_b2b", 0},
    {"browser_page_views_percentage", 1},
    {"browser_page_views_percentage_b2b", 1},
    {"mobile_app_page_views_percentage", 1},
    {"mobile_app_page_views_percentage_b2b", 1}, {"page_views_percentage", 1},
    {"page_views_percentage_b2b", 1}, {"buy_box_percentage", 1},
    {"buy_box_percentage_b2b", 1}, {"unit_session_percentage", 1},
    {"unit_session_percentage_b2b", 1}, {"currency", 0}, {"report_id", 0},
    {"fetched_at", 0}};

/* A row: the texts, and all else as integers; those of reals are hundredths. */
static struct {
	char date[40], report_id[40];
	const char *marketplace, *asin, *currency, *fetched_at;
	long long n[N_FIELDS];
} row;

static char asins[ASINS][11];
static unsigned long long seed = 1;

static long long
below(long long limit)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (long long)(seed >> 33) % limit;
}

/* The text of a field, or NULL if it is a number. */
static const char *
text(size_t i)
{
	switch (i) {
	case 0:
		return row.marketplace;
	case 1:
		return row.date;
	case 2:
	case 3:
		return row.asin;
	case N_FIELDS - 3:
		return row.currency;
	case N_FIELDS - 2:
		return row.report_id;
	case N_FIELDS - 1:
		return row.fetched_at;
	default:
		return NULL;
	}
}

/* A civil date of so many days after 2000-03-01. */
static void
put_date(char date[40], int days)
{
	int year = (4 * days + 3) / 1461, of_year = days - year * 1461 / 4;
	int month = (5 * of_year + 2) / 153;

	snprintf(date, 40, "%04d-%02d-%02d", 2000 + year + month / 10,
	    (month + 2) % 12 + 1, of_year - (153 * month + 2) / 5 + 1);
}

static void
next_row(long i)
{
	bool us = i / ASINS % 2 == 0;

	row.asin = asins[i % ASINS];
	row.marketplace = us ? "US" : "CA";
	row.currency = us ? "USD" : "CAD";
	if (i % ASINS == 0) {
		put_date(row.date, 8000 + (int)(i / ASINS / 2));
		snprintf(row.report_id, sizeof(row.report_id), "%ld",
		    50000000 + i / ASINS);
	}
	for (size_t f = KEYS + 1; f < N_FIELDS - 3; f += 2) {
		row.n[f] = below(fields[f].real ? 10000 : 400);
		row.n[f + 1] = row.n[f] / 8; /* its B2B part */
	}
	row.n[6] = row.n[4] * 1999;
	row.n[7] = row.n[5] * 1999;
}

static void
print_row(void)
{
	fputs("{\"type\":\"sales_daily\"", stdout);
	for (size_t i = 0; i < N_FIELDS; i++) {
		if (text(i) != NULL)
			printf(",\"%s\":\"%s\"", fields[i].name, text(i));
		else if (fields[i].real)
			printf(",\"%s\":%.15g", fields[i].name,
			    (double)row.n[i] / 100);
		else
			printf(",\"%s\":%lld", fields[i].name, row.n[i]);
	}
	puts("}");
}

static void
exec(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		errx(1, "%s", sqlite3_errmsg(db));
}

static sqlite3_stmt *
upsert(sqlite3 *db)
{
	sqlite3_str *sql = sqlite3_str_new(db);
	sqlite3_stmt *stmt;
	char *s;

	sqlite3_str_appendall(sql, "INSERT INTO sales_daily VALUES (?1");
	for (size_t i = 1; i < N_FIELDS; i++)
		sqlite3_str_appendf(sql, ", ?%d", (int)i + 1);
	sqlite3_str_appendall(
	    sql, ") ON CONFLICT (marketplace, date, asin) DO UPDATE SET ");
	for (size_t i = KEYS; i < N_FIELDS; i++)
		sqlite3_str_appendf(sql, "%s%s = excluded.%s",
		    i == KEYS ? "" : ", ", fields[i].name, fields[i].name);
	for (size_t i = KEYS; i < N_FIELDS; i++)
		sqlite3_str_appendf(sql, "%s sales_daily.%s IS NOT excluded.%s",
		    i == KEYS ? " WHERE (" : " OR", fields[i].name,
		    fields[i].name);
	sqlite3_str_appendall(
	    sql, ") AND excluded.fetched_at >= sales_daily.fetched_at");
	s = sqlite3_str_finish(sql);
	if (sqlite3_prepare_v2(db, s, -1, &stmt, NULL) != SQLITE_OK)
		errx(1, "%s", sqlite3_errmsg(db));
	sqlite3_free(s);
	return stmt;
}

static void
bind_row(sqlite3_stmt *stmt)
{
	for (int i = 0; i < (int)N_FIELDS; i++) {
		const char *s = text((size_t)i);

		if (s != NULL)
			sqlite3_bind_text(
			    stmt, i + 1, s, (int)strlen(s), SQLITE_STATIC);
		else if (fields[i].real)
			sqlite3_bind_double(
			    stmt, i + 1, (double)row.n[i] / 100);
		else
			sqlite3_bind_int64(stmt, i + 1, row.n[i]);
	}
}

static void
load(const char *file, long rows)
{
	sqlite3_stmt *stmt;
	sqlite3 *db;

	sqlite3_config(SQLITE_CONFIG_SINGLETHREAD); /* as db-load has it */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	if (sqlite3_open(file, &db) != SQLITE_OK)
		errx(1, "%s", sqlite3_errmsg(db));
	exec(db, "PRAGMA journal_mode = WAL");
	stmt = upsert(db);
	for (long i = 0; i < rows; i++) {
		if (i % BATCH == 0)
			exec(db, i == 0 ? "BEGIN" : "COMMIT; BEGIN");
		next_row(i);
		bind_row(stmt);
		if (sqlite3_step(stmt) != SQLITE_DONE)
			errx(1, "%s", sqlite3_errmsg(db));
		sqlite3_reset(stmt);
	}
	exec(db, "COMMIT");
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

int
main(int argc, char *argv[])
{
	long rows;

	if (argc < 3)
		errx(64, "usage: sales ROWS TIME [FILE]");
	rows = strtol(argv[1], NULL, 10);
	row.fetched_at = argv[2];
	for (int i = 0; i < ASINS; i++)
		snprintf(asins[i], sizeof(asins[i]), "B0BENCH%03d", i);
	if (argc > 3) {
		load(argv[3], rows);
		return 0;
	}
	for (long i = 0; i < rows; i++) {
		next_row(i);
		print_row();
	}
	return fflush(stdout) != 0;
}
