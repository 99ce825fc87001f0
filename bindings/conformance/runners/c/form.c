/* The form of the conformance scenario's lines and values, for the runner in C. */

#include "form.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

void check(lcast_status status, const char *what)
{
    if (status != LCAST_OK)
        die(what, lcast_last_error());
}

void text_add(struct text *text, const char *bytes, size_t length)
{
    if (text->room < text->length + length + 1) {
        text->room = 2 * (text->length + length + 1);
        text->bytes = realloc(text->bytes, text->room);
        if (text->bytes == NULL)
            die("memory", "there is none left");
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = 0;
}

static void text_print(struct text *text, const char *format, uint64_t number)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, format, number);
    text_add(text, digits, (size_t)length);
}

void text_escape(struct text *text, const char *bytes, size_t length)
{
    text_add(text, "", 0);
    for (size_t index = 0; index < length; index++) {
        unsigned char byte = (unsigned char)bytes[index];
        if (byte >= 0x20 && byte <= 0x7e && byte != '"' && byte != '\\')
            text_add(text, bytes + index, 1);
        else
            text_print(text, "\\x%02" PRIx64, byte);
    }
}

static void show_text(struct text *text, const char *bytes, size_t length)
{
    text_add(text, "\"", 1);
    text_escape(text, bytes, length);
    text_add(text, "\"", 1);
}

static void show_float(struct text *text, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    if (isnan(number))
        text_add(text, "fnan", 4);
    else
        text_print(text, "f%016" PRIx64, bits);
}

static void show_signed(struct text *text, const char *letter, int64_t number)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%s%" PRId64, letter, number);
    text_add(text, digits, (size_t)length);
}

static void show_items(struct text *text, const lcast_value *value, int is_map)
{
    text_add(text, is_map ? "{" : "[", 1);
    for (size_t index = 0; index < lcast_value_count(value); index++) {
        if (index > 0)
            text_add(text, ",", 1);
        if (is_map) {
            size_t length;
            const char *key = lcast_value_key(value, index, &length);
            show_text(text, key, length);
            text_add(text, ":", 1);
        }
        text_show(text, lcast_value_at(value, index));
    }
    text_add(text, is_map ? "}" : "]", 1);
}

void text_show(struct text *text, const lcast_value *value)
{
    int truth = 0;
    int64_t number = 0;
    double real = 0;
    size_t length = 0;
    switch (lcast_value_type(value)) {
    case LCAST_NULL:
        text_add(text, "null", 4);
        break;
    case LCAST_BOOL:
        check(lcast_value_bool(value, &truth), "a bool");
        text_add(text, truth ? "true" : "false", truth ? 4 : 5);
        break;
    case LCAST_INT:
        check(lcast_value_int(value, &number), "an int");
        show_signed(text, "i", number);
        break;
    case LCAST_FLOAT:
        check(lcast_value_float(value, &real), "a float");
        show_float(text, real);
        break;
    case LCAST_TEXT: {
        const char *bytes = lcast_value_text(value, &length);
        show_text(text, bytes, length);
        break;
    }
    case LCAST_BYTES: {
        const uint8_t *bytes = lcast_value_bytes(value, &length);
        text_add(text, "b", 1);
        for (size_t index = 0; index < length; index++)
            text_print(text, "%02" PRIx64, bytes[index]);
        break;
    }
    case LCAST_TIMESTAMP:
        check(lcast_value_timestamp(value, &number), "a timestamp");
        show_signed(text, "t", number);
        break;
    case LCAST_LIST:
        show_items(text, value, 0);
        break;
    case LCAST_MAP:
        show_items(text, value, 1);
        break;
    default:
        die("a value", "it is of no type");
    }
}

static unsigned char digit_pair(const char *digits)
{
    char pair[3] = {digits[0], digits[0] ? digits[1] : 0, 0};
    char *end;
    unsigned long byte = strtoul(pair, &end, 16);
    if (end != pair + 2)
        die(digits, "no two hexadecimal digits");
    return (unsigned char)byte;
}

size_t unescape(char *text)
{
    char *out = text;
    for (const char *in = text; *in != 0; in++) {
        if (in[0] == '\\' && in[1] == 'x') {
            *out++ = (char)digit_pair(in + 2);
            in += 3;
        } else {
            *out++ = *in;
        }
    }
    *out = 0;
    return (size_t)(out - text);
}

