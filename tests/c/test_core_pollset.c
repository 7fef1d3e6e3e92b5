/* test_core_pollset.c -- the set of sys/pollset.h by itself, without a worker. What a descriptor is told is
 * counted by token; a token that is closed is looked up in vain, as table.c does. */
#include <sys/resource.h>
#include <sys/wait.h>

#include "core_site.h"
#include "sys/pollset.h"

enum { MANY = 1500, MEMBERS = MANY + 8 };

typedef struct {
    int fd;          /* in the set */
    int peer;        /* its other end; -1: there is none */
    unsigned before; /* what is waited for */
    unsigned told;   /* all events since the last turn began */
    int times;
    bool open;
} member;

static uv_loop_t loop;
static fw_pollset set;
static member members[MEMBERS];
static int told_in_vain;             /* events of tokens that are closed */
static void (*on_event)(int number); /* what a test does in the middle of a turn */
static uv_timer_t timer;
static int timer_fired;

/* Tokens lie far apart, so that one that lost bits would be found out. */
static int64_t token_of(int number)
{
    return ((int64_t)number << 40) + 5;
}

static void on_polled(void *owner, int64_t token, unsigned events)
{
    int number = (int)(token >> 40);
    CHECK(owner == &set && number >= 0 && number < MEMBERS && token == token_of(number));
    member *one = &members[number];
    if (!one->open) {
        told_in_vain++;
        return;
    }
    one->told |= events;
    one->times++;
    if (on_event)
        on_event(number);
}

static void wait_for(int number, unsigned events)
{
    member *one = &members[number];
    CHECK(fw__pollset_set(&set, one->fd, token_of(number), one->before, events) == 0);
    one->before = events;
}

/* A socket pair, one end in the set. */
static void open_member(int number, unsigned events)
{
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    members[number] = (member){.fd = ends[0], .peer = ends[1], .open = true};
    if (events)
        wait_for(number, events);
}

static void close_member(int number)
{
    member *one = &members[number];
    fw__pollset_drop(&set, one->fd, one->before);
    close(one->fd);
    if (one->peer >= 0)
        close(one->peer);
    one->open = false;
}

static void make_ready(int number)
{
    CHECK(write(members[number].peer, "x", 1) == 1);
}

/* One turn that does not wait; what was told before is forgotten. */
static bool turn(void)
{
    for (int i = 0; i < MEMBERS; i++) {
        members[i].told = 0;
        members[i].times = 0;
    }
    return fw__pollset_turn(&set, false);
}

static void set_open(void)
{
    alarm(HANG_S);
    memset(&set, 0, sizeof set);
    set.loop = &loop;
    set.polled = on_polled;
    set.owner = &set;
    memset(members, 0, sizeof members);
    told_in_vain = 0;
    on_event = NULL;
    timer_fired = 0;
    CHECK(uv_loop_init(&loop) == 0 && fw__pollset_new(&set) == 0);
    CHECK(uv_timer_init(&loop, &timer) == 0);
}

static void set_close(void)
{
    for (int i = 0; i < MEMBERS; i++)
        if (members[i].open)
            close_member(i);
    CHECK(set.members == 0);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
    fw__pollset_free(&set);
}

TEST(what_is_ready_is_told_until_it_is_read)
{
    char byte;
    set_open();
    open_member(0, FW_POLL_READ);
    open_member(1, FW_POLL_READ);
    CHECK(turn() && members[0].times == 0 && members[1].times == 0);
    make_ready(1);
    for (int i = 0; i < 3; i++) {
        CHECK(turn() && members[0].times == 0);
        CHECK(members[1].told == FW_POLL_READ && members[1].times == 1);
    }
    CHECK(read(members[1].fd, &byte, 1) == 1);
    CHECK(turn() && members[1].times == 0);
    set_close();
}

TEST(only_what_is_waited_for_is_told)
{
    static const unsigned courses[] = {FW_POLL_READ,
                                       FW_POLL_READ | FW_POLL_WRITE,
                                       FW_POLL_WRITE,
                                       0,
                                       FW_POLL_WRITE,
                                       FW_POLL_READ,
                                       FW_POLL_WRITE,
                                       FW_POLL_READ | FW_POLL_WRITE,
                                       0,
                                       FW_POLL_READ | FW_POLL_WRITE,
                                       FW_POLL_READ,
                                       0,
                                       FW_POLL_READ,
                                       FW_POLL_READ};
    set_open();
    open_member(0, 0);
    make_ready(0);
    for (size_t i = 0; i < sizeof courses / sizeof courses[0]; i++) {
        wait_for(0, courses[i]);
        CHECK(set.members == (courses[i] != 0));
        turn();
        NOTE("step %zu: told %u", i, members[0].told);
        CHECK(members[0].told == courses[i]);
    }
    set_close();
}

/* Both ends shut: epoll tells of that whatever is asked for, as long as the descriptor is a member. */
TEST(what_nobody_waits_for_is_not_told_of_a_hang_up)
{
    set_open();
    open_member(0, FW_POLL_READ);
    open_member(1, FW_POLL_READ);
    wait_for(0, 0);
    close(members[0].peer);
    members[0].peer = -1;
    CHECK(turn() && members[0].times == 0);
    wait_for(0, FW_POLL_READ);
    CHECK(turn() && (members[0].told & FW_POLL_READ));
    set_close();
}

