/* SPDX-License-Identifier: MIT */
/* The checker of the order of locks: what it lets pass and what it stops, by processes of their own. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/spinlock.h"

static struct spinlock lock[RANK_CONSOLE + 1];

static bool is_stopped(void (*body)(unsigned a, unsigned b), unsigned a, unsigned b)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		fclose(stderr);
		body(a, b);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) || WTERMSIG(status) == SIGABRT);
	return !WIFEXITED(status);
}

static void take_two(unsigned a, unsigned b)
{
	spin_lock(&lock[a]);
	spin_lock(&lock[b]);
	spin_unlock(&lock[b]);
	spin_unlock(&lock[a]);
	spin_lock(&lock[b]);	/* nothing is left behind */
}

static void take_in_turn(unsigned a, unsigned b)
{
	for (unsigned i = 0; i < 3; i++) {
		spin_lock(&lock[a]);
		spin_unlock(&lock[a]);
		spin_lock(&lock[b]);
		spin_unlock(&lock[b]);
	}
}

static void leave_twice(unsigned a, unsigned b)
{
	spin_lock(&lock[a]);
	spin_unlock(&lock[a]);
	spin_unlock(&lock[b]);
}

static void wait_with(unsigned a, unsigned b)
{
	if (a)
		spin_lock(&lock[a]);
	if (b)
		spin_unlock(&lock[b]);
	lock_order_none();
}

static void panic_with(unsigned a, unsigned b)
{
	spin_lock(&lock[a]);
	lock_order_off();
	spin_lock(&lock[b]);
}

static void test_order(void **state)
{
	for (unsigned i = RANK_NONE; i <= RANK_CONSOLE; i++)
		lock[i] = SPINLOCK(i);
	for (unsigned a = RANK_INPUT; a <= RANK_CONSOLE; a++)
		for (unsigned b = RANK_INPUT; b <= RANK_CONSOLE; b++) {
			if (a != b)
				assert_int_equal(is_stopped(take_two, a, b), b < a);
			assert_false(is_stopped(take_in_turn, a, b));
			assert_true(is_stopped(leave_twice, a, b));
		}
	lock[RANK_INPUT] = SPINLOCK(RANK_BOARD);	/* two of one rank: of two guests, say */
	assert_true(is_stopped(take_two, RANK_INPUT, RANK_BOARD));
}

static void test_others(void **state)
{
	for (unsigned i = RANK_NONE; i <= RANK_CONSOLE; i++)
		lock[i] = SPINLOCK(i);
	assert_true(is_stopped(take_in_turn, RANK_NONE, RANK_BOARD));	/* never initialised */
	assert_true(is_stopped(wait_with, RANK_BOARD, RANK_NONE));
	assert_false(is_stopped(wait_with, RANK_BOARD, RANK_BOARD));
	assert_false(is_stopped(wait_with, RANK_NONE, RANK_NONE));
	assert_false(is_stopped(panic_with, RANK_CONSOLE, RANK_BOARD));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_order), cmocka_unit_test(test_others) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
