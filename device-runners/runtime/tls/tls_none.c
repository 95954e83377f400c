/* In place of tls_load.c in programs that load nothing. */
#include <stdio.h>

#include "device-runners/runtime/tls.h"

const struct tls_ops *
tls_load(char why[TLS_WHY])
{
	snprintf(why, TLS_WHY, "TLS is not available: this program loads no libraries");
	return NULL;
}
