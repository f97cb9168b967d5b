/*
 * What programs are linked with that know files only.
 *
 * The libraries for servers take longer to load than a query of a file takes.
 * So there are two of each program: the one that everybody calls, and one with
 * all drivers, in a folder `server`, to which it gives way.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "load/drivers/load.h"
#include "load/drivers/prune.h"
#include "load/drivers/query.h"
#include "load/drivers/url.h"

const struct loader load_postgres, load_rest;
const struct querier query_postgres, query_rest;
const struct pruner prune_postgres, prune_rest;

/* The folder that this program is in, of up to size bytes. */
static void
find_folder(char *folder, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", folder, size - 1);
	char *slash;

	if (len < 1) /* no such thing here: where it was installed to */
		len = snprintf(folder, size, "%s/", BINDIR);
	folder[len] = '\0';
	if ((slash = strrchr(folder, '/')) != NULL)
		*slash = '\0';
}

void
url_serve(char *argv[])
{
	const char *name = strrchr(argv[0], '/');
	char folder[2048], path[4096];

	name = name == NULL ? argv[0] : name + 1;
	find_folder(folder, sizeof(folder));
	snprintf(path, sizeof(path), "%s/server/%s", folder, name);
	if (access(path, X_OK) == -1) /* beside it, where it was built */
		snprintf(path, sizeof(path), "%s/../lib/sellerpipe/server/%s",
		    folder, name);
	execv(path, argv);
	err(errno == ENOMEM ? EX_TEMPFAIL : EX_CONFIG, "cannot run '%s'", path);
}
