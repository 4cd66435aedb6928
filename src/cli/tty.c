#include "cli/tty.h"

#include <signal.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t resizes, returns;
static volatile sig_atomic_t taken;
static struct termios before, ours;

static void on_resize(int signal_number) {
    (void)signal_number;
    resizes++;
}

/* The shell has had the terminal in between. */
static void on_return(int signal_number) {
    (void)signal_number;
    returns++;
    if (taken) tcsetattr(STDIN_FILENO, TCSADRAIN, &ours);
}

static void watch(int signal_number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(signal_number, &action, NULL);
}

void fm_tty_take(void) {
    if (taken || tcgetattr(STDIN_FILENO, &before) != 0) return;
    ours = before;
    ours.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
    ours.c_cc[VMIN] = 1;
    ours.c_cc[VTIME] = 0;
    watch(SIGWINCH, on_resize);
    watch(SIGCONT, on_return);
    taken = 1;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &ours);
}

void fm_tty_give_back(void) {
    if (!taken) return;
    taken = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    watch(SIGWINCH, SIG_DFL);
    watch(SIGCONT, SIG_DFL);
}

unsigned fm_tty_changes(void) { return (unsigned)resizes + (unsigned)returns; }
unsigned fm_tty_returns(void) { return (unsigned)returns; }
