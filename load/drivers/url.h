/*
 * url.h - which database: what an option says, or DATABASE_URL, or amazon.db.
 */
#ifndef URL_H
#define URL_H

/* The driver for it; the last two are servers'. */
enum url_kind { URL_SQLITE, URL_POSTGRES, URL_REST, URL_KINDS };

/*
 * The URL to go by, and its kind.  It lasts as long as the program.  A password
 * in the option ends the program with 64, since everybody can see it there; one
 * that is not written as URLs want it, with 78.
 *
 * If it is a server's, url_give_way is called before this returns.
 */
const char *url_given(const char *option, char *argv[], enum url_kind *);

/*
 * Have load/server's program of the same name, which has the drivers for
 * servers, run in place of this one, with these arguments: then this does not
 * return, or ends the program with 78.  In that program it does nothing.
 */
void url_give_way(char *argv[]);

#endif