TEST(a_thousand_that_are_ready_are_all_told_in_one_turn)
{
    int ends[2];
    struct rlimit limit;
    set_open();
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = MANY + 100 < limit.rlim_max ? MANY + 100 : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    int many = (int)limit.rlim_cur - 50 < MANY ? (int)limit.rlim_cur - 50 : MANY;
    CHECK(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
    for (int i = 0; i < many; i++) {
        members[i] = (member){.fd = dup(ends[0]), .peer = -1, .open = true};
        wait_for(i, FW_POLL_READ);
    }
    CHECK(turn());
    for (int i = 0; i < many; i++) {
        NOTE("member %d of %d: %d times", i, many, members[i].times);
        CHECK(members[i].told == FW_POLL_READ && members[i].times >= 1);
    }
    set_close();
    close(ends[0]);
    close(ends[1]);
}

static void close_the_other(int number)
{
    if (number < 2 && members[1 - number].open)
        close_member(1 - number);
}

TEST(what_was_closed_in_the_same_turn_is_found_no_more)
{
    set_open();
    open_member(0, FW_POLL_READ);
    open_member(1, FW_POLL_READ);
    make_ready(0);
    make_ready(1);
    on_event = close_the_other;
    CHECK(turn() && members[0].open != members[1].open);
    CHECK(told_in_vain <= 1);
    told_in_vain = 0;
    turn();
    CHECK(told_in_vain == 0 && set.members == 1);
    set_close();
}

static void close_itself(int number)
{
    close_member(number);
}

TEST(a_member_may_close_itself_when_it_is_told)
{
    set_open();
    for (int i = 0; i < 5; i++) {
        open_member(i, FW_POLL_READ | FW_POLL_WRITE);
        make_ready(i);
    }
    on_event = close_itself;
    turn();
    CHECK(set.members == 0);
    CHECK(!fw__pollset_turn(&set, true)); /* nothing is left: no waiting */
    set_close();
}

/* Closes the other and gives its descriptor's number to a third that is not ready. */
static void replace_the_other(int number)
{
    if (number > 1 || !members[1 - number].open)
        return;
    int freed = members[1 - number].fd;
    close_member(1 - number);
    open_member(2, 0);
    if (members[2].fd != freed) {
        CHECK(dup2(members[2].fd, freed) == freed);
        close(members[2].fd);
        members[2].fd = freed;
    }
    wait_for(2, FW_POLL_READ);
}

TEST(a_descriptor_that_is_used_again_in_the_same_turn_is_not_told_of_its_predecessor)
{
    set_open();
    open_member(0, FW_POLL_READ);
    open_member(1, FW_POLL_READ);
    make_ready(0);
    make_ready(1);
    on_event = replace_the_other;
    CHECK(turn() && members[2].open && members[2].times == 0);
    on_event = NULL;
    make_ready(2);
    CHECK(turn() && members[2].told == FW_POLL_READ);
    set_close();
}

/* An application may fork: the child has all descriptors, for as long as it likes. */
TEST(what_a_child_still_has_open_is_not_told_after_its_close)
{
    int ends[2];
    set_open();
    open_member(0, FW_POLL_READ);
    open_member(1, FW_POLL_READ);
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) != 0);
    }
    make_ready(0);
    CHECK(turn() && members[0].times == 1);
    close_member(0);
    CHECK(turn() && told_in_vain == 0 && set.members == 1);
    close(ends[0]);
    close(ends[1]);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    set_close();
}

static void on_timer(uv_timer_t *own)
{
    (void)own;
    timer_fired++;
}

TEST(waiting_ends_with_an_event_or_a_timer)
{
    set_open();
    CHECK(!fw__pollset_turn(&set, true)); /* neither: nothing could ever happen */
    open_member(0, FW_POLL_READ);
    make_ready(0);
    CHECK(fw__pollset_turn(&set, true) && members[0].times == 1);
    wait_for(0, 0);
    CHECK(uv_timer_start(&timer, on_timer, 1, 0) == 0);
    while (!timer_fired)
        (void)fw__pollset_turn(&set, true);
    CHECK(timer_fired == 1 && !fw__pollset_turn(&set, true));
    wait_for(0, FW_POLL_READ);
    CHECK(uv_timer_start(&timer, on_timer, 0, 0) == 0);
    members[0].times = 0;
    CHECK(fw__pollset_turn(&set, false) && timer_fired == 2 && members[0].times == 1);
    set_close();
}

TEST(a_descriptor_that_cannot_be_waited_for_is_refused)
{
    set_open();
    CHECK(fw__pollset_set(&set, -1, token_of(0), 0, FW_POLL_READ) == FW_ESYSTEM);
    CHECK(fw__pollset_set(&set, 999, token_of(0), 0, FW_POLL_READ) == FW_ESYSTEM);
    CHECK(set.members == 0 && !turn());
    set_close();
}
