#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "lib/when.h"
#include "load/drivers/postgres.h"
#include "load/drivers/schema.h"

#define OLDEST 150000 /* views with their caller's rights */
#define DIGITS_CAPITALS "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define CODE_S 10 /* to be told why we are refused */
#define CONNECT_S 30 /* for a server that is about to be there */
#define TRIES 8 /* of a transaction: half a minute in all */

static void
nap(double seconds)
{
	struct timespec t = {
	    (time_t)seconds, (long)((seconds - (int)seconds) * 1e9)};

	nanosleep(&t, NULL);
}

/*
 * libpq's messages have a line for each address that it tried, and a second for
 * what to look at, which begins with a tab: all but those, in one line.
 */
static const char *
one_line(const char *message, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	while (*message != '\0' && len + 1 < size) {
		size_t line = strcspn(message, "\n");

		if (line > 0 && *message != '\t')
			len += (size_t)snprintf(buf + len, size - len, "%s%.*s",
			    len == 0 ? "" : "; ", (int)line, message);
		message += line + (message[line] == '\n');
	}
	return buf;
}

static bool
has(const char *text, const char *words)
{
	return strstr(text, words) != NULL;
}

static bool
has_any(const char *text, const char *const *words)
{
	while (*words != NULL && !has(text, *words))
		words++;
	return *words != NULL;
}

/* Whether a code is of one of these classes, or one of these. */
static bool
one_of(const char *code, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strncmp(code, *list, strlen(*list)) == 0)
			return true;
	return false;
}

/* The status for what a server gives as SQLSTATE (PostgreSQL, Appendix A). */
static int
status_of_code(const char *code)
{
	static const char *const full[] = {"53100", "58030", "XX001", NULL};
	static const char *const later[] = {
	    "08", "40", "53", "55", "57", "25006", NULL};
	static const char *const refused[] = {"28", "42501", NULL};
	static const char *const set_wrong[] = {
	    "3D", "3F", "42P01", "42883", "42P07", "42710", "42723", NULL};

	if (one_of(code, full))
		return EX_IOERR;
	if (one_of(code, later))
		return EX_TEMPFAIL;
	if (one_of(code, refused))
		return EX_NOPERM;
	return one_of(code, set_wrong) ? EX_CONFIG : EX_SOFTWARE;
}

/*
 * What became of a connection, by the words of libpq and of poolers, which are
 * English always, and by the server's code: its words are in any language.
 */
static int
connection_status(const char *why, PGPing ping, const char *code)
{
	static const char *const stranger[] = {
	    "certificate verify failed", "server certificate for", NULL};
	static const char *const set_wrong[] = {"but SSL was required",
	    "certificate file", "key file", "invalid value for parameter",
	    "configuration parameter", "startup parameter", "no such database",
	    NULL};
	static const char *const busy[] = {"too many", "connection slots",
	    "max client", "closed the connection", "could not receive data",
	    "could not send", NULL};

	if (has_any(why, stranger))
		return EX_PROTOCOL;
	if (has_any(why, set_wrong) ||
	    (has(why, "database \"") && has(why, "does not exist")))
		return EX_CONFIG;
	if (ping != PQPING_OK || has_any(why, busy))
		return EX_TEMPFAIL;
	if (*code == '\0')
		return EX_NOPERM;
	/* Else it is what the URL asks of the session. */
	return status_of_code(code) == EX_SOFTWARE ? EX_CONFIG
						   : status_of_code(code);
}

/* Wait for what an attempt to connect waits for; false if it is too long. */
static bool
wait_for(PGconn *db, PostgresPollingStatusType state, int64_t until)
{
	struct pollfd p = {
	    PQsocket(db), state == PGRES_POLLING_READING ? POLLIN : POLLOUT, 0};

	return when_ticks() < until &&
	    (poll(&p, 1, 1000) != -1 || errno == EINTR);
}

/* The code with which the server refuses us (libpq's words on it would be in
 * the server's language, and have no code); "" if it gives none. */
static void
ask_code(const char *const *keys, const char *const *values, char code[6])
{
	int64_t until = when_ticks() + CODE_S;
	PGconn *db = PQconnectStartParams(keys, values, 1);
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;
	const char *said;

	*code = '\0';
	if (db == NULL || PQstatus(db) == CONNECTION_BAD) {
		PQfinish(db);
		return;
	}
	PQsetErrorVerbosity(db, PQERRORS_SQLSTATE);
	while (state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED &&
	    wait_for(db, state, until))
		state = PQconnectPoll(db);
	if (state == PGRES_POLLING_OK) /* now it would have us */
		strcpy(code, "57P03");
	/* FATAL:  3D000, at the end. */
	said = strrchr(PQerrorMessage(db), ':');
	if (said != NULL && strncmp(said, ":  ", 3) == 0 &&
	    strspn(said + 3, DIGITS_CAPITALS) == 5)
		snprintf(code, 6, "%.5s", said + 3);
	PQfinish(db);
}

