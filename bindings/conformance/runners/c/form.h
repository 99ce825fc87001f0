/* The form of the conformance scenario's lines and values, for the runner in C. */

#ifndef FORM_H
#define FORM_H

#include <stddef.h>

#include <lcast.h>

/* A text that grows; its bytes end with a zero byte. */
struct text {
    char *bytes;
    size_t length;
    size_t room;
};

/* A word KEY=TEXT behind a step or a setting. */
struct word {
    const char *key;
    const char *text;
};

/* The fields of a line. */
#define FIELDS_MAX 64
struct line {
    char *fields[FIELDS_MAX];
    size_t count;
};

/* Ends the program when what it did is not LCAST_OK. */
void check(lcast_status status, const char *what);
/* Ends the program: the scenario, or what runs it, is not what it should be. */
void die(const char *what, const char *why);

/* Adds bytes to a text. */
void text_add(struct text *text, const char *bytes, size_t length);
/* Adds bytes as \xNN that are no printable ASCII, or are a quote or a backslash. */
void text_escape(struct text *text, const char *bytes, size_t length);
/* Adds a value in the form of the scenario. */
void text_show(struct text *text, const lcast_value *value);

/* Undoes the escaping in place, and gives the new length. */
size_t unescape(char *text);
/* Cuts a line at its tabs, in place. */
struct line split(char *line);
/* Reads a word, in place. What stands behind "value=" is left as it is. */
struct word word_of(char *field);
/* Makes the value that a text means, in place of that text. */
lcast_value *parse(char *text);

#endif
