/*
 * job-ping - tell a dead man's switch how a job goes
 *
 * A machine that is off, or a cron that does not run, says nothing.  So each
 * job has a check at a service outside, which hears when it starts and how it
 * ended, with the last lines of its log, and alarms when it hears nothing.
 *
 * A job that could not do all for now (75) has not failed, nor has it
 * succeeded: the check's state stays, and if it lasts, silence alarms.
 *
 * The URL is a secret, by which anybody could say that all is well.
 *
 * Facts: healthchecks.io's page "Pinging API", Cronitor's "Telemetry API".
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/http.h"
#include "lib/ndjson.h"

#define TIME_MAX 10 /* seconds, for all of it: the job waits */
#define TRIES "3"
#define NAME_MAX_LEN 31
#define URL_MAX 2000 /* bytes of the setting */
#define SAID_MAX 65536 /* bytes of the input's end that are kept */
#define BODY_MAX 10000 /* that are sent: healthchecks.io stores no more */
#define MESSAGE_MAX 2000 /* and Cronitor */
#define PART_MIN 16 /* of a URL, what is long enough to be a key */
#define UUID_SIZE sizeof("00000000-0000-8000-8000-000000000000")

#define START (-1)

static struct {
	const char *job, *run;
	int status; /* or START */
	char setting[sizeof("HEALTHCHECK_URL_") + NAME_MAX_LEN];
	char url[URL_MAX + 1]; /* as it was set */
	char asked[URL_MAX + 3 * MESSAGE_MAX + 1000];
	char said[SAID_MAX + 1]; /* what was read last */
	size_t len;
} ping;

static const char usage[] =
    "usage: job-ping NAME start|STATUS [--run RUN_ID] [<log]\n"
    "\n"
    "Tells the URL in HEALTHCHECK_URL_NAME that the job NAME starts, or ended\n"
    "with STATUS (0 to 255), and the last lines of what it reads.  If there\n"
    "is no such setting, it does nothing.\n"
    "\n"
    "      --run RUN_ID   the run's id, by which start and end are one\n"
    "      --help, --version\n"
    "\n"
    "example: tail -n 30 logs/badges.log | job-ping badges 75\n";

/* Keep the last of what is read, until its end or that time. */
static void
read_said(double until)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char buf[SAID_MAX];

	if (isatty(STDIN_FILENO))
		return;
	for (;;) {
		int left = (int)(1000 * (until - http_clock()));
		size_t n, drop;
		ssize_t r;

		if (left <= 0 || poll(&in, 1, left) <= 0)
			return;
		if ((r = read(STDIN_FILENO, buf, sizeof(buf))) <= 0)
			return; /* to be told without a log is better than not
				 */
		n = (size_t)r;
		drop = ping.len + n > SAID_MAX ? ping.len + n - SAID_MAX : 0;
		memmove(ping.said, ping.said + drop, ping.len - drop);
		memcpy(ping.said + ping.len - drop, buf, n);
		ping.len += n - drop;
	}
}

/* Make UTF-8 of it, with nothing that a terminal would obey. */
static void
clean_said(void)
{
	size_t n;

	for (size_t i = 0; i < ping.len; i += n) {
		unsigned char c = (unsigned char)ping.said[i];

		n = 1;
		if (c >= 0x80)
			n = nd_character(ping.said + i, ping.len - i);
		else if (!isprint(c) && c != '\n' && c != '\t')
			n = 0;
		if (n == 0) {
			ping.said[i] = '?';
			n = 1;
		}
	}
	ping.said[ping.len] = '\0';
}

/* Put stars over the URL, and over what in it may be a key. */
static void
hide_url(void)
{
	char *part, *rest = NULL, url[sizeof(ping.url)];

	conf_hide(ping.said, ping.url);
	memcpy(url, ping.url, sizeof(url));
	part = strtok_r(strstr(url, "://") + 3, "/?", &rest); /* the host */
	while ((part = strtok_r(NULL, "/?&=#", &rest)) != NULL)
		if (strlen(part) >= PART_MIN)
			conf_hide(ping.said, part);
}

/* The last bytes of it, so many at most, from a line's beginning on if there is
 * one; else from a character's. */
static const char *
last_said(size_t max)
{
	const char *p = ping.said + ping.len - max, *line;

	if (ping.len <= max)
		return ping.said;
	if ((line = strchr(p - 1, '\n')) != NULL && line[1] != '\0')
		return line + 1;
	while ((*p & 0xc0) == 0x80)
		p++;
	return p;
}

/* FNV-1a, begun anywhere. */
static uint64_t
hash(const char *text, uint64_t h)
{
	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3;
	return h;
}

/* A UUID that follows from the run's id: of version 8, which says nothing. */
static void
make_uuid(char uuid[UUID_SIZE])
{
	uint64_t a = hash(ping.run, 0xcbf29ce484222325);
	uint64_t b = hash(ping.run, a ^ 0x6c62272e07bb0142);

	snprintf(uuid, UUID_SIZE, "%08x-%04x-8%03x-%04x-%012llx",
	    (unsigned)(a >> 32), (unsigned)(a >> 16) & 0xffff,
	    (unsigned)a & 0xfff, 0x8000 | ((unsigned)(b >> 48) & 0x3fff),
	    (unsigned long long)b & 0xffffffffffff);
}

static void
param(const char *name, const char *value)
{
	if (!http_param(ping.asked, sizeof(ping.asked), name, value))
		errx(EX_CONFIG, "%s is too long", ping.setting);
}

/* As healthchecks.io has it, and what is like it: the event is the path's last
 * part.  A query stays behind it. */
