/* gateway-web's lock: put on when everything is open, before the first connection is taken. */
#ifndef WEB_SANDBOX_H
#define WEB_SANDBOX_H

#include <stddef.h>

/* After that: no capability, no file, no address to connect to but Unix sockets, no program, no
 * other process, no core file. What this kernel lacks of it (Landlock) is left out with a warning.
 * 0, or -1 with a sentence in err. */
int web_sandbox_lock(char *err, size_t err_size);

#endif
