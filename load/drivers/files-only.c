/*
 * What the programs are linked with that everybody calls: they know files only,
 * and leave servers to those of the same name in load/server.  See README.md.
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

/* The file that this program is, of up to size bytes, as far as can be told. */
static void
find_self(char *self, size_t size, const char *called)
{
	ssize_t len = readlink("/proc/self/exe", self, size - 1);

	if (len > 0)
		self[len] = '\0';
	else /* there is no /proc here */
		snprintf(self, size, "%s%s",
		    strchr(called, '/') == NULL ? "/" : "", called);
}

void
url_give_way(char *argv[])
{
	char folder[2048], path[4096], *name;

	find_self(folder, sizeof(folder), argv[0]);
	name = strrchr(folder, '/');
	*name++ = '\0';
	snprintf(path, sizeof(path), "%s/server/%s", folder, name);
	if (access(path, X_OK) == -1) /* beside it, where it was built */
		snprintf(path, sizeof(path), "%s/../lib/sellerpipe/server/%s",
		    folder, name);
	if (access(path, X_OK) == -1)
		snprintf(path, sizeof(path), "%s/server/%s", LIBDIR, name);
	execv(path, argv);
	err(errno == ENOMEM ? EX_TEMPFAIL : EX_CONFIG, "cannot run '%s'", path);
}
