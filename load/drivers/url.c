#include <err.h>
#include <stdbool.h>
#include <string.h>
#include <sysexits.h>

#include "lib/conf.h"
#include "load/drivers/url.h"

static bool
is_postgres(const char *url)
{
	return strncmp(url, "postgres", strlen("postgres")) == 0;
}

/* What ends user, host and port.  To libpq a ? can be in a password. */
static const char *
ends(const char *url)
{
	return is_postgres(url) ? "/" : "/?";
}

/* Where user and password stand; len 0: there are none. */
static const char *
user_part(const char *url, size_t *len)
{
	const char *p = strstr(url, "://"), *at;

	*len = 0;
	if (p == NULL)
		return url;
	p += 3;
	at = memchr(p, '@', strcspn(p, ends(url)));
	if (at != NULL)
		*len = (size_t)(at - p);
	return p;
}

/* A ':' that has an '@' behind it is one that ends a user's name, even if what
 * follows is not written as it should be. */
static bool
shows_password(const char *url, const char *rest)
{
	const char *colon = strchr(rest, ':');

	return strstr(url, "://") != NULL &&
	    (strstr(url, "password=") != NULL ||
		(colon != NULL && strchr(colon, '@') != NULL));
}

/* Whether a password seems to have a '/' in it, of which a URL would end its
 * host. */
static bool
has_slash(const char *rest)
{
	size_t host = strcspn(rest, "/");

	return memchr(rest, ':', host) != NULL &&
	    memchr(rest + host, '@', strcspn(rest + host, "?")) != NULL;
}

/* What has no :// is a file. */
static enum url_kind
kind_of(const char *url)
{
	static const struct {
		const char *begin;
		enum url_kind kind;
	} kinds[] = {{"sqlite:", URL_SQLITE}, {"postgresql://", URL_POSTGRES},
	    {"postgres://", URL_POSTGRES}, {"https://", URL_REST},
	    {"http://", URL_REST}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(url, kinds[i].begin, strlen(kinds[i].begin)) == 0)
			return kinds[i].kind;
	return strstr(url, "://") == NULL ? URL_SQLITE : URL_KINDS;
}

const char *
url_given(const char *option, char *argv[], enum url_kind *kind)
{
	const char *url = option, *user;
	size_t len;

	if (url == NULL)
		url = conf_or("DATABASE_URL", "amazon.db");
	user = user_part(url, &len);
	if (option != NULL && shows_password(url, user))
		errx(EX_USAGE,
		    "everybody can see a password in an option: put the URL "
		    "into DATABASE_URL, or the password into ~/.pgpass");
	if (len == 0 && is_postgres(url) && has_slash(user))
		errx(EX_CONFIG,
		    "the database's URL has an '@' after a '/': write a '/' of "
		    "the password as %%2F");
	if (len > 0 &&
	    memchr(user + len + 1, '@', strcspn(user + len + 1, ends(url))))
		errx(EX_CONFIG,
		    "the database's URL has more than one '@': write those of "
		    "the password as %%40");
	if ((*kind = kind_of(url)) == URL_KINDS)
		errx(EX_CONFIG,
		    "there is no driver for the database's URL: use "
		    "sqlite:FILE, postgresql://... or https://...");
	if (*kind != URL_SQLITE)
		url_give_way(argv);
	return url;
}
