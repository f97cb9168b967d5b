#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/conf.h"

#define HIDE_MIN 4 /* bytes of a secret that give something away */
#define BOM "\xef\xbb\xbf" /* which editors of Windows begin a file with */

struct setting {
	struct setting *next;
	char *name, *value;
};

static struct setting *from_file; /* of .env; the last of a name is first */
static struct setting *given; /* read from NAME_FILE */
static bool loaded;

/* For a file that cannot be read: want of memory or descriptors may pass. */
static int
status(void)
{
	return errno == ENOMEM || errno == EMFILE || errno == ENFILE
	    ? EX_TEMPFAIL
	    : EX_CONFIG;
}

static void
keep(struct setting **list, const char *name, const char *value)
{
	struct setting *s = malloc(sizeof(*s));

	if (s == NULL || (s->name = strdup(name)) == NULL ||
	    (s->value = strdup(value)) == NULL)
		err(EX_TEMPFAIL, NULL);
	s->next = *list;
	*list = s;
}

static const char *
find(const struct setting *s, const char *name)
{
	for (; s != NULL; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s->value;
	return NULL;
}

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

/* End a value without quotes where its comment or its last blanks begin.  The
 * byte before it is looked at: what follows "= " can be a comment too. */
static void
trim(char *value)
{
	char *p = value;

	while (*p != '\0' && (*p != '#' || !blank(p[-1])))
		p++;
	while (p > value && blank(p[-1]))
		p--;
	*p = '\0';
}

/* Undo the quotes of a value in place; false if they do not close. */
static bool
unquote(char *value)
{
	char quote = *value, *from = value + 1, *to = value;

	if (quote != '"' && quote != '\'') {
		trim(value);
		return true;
	}
	for (; *from != '\0' && *from != quote; from++) {
		if (quote == '"' && *from == '\\' && from[1] != '\0')
			*to++ = *++from == 'n' ? '\n' : *from;
		else
			*to++ = *from;
	}
	*to = '\0';
	if (*from++ == '\0')
		return false;
	from += strspn(from, " \t");
	return *from == '\0' || *from == '#';
}

/* One line of .env, which is changed; false if it is neither a setting nor
 * nothing. */
static bool
setting(char *line)
{
	char *value, *name = line + strspn(line, " \t");
	size_t n;

	line[strcspn(line, "\r\n")] = '\0';
	if (*name == '\0' || *name == '#')
		return true;
	if (strncmp(name, "export ", 7) == 0)
		name += 7 + strspn(name + 7, " \t");
	n = strspn(name,
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789_");
	value = name + n + strspn(name + n, " \t");
	if (n == 0 || *value != '=')
		return false;
	value += 1 + strspn(value + 1, " \t");
	name[n] = '\0';
	if (!unquote(value))
		return false;
	keep(&from_file, name, value);
	return true;
}

/* Refuse a file of secrets that is not for us alone. */
static void
check_private(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		err(status(), "cannot read '%s'", path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		errx(EX_CONFIG, "'%s' belongs to somebody else", path);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		errx(EX_CONFIG,
		    "others can read '%s', which holds secrets; run: chmod 600 "
		    "%s",
		    path, path);
}

static void
load(void)
{
	static const char path[] = ".env";
	unsigned long lineno = 0;
	char *line = NULL;
	size_t cap = 0;
	FILE *fp;

	loaded = true;
	if ((fp = fopen(path, "r")) == NULL) {
		if (errno == ENOENT)
			return;
		err(status(), "cannot read '%s'", path);
	}
	check_private(fileno(fp), path);
	while (getline(&line, &cap, fp) != -1) {
		bool bom = lineno++ == 0 && strncmp(line, BOM, 3) == 0;

		if (!setting(bom ? line + 3 : line))
			errx(EX_CONFIG, "%s:%lu: not of the form NAME=value",
			    path, lineno);
	}
	if (!feof(fp)) /* or what is left of it would not count */
		err(status(), "cannot read '%s'", path);
	free(line);
	fclose(fp);
}

/* The first line of the file that NAME_FILE names. */
static const char *
read_file(const char *name, const char *path)
{
	char *line = NULL;
	size_t cap = 0;
	FILE *fp;

	if ((fp = fopen(path, "r")) == NULL)
		err(status(), "%s_FILE: cannot open '%s'", name, path);
	if (getline(&line, &cap, fp) == -1) {
		if (!feof(fp))
			err(status(), "%s_FILE: cannot read '%s'", name, path);
		errx(EX_CONFIG, "%s_FILE: '%s' is empty", name, path);
	}
	line[strcspn(line, "\r\n")] = '\0';
	keep(&given, name, line);
	free(line);
	fclose(fp);
	return find(given, name);
}

static const char *
filled(const char *value)
{
	return value == NULL || *value == '\0' ? NULL : value;
}

const char *
conf_get(const char *name)
{
	char file[128];
	const char *value, *path;

	if (!loaded)
		load();
	snprintf(file, sizeof(file), "%s_FILE", name);
	if ((value = filled(getenv(name))) != NULL)
		return value;
	if ((value = find(given, name)) != NULL)
		return filled(value);
	if ((path = filled(getenv(file))) == NULL) {
		if ((value = filled(find(from_file, name))) != NULL)
			return value;
		path = filled(find(from_file, file));
	}
	return path == NULL ? NULL : filled(read_file(name, path));
}

const char *
conf_or(const char *name, const char *fallback)
{
	const char *value = conf_get(name);

	return value == NULL ? fallback : value;
}

const char *
conf_need(const char *name, const char *what_for)
{
	const char *value = conf_get(name);

	if (value == NULL)
		errx(EX_CONFIG,
		    "%s is not set: %s; put it into the environment or .env",
		    name, what_for);
	return value;
}

long
conf_number(const char *name, long min, long max, long fallback)
{
	const char *value = conf_get(name);
	char *end;
	long n;

	if (value == NULL)
		return fallback;
	errno = 0;
	n = strtol(value, &end, 10);
	if (errno != 0 || *end != '\0' || n < min || n > max)
		errx(EX_CONFIG, "%s is not a number from %ld to %ld", name, min,
		    max);
	return n;
}

void
conf_hide(char *text, const char *secret)
{
	size_t len = strlen(text), n = strlen(secret);
	char *p = text;

	while (n > 0 && (p = strstr(p, secret)) != NULL)
		memset(p, '*', n);
	for (n = n < len ? n : len; n >= HIDE_MIN; n--)
		if (memcmp(text + len - n, secret, n) == 0)
			memset(text + len - n, '*', n);
}

static void
drop(struct setting **list)
{
	struct setting *s;

	while ((s = *list) != NULL) {
		*list = s->next;
		free(s->name);
		free(s->value);
		free(s);
	}
}

void
conf_free(void)
{
	drop(&from_file);
	drop(&given);
	loaded = false;
}
