#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* F_SETPIPE_SZ, where there is one */
#endif
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/ndjson.h"

#define IN_BLOCK (256UL << 10)
#define OUT_BLOCK (64UL << 10)
#define PIPE_SIZE (1 << 20) /* halves the cost of a pipe of three stages */

struct nd_in {
	int fd;
	const char *name;
	char *buf;
	size_t cap, begin, end; /* of buf; what is not read yet is between */
	size_t searched; /* from begin, without a newline in it */
	bool eof;
	bool dropped; /* the first part of a line that is too long */
	struct json_slice line;
	unsigned long lineno;
	char *open_run; /* run_id of the run whose end has not come, or NULL */
	int idle_ms;
	void (*idle)(void *);
	void *idle_arg;
};

static struct {
	char buf[OUT_BLOCK];
	size_t len;
} out;

static bool bad_seen, cut_short;

static void *
must(void *p)
{
	if (p == NULL)
		err(EX_TEMPFAIL, "cannot hold a record");
	return p;
}

_Noreturn void
nd_option(int c, char *argv[], const char *usage)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash == NULL ? argv[0] : slash + 1;
	const char *bad = argv[optind - 1];
	char letter[] = {'-', (char)optopt, '\0'};

	/* Of letters in a row, such as -xy, optind may not be past the row. */
	if (optopt != 0 && strncmp(bad, "--", 2) != 0)
		bad = letter;

	if (c == 'h') {
		nd_puts(usage);
	} else if (c == 'V') {
		nd_puts(name);
		nd_puts(" " SELLERPIPE_VERSION "\n");
	} else {
		errx(EX_USAGE, "bad option '%s'; see '%s --help'", bad, name);
	}
	exit(nd_finish());
}

int
nd_status(int otherwise)
{
	bool passing = errno == ENOMEM || errno == EMFILE || errno == ENFILE;

	return passing ? EX_TEMPFAIL : otherwise;
}

struct nd_in *
nd_open(const char *path)
{
	int fd = path == NULL ? STDIN_FILENO : open(path, O_RDONLY);
	struct nd_in *in;

	if (fd == -1)
		err(nd_status(EX_USAGE), "cannot open '%s'", path);
	in = must(calloc(1, sizeof(*in)));
	in->name = path == NULL ? "stdin" : path;
	in->fd = fd;
	in->cap = IN_BLOCK;
	in->buf = must(malloc(in->cap));
	in->idle_ms = -1;
#ifdef F_SETPIPE_SZ
	fcntl(in->fd, F_SETPIPE_SZ, PIPE_SIZE); /* no pipe, or no more: fine */
#endif
	return in;
}

void
nd_close(struct nd_in *in)
{
	if (in->fd != STDIN_FILENO)
		close(in->fd);
	free(in->open_run);
	free(in->buf);
	free(in);
}

void
nd_on_idle(struct nd_in *in, int ms, void (*idle)(void *), void *arg)
{
	in->idle_ms = ms;
	in->idle = idle;
	in->idle_arg = arg;
}

struct json_slice
nd_line(const struct nd_in *in)
{
	return in->line;
}

unsigned long
nd_lineno(const struct nd_in *in)
{
	return in->lineno;
}

void
nd_failed(void)
{
	bad_seen = true;
}

bool
nd_cut_short(void)
{
	return cut_short;
}

