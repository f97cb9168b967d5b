/* What programs are linked with that have the drivers for servers. */
#include "load/drivers/url.h"

void
url_serve(char *argv[])
{
	(void)argv;
}