/* How an attempt to connect failed. */
struct refusal {
	PGPing ping;
	char code[6];
};

/* What the URL says goes before what is above it here, and after what is below.
 */
static PGconn *
try_to_connect(const char *url, struct refusal *refusal)
{
	static const char *const keys[] = {"fallback_application_name",
	    "connect_timeout", "keepalives_idle", "tcp_user_timeout", "dbname",
	    "client_encoding", NULL};
	const char *values[] = {"sellerpipe",
	    getenv("PGCONNECT_TIMEOUT") == NULL ? "10" : NULL, "30", "60000",
	    url, "UTF8", NULL};
	PGconn *db = PQconnectdbParams(keys, values, 1);

	if (db == NULL)
		err(EX_TEMPFAIL, NULL);
	if (PQstatus(db) == CONNECTION_OK)
		return db;
	*refusal = (struct refusal){PQPING_NO_RESPONSE, ""};
	if (!has(PQerrorMessage(db), "timeout expired")) /* it would be again */
		refusal->ping = PQpingParams(keys, values, 1);
	if (refusal->ping == PQPING_OK)
		ask_code(keys, values, refusal->code);
	return db;
}

static void
no_notice(void *unused, const char *message)
{
	(void)unused;
	(void)message;
}

static bool
is_bad_url(const char *why, PGPing ping)
{
	return ping == PQPING_NO_ATTEMPT || has(why, "invalid integer value") ||
	    has(why, "invalid port number");
}

/* What libpq quotes of a URL that it cannot read may be the password. */
static _Noreturn void
bad_url(const char *why)
{
	size_t len = strcspn(why, "\"");

	while (len > 0 && strchr(": ", why[len - 1]) != NULL)
		len--;
	errx(EX_CONFIG,
	    "the database's URL cannot be read: %.*s; what is not plain in it "
	    "is written as %%25 for %%, %%2F for /, %%3D for =, %%40 for @",
	    (int)len, why);
}

static PGconn *connected;

void
postgres_close(void)
{
	PQfinish(connected);
	connected = NULL;
}

static PGconn *
connect_to(const char *url)
{
	int64_t until = when_ticks() + CONNECT_S;
	struct refusal refusal;
	char why[400];

	for (double wait = 0.1;; wait *= 2) {
		PGconn *db = try_to_connect(url, &refusal);
		int status;

		PQsetNoticeProcessor(db, no_notice, NULL);
		if (PQstatus(db) == CONNECTION_OK) {
			connected = db;
			atexit(postgres_close);
			return db;
		}
		one_line(PQerrorMessage(db), why, sizeof(why));
		PQfinish(db);
		if (is_bad_url(why, refusal.ping))
			bad_url(why);
		status = connection_status(why, refusal.ping, refusal.code);
		/* It is just coming up; else nobody gains by waiting here. */
		if (status != EX_TEMPFAIL ||
		    refusal.ping == PQPING_NO_RESPONSE || when_ticks() >= until)
			errx(status, "cannot reach the database: %s%s", why,
			    status == EX_TEMPFAIL ? "; try again later" : "");
		nap(wait);
	}
}

static const char *
code_of(const PGresult *r)
{
	const char *code =
	    r == NULL ? NULL : PQresultErrorField(r, PG_DIAG_SQLSTATE);

	return code == NULL ? "" : code;
}

static int
status_of(const PGconn *db, const PGresult *r)
{
	const char *code = code_of(r);

	/* A disk that is full is so for the next connection, too. */
	if (PQstatus(db) == CONNECTION_BAD && status_of_code(code) != EX_IOERR)
		return EX_TEMPFAIL;
	return status_of_code(code);
}

_Noreturn void
postgres_fail(PGconn *db, const PGresult *r, const char *doing)
{
	static const char *const missing[] = {"42P01", "42883", NULL};
	static const char *const read_only[] = {"25006", NULL};
	const char *said =
	    r == NULL ? NULL : PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	int status = status_of(db, r);
	char why[400];

	one_line(said != NULL ? said : PQerrorMessage(db), why, sizeof(why));
	errx(status, "cannot %s the database: %s%s%s", doing, why,
	    one_of(code_of(r), read_only)
		? ": it is a replica, or its disk is full, or it is set so"
		: "",
	    status == EX_TEMPFAIL ? "; try again later"
		: one_of(code_of(r), missing)
		? "; db-load --init makes what is missing"
		: "");
}

