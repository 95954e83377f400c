#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/trust.h"
#include "tests/unit/suite.h"

enum { STRANGER = 4711 };

static const struct {
	mode_t mode;
	uid_t uid;
	gid_t gid;
	int flags;
	enum trust expected;
} stats[] = {
	{ S_IFREG | 0644, 0, 0, 0, TRUST_OK },
	{ S_IFREG | 0644, 0, 0, TRUST_SECRET, TRUST_READABLE },
	{ S_IFREG | 0640, 0, 0, TRUST_SECRET, TRUST_OK },
	{ S_IFREG | 0640, 0, STRANGER, TRUST_SECRET, TRUST_READABLE },
	{ S_IFREG | 0600, 0, STRANGER, TRUST_SECRET, TRUST_OK },
	{ S_IFREG | 0664, 0, 0, 0, TRUST_OK },
	{ S_IFREG | 0664, 0, STRANGER, 0, TRUST_WRITABLE },
	{ S_IFREG | 0666, 0, 0, 0, TRUST_WRITABLE },
	{ S_IFREG | 0602, 0, 0, TRUST_SECRET, TRUST_WRITABLE },
	{ S_IFREG | 0600, STRANGER, 0, 0, TRUST_WRITABLE },
	{ S_IFDIR | 0777, 0, 0, 0, TRUST_WRITABLE },
	{ S_IFDIR | 0700, STRANGER, 0, 0, TRUST_WRITABLE },
	{ S_IFLNK | 0777, 0, 0, TRUST_SECRET, TRUST_OK },
	{ S_IFLNK | 0777, STRANGER, 0, 0, TRUST_WRITABLE },
};

START_TEST(owner_and_mode_decide)
{
	const struct stat st = {
		.st_mode = stats[_i].mode, .st_uid = stats[_i].uid, .st_gid = stats[_i].gid
	};

	ck_assert_int_eq(trust_stat(&st, stats[_i].flags), stats[_i].expected);
}
END_TEST

static char folder[] = "/tmp/check_trust-XXXXXX";

static const char *
in_folder(const char *name)
{
	static char paths[4][128];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static enum trust
ask(const char *name, const char *culprit)
{
	char why[512];
	enum trust t = trust_path(in_folder(name), TRUST_SECRET, why, sizeof(why));

	if (culprit)
		ck_assert_msg(strstr(why, culprit) != NULL, "%s", why);
	else
		ck_assert_str_eq(why, "");
	return t;
}

static void
make_file(const char *name, mode_t mode)
{
	FILE *f = fopen(in_folder(name), "w");

	ck_assert_ptr_nonnull(f);
	fclose(f);
	ck_assert_int_eq(chmod(in_folder(name), mode), 0);
}

static void
make_folder(const char *name, mode_t mode)
{
	ck_assert_int_eq(mkdir(in_folder(name), 0700), 0);
	ck_assert_int_eq(chmod(in_folder(name), mode), 0);
}

static void
set_up(void)
{
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 7);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	make_folder("good", 0755);
	make_folder("open", 0777);
	make_folder("sticky", 01777);
	make_file("good/secret", 0600);
	make_file("good/read", 0604);
	make_file("good/write", 0602);
	make_file("open/secret", 0600);
	make_file("sticky/secret", 0600);
	ck_assert_int_eq(symlink("../open/secret", in_folder("good/to_open")), 0);
	ck_assert_int_eq(symlink("../sticky", in_folder("good/to_sticky")), 0);
	ck_assert_int_eq(symlink("secret", in_folder("open/to_own")), 0);
	ck_assert_int_eq(symlink("round", in_folder("good/round")), 0);
	ck_assert_int_eq(symlink("read", in_folder("good/to_read")), 0);
}

static void
tear_down(void)
{
	static const char *const all[] = { "good/secret", "good/read", "good/write", "open/secret",
		"sticky/secret", "good/to_open", "good/to_sticky", "open/to_own", "good/round",
		"good/to_read", "good", "open", "sticky", "" };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		remove(in_folder(all[i]));
}

static const struct {
	const char *name;
	enum trust expected;
	const char *culprit;
} paths[] = {
	{ "good/secret", TRUST_OK, NULL },
	{ "good//secret", TRUST_OK, NULL },
	{ "good/../good/secret", TRUST_OK, NULL },
	{ "good/read", TRUST_READABLE, "good/read" },
	{ "good/to_read", TRUST_READABLE, "good/read" },
	{ "good/write", TRUST_WRITABLE, "good/write" },
	{ "open/secret", TRUST_WRITABLE, "open" },
	{ "open/../good/secret", TRUST_WRITABLE, "open" },
	{ "good/to_open", TRUST_WRITABLE, "/../open " },
	{ "open/to_own", TRUST_WRITABLE, "open" },
	{ "sticky/secret", TRUST_OK, NULL },
	{ "good/to_sticky/secret", TRUST_OK, NULL },
	{ "good/to_sticky", TRUST_WRITABLE, "/../sticky " },
	{ "sticky", TRUST_WRITABLE, "sticky" },
	{ "good/round", TRUST_WRITABLE, "good/round" },
	{ "good/missing", TRUST_OK, NULL },
};

START_TEST(every_folder_and_link_on_the_way_counts)
{
	ck_assert_int_eq(ask(paths[_i].name, paths[_i].culprit), paths[_i].expected);
}
END_TEST

START_TEST(a_relative_path_begins_at_the_working_folder)
{
	char why[512];

	ck_assert_int_eq(chdir(in_folder("open")), 0);
	ck_assert_int_eq(trust_path("secret", 0, why, sizeof(why)), TRUST_WRITABLE);
	ck_assert_int_eq(chdir(in_folder("good")), 0);
	ck_assert_int_eq(trust_path("secret", 0, why, sizeof(why)), TRUST_OK);
	ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(a_peer_is_known_by_its_user)
{
	struct ucred peer;
	int pair[2], none = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert(trust_peer(pair[0], geteuid(), &peer));
	ck_assert_int_eq(peer.pid, getpid());
	ck_assert_int_eq(trust_peer(pair[0], STRANGER, &peer), geteuid() == 0);
	ck_assert(!trust_peer(none, STRANGER, &peer));
	ck_assert_uint_eq(peer.uid, (uid_t)-1);
	close(pair[0]);
	close(pair[1]);
	close(none);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_table_test(tc, owner_and_mode_decide, stats);
	tcase_add_table_test(tc, every_folder_and_link_on_the_way_counts, paths);
	tcase_add_test(tc, a_relative_path_begins_at_the_working_folder);
	tcase_add_test(tc, a_peer_is_known_by_its_user);
}

UNIT_MAIN("trust")
