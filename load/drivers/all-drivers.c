/* What the programs in load/server are linked with: they have all drivers. */
#include "load/drivers/url.h"

void
url_give_way(char *argv[])
{
	(void)argv;
}
