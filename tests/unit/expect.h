/* Assertions for loops of thousands: Check's own write a mark each time that they hold. */
#ifndef EXPECT_H
#define EXPECT_H

#include <check.h>

#define expect(condition) expect_msg(condition, "'%s' failed", #condition)
#define expect_msg(condition, ...)                                                                 \
	do {                                                                                       \
		if (!(condition))                                                                  \
			ck_abort_msg(__VA_ARGS__);                                                 \
	} while (0)

#endif