__attribute__((format(printf, 3, 0))) static void
bad(struct nd_in *in, unsigned long line, const char *why, va_list ap)
{
	char text[512];

	vsnprintf(text, sizeof(text), why, ap);
	/* What it quotes is foreign, and must not speak to a terminal. */
	for (char *p = text; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	warnx("%s:%lu: %s", in->name, line, text);
	nd_failed();
}

void
nd_bad(struct nd_in *in, const char *why, ...)
{
	va_list ap;

	va_start(ap, why);
	bad(in, in->lineno, why, ap);
	va_end(ap);
}

void
nd_bad_at(struct nd_in *in, unsigned long line, const char *why, ...)
{
	va_list ap;

	va_start(ap, why);
	bad(in, line, why, ap);
	va_end(ap);
}

static bool
ready(int fd, short what, int ms)
{
	struct pollfd p = {fd, what, 0};
	int n;

	do
		n = poll(&p, 1, ms);
	while (n == -1 && errno == EINTR);
	return n != 0;
}

/* After a read or write that gave -1: whether to try it again, at once or when
 * what somebody set not to block is ready. */
static bool
again(int fd, short what)
{
	return errno == EINTR || (errno == EAGAIN && ready(fd, what, -1));
}

/* Make room behind what is there: first where lines have been taken from. */
static void
make_room(struct nd_in *in)
{
	if (in->begin > 0) {
		memmove(in->buf, in->buf + in->begin, in->end - in->begin);
		in->end -= in->begin;
		in->begin = 0;
	}
	if (in->cap - in->end < IN_BLOCK / 2) {
		in->cap *= 2;
		in->buf = must(realloc(in->buf, in->cap));
	}
}

static void
fill(struct nd_in *in)
{
	ssize_t n;

	if (!ready(in->fd, POLLIN, 0)) {
		nd_flush();
		if (in->idle != NULL && !ready(in->fd, POLLIN, in->idle_ms))
			in->idle(in->idle_arg);
	}
	make_room(in);
	do
		n = read(in->fd, in->buf + in->end, in->cap - in->end);
	while (n == -1 && again(in->fd, POLLIN));
	if (n == -1)
		err(EX_IOERR, "cannot read '%s'", in->name);
	in->eof = n == 0;
	in->end += (size_t)n;
}

/* The newline that ends what is not read yet, or NULL. */
static char *
newline(struct nd_in *in)
{
	char *from = in->buf + in->begin + in->searched;
	size_t left = in->end - in->begin - in->searched;
	char *found = left == 0 ? NULL : memchr(from, '\n', left);

	in->searched += left;
	return found;
}

/* The next line of any kind, in in->line. */
static bool
next_line(struct nd_in *in)
{
	char *stop;

	while ((stop = newline(in)) == NULL && !in->eof) {
		if (in->end - in->begin > ND_LINE_MAX) {
			in->dropped = true;
			in->begin = in->end;
			in->searched = 0;
		}
		fill(in);
	}
	if (stop == NULL && in->begin == in->end && !in->dropped)
		return false;
	in->lineno++;
	in->line.s = in->buf + in->begin;
	in->line.len =
	    (stop == NULL ? in->end - in->begin : (size_t)(stop - in->line.s));
	in->begin += in->line.len + (stop != NULL);
	in->searched = 0;
	return true;
}

static void
opened(struct nd_in *in, struct json_slice id)
{
	free(in->open_run);
	in->open_run = must(malloc(id.len + 1));
	memcpy(in->open_run, id.s, id.len);
	in->open_run[id.len] = '\0';
}

static void
stopped_short(struct nd_in *in)
{
	if (in->open_run == NULL)
		return;
	nd_bad(in,
	    "run %.99s has no end: what came is kept, and the rest is still "
	    "to come",
	    in->open_run);
	cut_short = true;
	free(in->open_run);
	in->open_run = NULL;
}

/* A stream says with `run` and `end` whether it is whole. */
static void
watch_runs(struct nd_in *in, struct json_slice type)
{
	struct json_field id[] = {JSON_FIELD("run_id"), JSON_END};
	struct json_error e;
	bool end = json_is(type, "end");

	if (!end && !json_is(type, "run"))
		return;
	if (!json_scan(in->line, id, &e) || json_kind(id->val) != JSON_STRING)
		nd_bad(in, "a run or its end needs a run_id");
	else if (!end)
		stopped_short(in), opened(in, id->val);
	else if (in->open_run != NULL && strlen(in->open_run) == id->val.len &&
	    memcmp(in->open_run, id->val.s, id->val.len) == 0) {
		free(in->open_run);
		in->open_run = NULL;
	}
}

/* Whether the line is worth a look: not too long, and not empty. */
static bool
candidate(struct nd_in *in)
{
	bool dropped = in->dropped || in->line.len > ND_LINE_MAX;

	in->dropped = false;
	if (dropped)
		nd_bad(in, "line longer than %lu bytes", ND_LINE_MAX);
	return !dropped && in->line.len > 0 &&
	    (in->line.len > 1 || *in->line.s != '\r');
}

static void
malformed(struct nd_in *in, const struct json_error *e)
{
	nd_bad(in, "column %zu: %s", e->column, e->why);
}

bool
nd_read(struct nd_in *in, struct json_field *fields)
{
	struct json_error e;

	while (next_line(in)) {
		if (!candidate(in))
			continue;
		if (json_scan(in->line, fields, &e)) {
			watch_runs(in, fields->val);
			return true;
		}
		malformed(in, &e);
	}
	stopped_short(in);
	return false;
}

/* Find the type among the members; false if there are two. */
static bool
find_type(struct nd_in *in, const struct json_members *m,
    struct json_slice *type, struct json_error *e)
{
	type->s = NULL;
	for (size_t i = 0; i < m->n; i++) {
		struct json_slice key = m->v[i].key;

		/* Most do not even begin like it. */
		if ((*key.s != 't' && *key.s != '\\') ||
		    !json_key_is(key, "type"))
			continue;
		e->column = (size_t)(m->v[i].key.s - in->line.s);
		e->why = "a field that occurs twice";
		if (type->s != NULL)
			return false;
		*type = m->v[i].val;
	}
	return true;
}

bool
nd_read_members(struct nd_in *in, struct json_members *m)
{
	struct json_slice type;
	struct json_error e;

	while (next_line(in)) {
		if (!candidate(in))
			continue;
		if (json_scan_members(in->line, m, &e) &&
		    find_type(in, m, &type, &e)) {
			watch_runs(in, type);
			return true;
		}
		malformed(in, &e);
	}
	stopped_short(in);
	return false;
}

/* Die of SIGPIPE if the reader has gone, even where our parent ignores it. */
static _Noreturn void
write_failed(void)
{
	if (errno == EPIPE) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	err(EX_IOERR, "cannot write to standard output");
}

static void
write_all(const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, p, len);

		if (n == -1 && again(STDOUT_FILENO, POLLOUT))
			continue;
		if (n == -1)
			write_failed();
		p += n;
		len -= (size_t)n;
	}
}

