/* url.h - which database: what an option says, or DATABASE_URL, or amazon.db.
 */
#ifndef URL_H
#define URL_H

/*
 * The URL to go by.  It lasts as long as the program.  A password in the option
 * ends the program with 64, since everybody can see it there; one that is not
 * written as URLs want it, with 78.  If it is a server's, url_serve was called.
 */
const char *url_given(const char *option, char *argv[]);

/* Give way to a program of the same name, with these arguments, that has a
 * driver for servers; if this is one, do nothing. */
void url_serve(char *argv[]);

#endif
