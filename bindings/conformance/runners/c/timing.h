/* What the bench asks of the runner in C. */

#ifndef TIMING_H
#define TIMING_H

/* Does what standard input says; the exit code. */
int measure(const char *credential);

#endif