bool
postgres_again(PGconn *db, const PGresult *failed, int *tries)
{
	/* A server that may only be read, and one that was told to stop us. */
	static const char *const hopeless[] = {"25006", "57014", NULL};

	if (status_of(db, failed) != EX_TEMPFAIL ||
	    one_of(code_of(failed), hopeless))
		return false;
	while (*tries < TRIES) {
		nap(0.1 * (1 << (*tries)++));
		if (PQstatus(db) == CONNECTION_BAD)
			PQreset(db);
		if (PQstatus(db) == CONNECTION_OK)
			PQclear(PQexec(db, "ROLLBACK"));
		if (PQstatus(db) == CONNECTION_OK)
			return true;
	}
	return false;
}

/* Without parameters, all the statements of a text. */
static PGresult *
run(PGconn *db, const char *sql, int n, const char *const *values)
{
	return n == 0 ? PQexec(db, sql)
		      : PQexecParams(db, sql, n, NULL, values, NULL, NULL, 0);
}

PGresult *
postgres_exec(PGconn *db, const char *sql, int n, const char *const *values)
{
	bool alone = PQtransactionStatus(db) == PQTRANS_IDLE;
	int tries = 0;

	for (;;) {
		PGresult *r = run(db, sql, n, values);

		if (PQresultStatus(r) == PGRES_TUPLES_OK ||
		    PQresultStatus(r) == PGRES_COMMAND_OK)
			return r;
		if (!alone || !postgres_again(db, r, &tries))
			postgres_fail(db, r, "use");
		PQclear(r);
	}
}

static long long
ask(PGconn *db, const char *sql)
{
	PGresult *r = postgres_exec(db, sql, 0, NULL);
	long long n =
	    PQntuples(r) > 0 ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : 0;

	PQclear(r);
	return n;
}

/* The version of the schema; exit if it is newer than we are. */
static long long
see_version(PGconn *db)
{
	const char *encoding = PQparameterStatus(db, "server_encoding");
	long long version;

	if (PQserverVersion(db) < OLDEST)
		errx(EX_CONFIG,
		    "the database's server is PostgreSQL %d: 15 or later is "
		    "needed",
		    PQserverVersion(db) / 10000);
	if (encoding != NULL && strcmp(encoding, "UTF8") != 0)
		errx(EX_CONFIG, "the database's encoding is %s: UTF8 is needed",
		    encoding);
	/* In the schema where all is made and looked for, and in no other. */
	if (ask(db,
		"SELECT count(*) FROM pg_class "
		"WHERE relname = 'sellerpipe_schema' "
		"AND relnamespace = "
		"quote_ident(current_schema())::regnamespace") == 0)
		return 0;
	version = ask(db,
	    "SELECT coalesce(max(version), 0) "
	    "FROM sellerpipe_schema");
	if (version == 0)
		errx(EX_NOPERM,
		    "the database shows this role none of its rows: it needs "
		    "BYPASSRLS, or to be the tables' owner");
	if (version > db_newest(postgres_migrations))
		errx(EX_CONFIG,
		    "the database has schema %lld, and this program knows %d: "
		    "use a newer one",
		    version, db_newest(postgres_migrations));
	return version;
}

static void
apply(PGconn *db, const struct db_migration *m)
{
	char *sql = db_text(m);

	PQclear(postgres_exec(db, sql, 0, NULL));
	free(sql);
}

static void
migrate(PGconn *db)
{
	long long version;
	char sql[80];

	ask(db, POSTGRES_BEGIN "SET LOCAL standard_conforming_strings = on");
	ask(db, "SELECT pg_advisory_xact_lock(hashtext('sellerpipe_schema'))");
	/* Somebody may have been faster. */
	version = see_version(db);
	for (const struct db_migration *m = postgres_migrations;
	     m->version != 0; m++) {
		if (m->version <= version)
			continue;
		apply(db, m);
		snprintf(sql, sizeof(sql),
		    "INSERT INTO sellerpipe_schema VALUES (%d)", m->version);
		ask(db, sql);
	}
	for (const struct db_migration *m = postgres_always; m->version != 0;
	     m++)
		apply(db, m);
	ask(db, "NOTIFY pgrst, 'reload schema'");
	ask(db, "COMMIT");
}

PGconn *
postgres_open(const char *url, enum db_use use, bool init)
{
	PGconn *db = connect_to(url);
	long long version = see_version(db);

	if (version == 0 && use != DB_WRITE)
		errx(EX_CONFIG,
		    "the database has no tables of ours; db-load --init makes "
		    "them");
	if (version < db_newest(postgres_migrations) && use == DB_TRY)
		errx(EX_CONFIG,
		    "the database has schema %lld, and a dry run would not "
		    "make it %d; db-load --init does",
		    version, db_newest(postgres_migrations));
	if (version < db_newest(postgres_migrations) ||
	    (init && use == DB_WRITE))
		migrate(db);
	if (use == DB_WRITE)
		ask(db, POSTGRES_BEGIN "SELECT make_partitions(); COMMIT");
	return db;
}
