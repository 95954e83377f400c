#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event-server/peer.h"
#include "event-server/server.h"
#include "tests/unit/event-server/store_folder.h"
#include "tests/unit/suite.h"

enum { LMDB_PAGE = 4096 };

static struct server server;
static char err[200], folder[64];
static int bad_writes; /* of LMDB's first two pages, which say what is whole, so many fail */

/* Stands in for libc's pwrite, in LMDB too, under the name that LMDB asks for, whose offset is a
 * long: with files of 64 bits the headers give the function another name. */
ssize_t stand_in(int fd, const void *p, size_t n, long at) __asm__("pwrite");

ssize_t
stand_in(int fd, const void *p, size_t n, long at)
{
	if (bad_writes && at < 2 * LMDB_PAGE) {
		bad_writes--;
		errno = EIO;
		return -1;
	}
	return pwrite64(fd, p, n, at);
}

static void
start(void)
{
	const struct access access = { 0 };
	struct db *db = db_open(folder, true, err, sizeof(err));

	ck_assert_msg(db != NULL, "%s", err);
	ck_assert_msg(server_init(&server, db, 1, 100, &access, err, sizeof(err)) == 0, "%s", err);
}

static void
setup(void)
{
	store_folder_make(folder);
	start();
}

static void
teardown(void)
{
	server_clear(&server);
	store_folder_remove(folder);
}

static void
put(const char *kind)
{
	server_register_own(&server, kind, NULL, "1");
	server_commit(&server);
}

static size_t
kept(void)
{
	return server.store.series.count;
}

START_TEST(a_disk_that_failed_once_ends_the_process)
{
	put("before");
	ck_assert_uint_eq(kept(), 1);
	bad_writes = 1;
	put("lost");
	ck_assert_int_eq(bad_writes, 0);
	ck_assert_uint_eq(kept(), 2);
	ck_assert_int_eq(server_run(&server), -1);
	server_clear(&server);
	start();
	put("after");
	ck_assert_uint_eq(kept(), 2);
	ck_assert(!server.broken);
}
END_TEST

static void
pass_time(struct peer *c)
{
	usleep(5000);
	ev_feed_event(server.loop, &c->timer, EV_TIMER);
	ev_invoke_pending(server.loop);
}

START_TEST(an_answer_that_is_there_came_in_time)
{
	struct chatter_msg pong = {
		.id = 1, .first = 1, .token = true, .last = true, .type = sbs_str("HatChatter.Pong")
	};
	const struct access_client who = { .trusted = true };
	struct buffer b;
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	struct peer *c = peer_new(&server, ends[0], &who);
	ck_assert_ptr_nonnull(c);
	c->chatter.ping_ms = c->chatter.dead_ms = 1;
	buffer_init(&b, 1000);
	chatter_frame_encode(&b, &pong);
	pass_time(c);
	ck_assert_int_gt(c->chatter.pinged.ns, 0);
	ck_assert_int_eq(write(ends[1], buffer_data(&b), b.len), (ssize_t)b.len);
	pass_time(c);
	ck_assert_int_eq(c->state, PEER_NEW);
	pass_time(c);
	pass_time(c);
	ck_assert_int_eq(c->state, PEER_DEAD);
	peer_free(c);
	buffer_clear(&b);
	close(ends[1]);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_disk_that_failed_once_ends_the_process);
	tcase_add_test(tc, an_answer_that_is_there_came_in_time);
}

UNIT_MAIN("server of events")