struct line split(char *line)
{
    struct line found = {.count = 0};
    line[strcspn(line, "\n")] = 0;
    for (char *field = line; field != NULL && found.count < FIELDS_MAX;) {
        char *tab = strchr(field, '\t');
        found.fields[found.count++] = field;
        if (tab != NULL)
            *tab++ = 0;
        field = tab;
    }
    return found;
}

struct word word_of(char *field)
{
    char *equals = strchr(field, '=');
    if (equals == NULL)
        die(field, "no =");
    *equals = 0;
    if (strcmp(field, "value") != 0)
        unescape(equals + 1);
    return (struct word){field, equals + 1};
}

/* Takes a text in quotes, undoes its escaping in place. */
static char *take_text(char **rest, size_t *length)
{
    char *start = *rest + 1;
    char *end = strchr(start, '"');
    if (**rest != '"' || end == NULL)
        die(*rest, "no text");
    *end = 0;
    *rest = end + 1;
    *length = unescape(start);
    return start;
}

static lcast_value *take(char **rest);

static lcast_value *take_items(char **rest)
{
    int is_map = **rest == '{';
    char end = is_map ? '}' : ']';
    lcast_value *items;
    check(is_map ? lcast_value_new_map(&items) : lcast_value_new_list(&items), "a list or map");
    ++*rest;
    while (**rest != end) {
        char *key = NULL;
        size_t length = 0;
        if (**rest == ',')
            ++*rest;
        if (is_map) {
            key = take_text(rest, &length);
            ++*rest;
        }
        lcast_value *item = take(rest);
        check(is_map ? lcast_value_put(items, key, length, item) : lcast_value_push(items, item),
              "an item");
        lcast_value_free(item);
    }
    ++*rest;
    return items;
}

static lcast_value *bytes_of(char *digits)
{
    size_t length = strlen(digits) / 2;
    uint8_t *bytes = malloc(length + 1);
    lcast_value *value;
    if (bytes == NULL)
        die("memory", "there is none left");
    for (size_t index = 0; index < length; index++)
        bytes[index] = digit_pair(digits + 2 * index);
    check(lcast_value_new_bytes(bytes, length, &value), "bytes");
    free(bytes);
    return value;
}

static lcast_value *float_of(const char *digits)
{
    uint64_t bits = strtoull(digits, NULL, 16);
    double number = NAN;
    lcast_value *value;
    if (strcmp(digits, "nan") != 0)
        memcpy(&number, &bits, sizeof number);
    check(lcast_value_new_float(number, &value), "a float");
    return value;
}

static lcast_value *scalar(char *word)
{
    lcast_value *value = NULL;
    errno = 0;
    if (strcmp(word, "null") == 0)
        check(lcast_value_new_null(&value), word);
    else if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
        check(lcast_value_new_bool(word[0] == 't', &value), word);
    else if (word[0] == 'i')
        check(lcast_value_new_int(strtoll(word + 1, NULL, 10), &value), word);
    else if (word[0] == 't')
        check(lcast_value_new_timestamp(strtoll(word + 1, NULL, 10), &value), word);
    else if (word[0] == 'f')
        value = float_of(word + 1);
    else if (word[0] == 'b')
        value = bytes_of(word + 1);
    if (value == NULL || errno != 0)
        die(word, "no scalar");
    return value;
}

static lcast_value *take(char **rest)
{
    if (**rest == '"') {
        size_t length;
        char *text = take_text(rest, &length);
        lcast_value *value;
        check(lcast_value_new_text(text, length, &value), "a text");
        return value;
    }
    if (**rest == '[' || **rest == '{')
        return take_items(rest);
    size_t length = strcspn(*rest, ",]}");
    char *word = *rest;
    char after = word[length];
    word[length] = 0;
    lcast_value *value = scalar(word);
    word[length] = after;
    *rest += length;
    return value;
}

lcast_value *parse(char *text)
{
    char *rest = text;
    lcast_value *value = take(&rest);
    if (*rest != 0)
        die(rest, "this follows a value");
    return value;
}
