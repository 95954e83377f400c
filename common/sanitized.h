/* Whether this program was built with AddressSanitizer, which needs more memory, more files and
 * more system calls than its sandbox leaves. */
#ifndef COMMON_SANITIZED_H
#define COMMON_SANITIZED_H

#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

#endif
