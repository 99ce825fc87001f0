/* Makes a map of two entries, reads one of them, and prints it all. */
#include <lcast.h>
#include <stdio.h>
#include <string.h>

/* Puts a value into a map, which has a copy then. */
static void put(lcast_value *map, const char *key, lcast_value *value) {
    if (lcast_value_put(map, key, strlen(key), value) != LCAST_OK)
        fprintf(stderr, "%s: %s\n", key, lcast_last_error());
    lcast_value_free(value);
}

int main(void) {
    lcast_value *map, *value;
    int64_t jobs;
    char text[200];

    if (lcast_value_new_map(&map) != LCAST_OK) return 1;
    if (lcast_value_new_int(17, &value) == LCAST_OK) put(map, "jobs", value);
    if (lcast_value_new_text("mail", 4, &value) == LCAST_OK) put(map, "queue", value);
    if (lcast_value_int(lcast_value_find(map, "jobs"), &jobs) == LCAST_OK)
        printf("%d jobs\n", (int)jobs);
    if (lcast_value_print(map, text, sizeof text, NULL) == LCAST_OK) printf("%s\n", text);
    lcast_value_free(map);
    return 0;
}
