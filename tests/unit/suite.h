/*
 * The frame of a unit test's file: add_tests() names its tests with Check's own macros, UNIT_MAIN()
 * is a main() that runs them as one case.
 */
#ifndef SUITE_H
#define SUITE_H

#include <check.h>
#include <stdlib.h>

/* A test that runs once for each row of an array. */
#define tcase_add_table_test(tc, test, table)                                                      \
	tcase_add_loop_test(tc, test, 0, sizeof(table) / sizeof((table)[0]))

static inline int
suite_run(const char *name, void (*add)(TCase *tc))
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);

	add(tc);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define UNIT_MAIN(name)                                                                            \
	int main(void)                                                                             \
	{                                                                                          \
		return suite_run(name, add_tests);                                                 \
	}

#endif