static void
ask_healthchecks(void)
{
	size_t path = strcspn(ping.url, "?"), n = path;
	char event[16] = "", uuid[UUID_SIZE];

	if (ping.status == START)
		snprintf(event, sizeof(event), "/start");
	else if (ping.status == EX_TEMPFAIL)
		snprintf(event, sizeof(event), "/log");
	else if (ping.status != 0)
		snprintf(event, sizeof(event), "/%d", ping.status);
	while (*event != '\0' && n > 0 && ping.url[n - 1] == '/')
		n--;
	snprintf(ping.asked, sizeof(ping.asked), "%.*s%s%s", (int)n, ping.url,
	    event, ping.url + path);
	if (ping.run != NULL) {
		make_uuid(uuid);
		param("rid", uuid);
	}
}

/* As Cronitor has it: all is in the query. */
static void
ask_cronitor(void)
{
	const char *state = "fail";
	char status[16];

	if (ping.status == START)
		state = "run";
	else if (ping.status == 0)
		state = "complete";
	else if (ping.status == EX_TEMPFAIL)
		state = "ok";
	snprintf(ping.asked, sizeof(ping.asked), "%s", ping.url);
	param("state", state);
	if (ping.run != NULL)
		param("series", ping.run);
	if (ping.status == START)
		return;
	snprintf(status, sizeof(status), "%d", ping.status);
	param("status_code", status);
	if (ping.len > 0)
		param("message", last_said(MESSAGE_MAX));
}

/* healthchecks.io says 200 of a check that it does not have, too. */
static void
judge(void *arg, struct http_res *res)
{
	(void)arg;
	if (res->outcome != HTTP_OK ||
	    strncmp(res->body, "OK (not found)", 14) != 0)
		return;
	res->outcome = HTTP_REFUSED;
	snprintf(res->why, sizeof(res->why), "it knows no such check");
}

/* Ask, and say so if that was in vain; main's exit status. */
static int
ask(bool cronitor, double seconds)
{
	static const char *const headers[] = {
	    "Content-Type: text/plain; charset=utf-8", NULL};
	struct http *http = http_new();
	struct http_req req = {.url = ping.asked,
	    .judge = judge,
	    .secret = true,
	    .max_wait = seconds,
	    .max_time = seconds};
	const char *host = strstr(ping.url, "://") + 3;
	struct http_res res;

	if (!cronitor && ping.len > 0) {
		req.headers = headers;
		req.body = last_said(BODY_MAX);
		req.len = strlen(req.body);
	}
	res = http_do(http, &req);
	if (res.outcome != HTTP_OK) {
		conf_hide(res.why, ping.url);
		warnx("%.*s: %s%s%s", (int)strcspn(host, "/?"), host, res.why,
		    res.outcome == HTTP_REFUSED ? "; is this right: " : "",
		    res.outcome == HTTP_REFUSED ? ping.setting : "");
	}
	http_free(http);
	return http_status(&res);
}

static bool
is_cronitor(void)
{
	static const char base[] = "https://cronitor.link/";

	return strncmp(ping.url, base, sizeof(base) - 1) == 0;
}

/* The URL, if it is set: without a fragment, which nobody sends. */
static bool
read_url(void)
{
	size_t n = strlen(strcpy(ping.setting, "HEALTHCHECK_URL_"));
	const char *url, *p;

	for (p = ping.job; *p != '\0'; p++)
		ping.setting[n++] =
		    *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	ping.setting[n] = '\0';
	if ((url = conf_get(ping.setting)) == NULL)
		return false;
	http_check_url(ping.setting, url);
	if (strlen(url) > URL_MAX)
		errx(EX_CONFIG, "%s is too long", ping.setting);
	snprintf(
	    ping.url, sizeof(ping.url), "%.*s", (int)strcspn(url, "#"), url);
	return true;
}

static bool
good_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return name[n] == '\0' && n <= NAME_MAX_LEN &&
	    islower((unsigned char)*name);
}

static bool
read_status(const char *text)
{
	char *end;

	if (strcmp(text, "start") == 0) {
		ping.status = START;
		return true;
	}
	ping.status = (int)strtoul(text, &end, 10);
	return *end == '\0' && strlen(text) <= 3 &&
	    strspn(text, "0123456789") == strlen(text) && *text != '\0' &&
	    ping.status <= 255;
}

static void
read_arguments(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"run", required_argument, NULL, 'r'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'r')
			nd_option(c, argv, usage);
		if (*optarg == '\0' || strlen(optarg) > 200)
			errx(EX_USAGE, "--run '%s' is no run's id", optarg);
		ping.run = optarg;
	}
	if (argc - optind != 2)
		errx(EX_USAGE,
		    "a job's name and start, or its status, are needed; "
		    "see --help");
	ping.job = argv[optind];
	if (!good_name(ping.job))
		errx(EX_USAGE, "'%s' is no job's name", ping.job);
	if (!read_status(argv[optind + 1]))
		errx(EX_USAGE, "'%s' is neither start nor a status",
		    argv[optind + 1]);
}

int
main(int argc, char *argv[])
{
	double began = http_clock(), seconds;
	bool cronitor;
	int status;

	read_arguments(argc, argv);
	if (!read_url())
		return nd_finish();
	seconds = (double)conf_number("HTTP_TIMEOUT", 1, 86400, TIME_MAX);
	if (seconds > TIME_MAX)
		seconds = TIME_MAX;
	if (conf_get("HTTP_TRIES") == NULL)
		setenv("HTTP_TRIES", TRIES, 1);
	if (ping.status != START)
		read_said(began + seconds / 2);
	clean_said();
	hide_url();
	if ((cronitor = is_cronitor()))
		ask_cronitor();
	else
		ask_healthchecks();
	status = ask(cronitor, began + seconds - http_clock());
	conf_free();
	return status != 0 ? status : nd_finish();
}