void
nd_flush(void)
{
	write_all(out.buf, out.len);
	out.len = 0;
}

void
nd_put(struct json_slice s)
{
	if (s.len > OUT_BLOCK - out.len) {
		nd_flush();
		if (s.len >= OUT_BLOCK) {
			write_all(s.s, s.len);
			return;
		}
	}
	memcpy(out.buf + out.len, s.s, s.len);
	out.len += s.len;
}

size_t
nd_character(const char *p, size_t left)
{
	char quoted[8] = "\"";
	struct json_slice s = {quoted, 0};
	struct json_error e;

	for (size_t n = 1; n <= 4 && n <= left; n++) {
		memcpy(quoted + 1, p, n);
		quoted[n + 1] = '"';
		s.len = n + 2;
		if (json_valid(s, &e))
			return n;
	}
	return 0;
}

void
nd_put_string(const char *text, size_t len)
{
	char code[8];
	struct json_slice s;
	size_t n;

	nd_puts("\"");
	for (size_t i = 0; i < len; i += n) {
		unsigned char c = (unsigned char)text[i];

		n = 1;
		s.s = code;
		if (c == '"' || c == '\\')
			s.len = (size_t)snprintf(code, sizeof(code), "\\%c", c);
		else if (c < ' ')
			s.len =
			    (size_t)snprintf(code, sizeof(code), "\\u%04x", c);
		else if (c < 0x80 || (n = nd_character(text + i, len - i)) > 0)
			s.s = text + i, s.len = n;
		else
			n = 1, s.s = "\xef\xbf\xbd", s.len = 3; /* U+FFFD */
		nd_put(s);
	}
	nd_puts("\"");
}

char *
nd_int_text(long long n, char buf[ND_INT_SIZE])
{
	unsigned long long left =
	    n < 0 ? 0 - (unsigned long long)n : (unsigned long long)n;
	char *p = buf + ND_INT_SIZE - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + left % 10);
	} while ((left /= 10) > 0);
	if (n < 0)
		*--p = '-';
	return p;
}

void
nd_put_int(long long n)
{
	char buf[ND_INT_SIZE];

	nd_puts(nd_int_text(n, buf));
}

void
nd_put_line(struct json_slice line)
{
	nd_put(line);
	nd_puts("\n");
}

void
nd_value(struct json_slice val)
{
	if (val.s == NULL)
		nd_puts("null");
	else
		nd_put(val);
}

void
nd_value_str(const char *text)
{
	if (text == NULL)
		nd_puts("null");
	else
		nd_put_string(text, strlen(text));
}

int
nd_finish(void)
{
	nd_flush();
	if (close(STDOUT_FILENO) == -1)
		write_failed();
	return cut_short ? EX_TEMPFAIL : bad_seen ? EX_DATAERR : EX_OK;
}
