/* input AGENT CLIENT: bad input of every kind is a defined error, and the program lives on.
 *
 * The credentials are of two members of one realm.
 */
#include "check.h"

#include <math.h>

static lcast_node *agent, *client;

/* All functions that take a handle, with one that is none. */
static void refuse_everywhere(void *none) {
    lcast_node *node = (lcast_node *)none;
    lcast_stream *stream = (lcast_stream *)none;
    lcast_event *event = (lcast_event *)none;
    lcast_value *value = (lcast_value *)none;
    lcast_variable *variable = (lcast_variable *)none;
    lcast_setting *setting = (lcast_setting *)none;
    lcast_members *members = (lcast_members *)none;
    const char *patterns[] = {"app.*"};
    lcast_definition definition = define("app.none", LCAST_INT);
    lcast_value *number, *packed;
    int64_t i;
    double d;
    int b;

    OK(lcast_value_new_int(1, &number));
    CHECK(lcast_node_name(node) == NULL && lcast_node_realm(node) == NULL);
    STATUS(LCAST_INVALID, lcast_ping(node, "n", 1, &i));
    STATUS(LCAST_INVALID, lcast_get(node, patterns, 1, NULL, &stream));
    STATUS(LCAST_INVALID, lcast_variables(node, NULL, &stream));
    CHECK(stream == NULL);
    STATUS(LCAST_INVALID, lcast_set(node, "app.x", "1", NULL, &stream));
    STATUS(LCAST_INVALID, lcast_set_value(node, "app.x", number, NULL, &stream));
    STATUS(LCAST_INVALID, lcast_set_all(node, NULL, 0, NULL, &stream));
    STATUS(LCAST_INVALID, lcast_set_value(client, "app.x", value, NULL, &stream));
    STATUS(LCAST_INVALID, lcast_watch(node, patterns, 1, NULL, &stream));
    STATUS(LCAST_INVALID, lcast_presence(node, &stream));
    STATUS(LCAST_INVALID, lcast_expose(node, &definition, &variable));
    STATUS(LCAST_INVALID, lcast_expose_setting(node, &definition, number, &setting));
    STATUS(LCAST_INVALID, lcast_members_of(node, &members));
    stream = (lcast_stream *)none, variable = (lcast_variable *)none;
    setting = (lcast_setting *)none, members = (lcast_members *)none;

    STATUS(LCAST_INVALID, lcast_next_event(stream, 0, &event));
    STATUS(LCAST_INVALID, lcast_finish(stream, 0, &event));
    STATUS(LCAST_INVALID, lcast_stream_cancel(stream));
    CHECK(lcast_stream_fd(stream) == -1 && event == NULL);
    event = (lcast_event *)none;
    STATUS(LCAST_INVALID, lcast_next_packed(stream, 0, 1, &value));
    CHECK(value == NULL);
    value = (lcast_value *)none;

    CHECK(lcast_event_kind_of(event) == LCAST_EVENT_NONE && lcast_event_node(event) == NULL);
    CHECK(lcast_event_class(event) == LCAST_CLASS_NONE && lcast_event_reason(event) == NULL);
    CHECK(lcast_event_message(event) == NULL && lcast_event_lost(event) == 0);
    CHECK(lcast_event_count(event) == 0 && lcast_event_name(event, 0) == NULL);
    CHECK(lcast_event_unit(event, 0) == NULL && lcast_event_value(event, 0) == NULL);
    CHECK(lcast_event_version(event, 0) == NULL && lcast_event_time_ms(event, 0) == 0);
    CHECK(lcast_event_age_ms(event, 0) == 0 && lcast_event_skipped(event, 0) == 0);
    CHECK(lcast_event_result(event, 0) == NULL && lcast_event_detail(event, 0) == NULL);
    CHECK(lcast_event_removed_count(event) == 0 && lcast_event_removed(event, 0) == NULL);
    CHECK(lcast_report_expected(event) == 0 && lcast_report_alive(event) == 0);
    CHECK(lcast_report_is_complete(event) == 0 && lcast_report_rounds(event) == 0);
    CHECK(lcast_report_elapsed_us(event) == 0 && lcast_report_heard(event) == 0);
    CHECK(lcast_report_sent(event) == 0 && lcast_report_count(event, LCAST_CLASS_LATE) == 0);
    CHECK(lcast_report_node(event, LCAST_CLASS_LATE, 0) == NULL);
    CHECK(lcast_report_reason(event, LCAST_CLASS_LATE, 0) == NULL);
    CHECK(lcast_report_message(event, LCAST_CLASS_LATE, 0) == NULL);
    CHECK(lcast_report_last_heard_ms(event, LCAST_CLASS_LATE, 0) == -1);
    CHECK(lcast_report_outcome_unknown(event, LCAST_CLASS_LATE, 0) == 0);

    CHECK(lcast_value_type(value) == LCAST_NULL && lcast_last_status() == LCAST_INVALID);
    STATUS(LCAST_INVALID, lcast_value_bool(value, &b));
    STATUS(LCAST_INVALID, lcast_value_int(value, &i));
    STATUS(LCAST_INVALID, lcast_value_float(value, &d));
    STATUS(LCAST_INVALID, lcast_value_timestamp(value, &i));
    CHECK(lcast_value_text(value, NULL) == NULL && lcast_value_bytes(value, NULL) == NULL);
    CHECK(lcast_value_count(value) == 0 && lcast_value_at(value, 0) == NULL);
    CHECK(lcast_value_key(value, 0, NULL) == NULL && lcast_value_find(value, "k") == NULL);
    STATUS(LCAST_INVALID, lcast_value_print(value, NULL, 0, NULL));
    STATUS(LCAST_INVALID, lcast_value_push(value, number));
    STATUS(LCAST_INVALID, lcast_value_put(value, "k", 1, number));
    STATUS(LCAST_INVALID, lcast_value_pack(value, &packed));
    CHECK(packed == NULL);

    STATUS(LCAST_INVALID, lcast_publish(variable, number));
    STATUS(LCAST_INVALID, lcast_publish_int(variable, 1));
    STATUS(LCAST_INVALID, lcast_publish_float(variable, 1));
    STATUS(LCAST_INVALID, lcast_publish_bool(variable, 1));
    STATUS(LCAST_INVALID, lcast_publish_text(variable, "x"));
    STATUS(LCAST_INVALID, lcast_publish_key(variable, "k", 1, number));
    STATUS(LCAST_INVALID, lcast_withdraw(variable));
    STATUS(LCAST_INVALID, lcast_setting_value(setting, &value));
    STATUS(LCAST_INVALID, lcast_setting_changes(setting, &stream));

    CHECK(lcast_members_count(members) == 0 && lcast_members_name(members, 0) == NULL);
    CHECK(lcast_members_kind(members, 0) == NULL && lcast_members_state(members, 0) == NULL);
    CHECK(lcast_members_via(members, 0) == NULL && lcast_members_software(members, 0) == NULL);
    CHECK(lcast_members_last_heard_ms(members, 0) == -1);
    CHECK(lcast_members_is_duplicate(members, 0) == 0);
    CHECK(lcast_members_label_count(members, 0) == 0 && lcast_members_role_count(members, 0) == 0);
    CHECK(lcast_members_label_key(members, 0, 0) == NULL);
    CHECK(lcast_members_label_value(members, 0, 0) == NULL);
    CHECK(lcast_members_role(members, 0, 0) == NULL);
    OK(lcast_value_free(number));
}

/* All functions that free, with a handle that is none. */
static void refuse_to_free(void *none) {
    STATUS(LCAST_INVALID, lcast_close((lcast_node *)none));
    STATUS(LCAST_INVALID, lcast_stream_free((lcast_stream *)none));
    STATUS(LCAST_INVALID, lcast_event_free((lcast_event *)none));
    STATUS(LCAST_INVALID, lcast_value_free((lcast_value *)none));
    STATUS(LCAST_INVALID, lcast_variable_free((lcast_variable *)none));
    STATUS(LCAST_INVALID, lcast_setting_free((lcast_setting *)none));
    STATUS(LCAST_INVALID, lcast_members_free((lcast_members *)none));
}

static void handles_that_are_none(void) {
    void *block = malloc(64);
    lcast_value *value, *list;
    lcast_stream *replies;
    uint64_t random = 88172645463325252u;
    int round;

    refuse_everywhere(NULL);
    OK(lcast_close(NULL));
    OK(lcast_stream_free(NULL));
    OK(lcast_event_free(NULL));
    OK(lcast_value_free(NULL));
    OK(lcast_variable_free(NULL));
    OK(lcast_setting_free(NULL));
    OK(lcast_members_free(NULL));

    refuse_everywhere(block);
    refuse_to_free(block);
    refuse_everywhere((void *)1);
    refuse_to_free((void *)UINTPTR_MAX);
    free(block);

    OK(lcast_value_new_int(7, &value));
    OK(lcast_value_new_list(&list));
    OK(lcast_value_free(value));
    STATUS(LCAST_INVALID, lcast_value_free(value));
    STATUS(LCAST_INVALID, lcast_value_push(list, value));
    CHECK(strstr(lcast_last_error(), "freed") != NULL);
    refuse_everywhere(value);

    /* A handle of one kind in place of another. */
    replies = ask(client, "app");
    STATUS(LCAST_INVALID, lcast_close((lcast_node *)(void *)replies));
    STATUS(LCAST_INVALID, lcast_value_free((lcast_value *)(void *)agent));
    CHECK(lcast_event_node((lcast_event *)(void *)list) == NULL);
    OK(lcast_stream_free(replies));
    OK(lcast_value_free(list));

    for (round = 0; round < 100000; round++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        /* Every other one has the upper bits of a handle. */
        if (round % 2) random = (random & 0x0FFFFFFFFFFFFFFFu) | 0xC000000000000000u;
        CHECK(lcast_event_node((lcast_event *)(uintptr_t)random) == NULL);
        CHECK(lcast_value_free((lcast_value *)(uintptr_t)random) != LCAST_OK);
    }
}

static void places_that_are_null(void) {
    const char *patterns[] = {"app.*"};
    lcast_definition definition = define("app.none", LCAST_INT);
    lcast_value *value;

    STATUS(LCAST_INVALID, lcast_open(NULL, NULL));
    STATUS(LCAST_INVALID, lcast_get(client, patterns, 1, NULL, NULL));
    STATUS(LCAST_INVALID, lcast_get(client, NULL, 1, NULL, NULL));
    STATUS(LCAST_INVALID, lcast_watch(client, patterns, 1, NULL, NULL));
    STATUS(LCAST_INVALID, lcast_presence(client, NULL));
    STATUS(LCAST_INVALID, lcast_expose(agent, &definition, NULL));
    STATUS(LCAST_INVALID, lcast_members_of(client, NULL));
    STATUS(LCAST_INVALID, lcast_value_new_int(1, NULL));
    OK(lcast_value_new_int(1, &value));
    STATUS(LCAST_INVALID, lcast_value_int(value, NULL));
    OK(lcast_value_free(value));
}

static void texts_that_are_none(void) {
    const char *invalid = "app.\xff\xfe";
    const char *patterns[] = {invalid}, *absent[] = {NULL}, *wrong[] = {"app..x"};
    const char *names[] = {" ", "web1,", ",web1", "web1,,web2", "web 1", "web*"};
    lcast_question_options options;
    lcast_stream *stream;
    lcast_event *event;
    lcast_value *value;

    STATUS(LCAST_INVALID, lcast_get(client, patterns, 1, NULL, &stream));
    CHECK(strstr(lcast_last_error(), "no UTF-8 from byte 4") != NULL);
    STATUS(LCAST_INVALID, lcast_get(client, absent, 1, NULL, &stream));
    STATUS(LCAST_INVALID, lcast_get(client, wrong, 1, NULL, &stream));
    STATUS(LCAST_INVALID, lcast_get(client, wrong, SIZE_MAX, NULL, &stream));
    STATUS(LCAST_INVALID, lcast_set(client, invalid, "1", NULL, &stream));
    STATUS(LCAST_INVALID, lcast_set(client, "no name", "1", NULL, &stream));
    STATUS(LCAST_INVALID, lcast_set(client, NULL, "1", NULL, &stream));
    STATUS(LCAST_INVALID, lcast_set(client, "app.x", NULL, NULL, &stream));
    STATUS(LCAST_INVALID, lcast_value_new_text("\xc3(", 2, &value));
    STATUS(LCAST_INVALID, lcast_value_new_text(NULL, 1, &value));
    STATUS(LCAST_INVALID, lcast_value_new_text("x", SIZE_MAX, &value));
    STATUS(LCAST_INVALID, lcast_value_new_bytes(NULL, 1, &value));

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    wrong[0] = "no label";
    options.labels = wrong, options.label_count = 1;
    STATUS(LCAST_INVALID, lcast_get(client, (const char *const[]){"app"}, 1, &options, &stream));
    options.labels = NULL;
    STATUS(LCAST_INVALID, lcast_get(client, (const char *const[]){"app"}, 1, &options, &stream));
    options.label_count = 0, options.matching = "1 +";
    STATUS(LCAST_INVALID, lcast_get(client, (const char *const[]){"app"}, 1, &options, &stream));
    options.matching = NULL, options.on = "[";
    STATUS(LCAST_INVALID, lcast_get(client, (const char *const[]){"app"}, 1, &options, &stream));
    options.on = "";
    STATUS(LCAST_INVALID, lcast_get(client, (const char *const[]){"app"}, 1, &options, &stream));
    options.on = NULL, options.except = "";
    STATUS(LCAST_INVALID, lcast_get(client, (const char *const[]){"app"}, 1, &options, &stream));
    options.except = NULL, options.if_version = "3";
    STATUS(LCAST_INVALID, lcast_set(client, "app.x", "1", &options, &stream));
    options.if_version = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        options.only = names[i], options.expect = NULL;
        STATUS(LCAST_INVALID, lcast_get(client, (const char *const[]){"app"}, 1, &options, &stream));
        CHECK(strstr(lcast_last_error(), "is no name of a node") != NULL);
        options.only = NULL, options.expect = names[i];
        STATUS(LCAST_INVALID, lcast_get(client, (const char *const[]){"app"}, 1, &options, &stream));
    }
    options.only = "", options.expect = "";
    OK(lcast_get(client, (const char *const[]){"app"}, 1, &options, &stream));
    OK(lcast_finish(stream, -1, &event));
    CHECK(lcast_report_expected(event) == 0 && lcast_report_count(event, LCAST_CLASS_MISSING) == 0);
    OK(lcast_event_free(event));
    OK(lcast_stream_free(stream));
}

/* An option for another verb is refused, and so is a question that names nothing. */
static void options_of_another_verb(void) {
    const char *patterns[] = {"app.*"};
    const lcast_question_options of_sets[] = {
        {.size = sizeof *of_sets, .if_version = "3.7"},
        {.size = sizeof *of_sets, .dry_run = 1},
    };
    const lcast_question_options of_watches[] = {
        {.size = sizeof *of_watches, .every_ms = 1000},
        {.size = sizeof *of_watches, .delta = 1},
    };
    lcast_stream *stream;

    for (int i = 0; i < 2; i++) {
        STATUS(LCAST_INVALID, lcast_get(client, patterns, 1, &of_sets[i], &stream));
        CHECK(strstr(lcast_last_error(), "is an option of a set alone") != NULL);
        STATUS(LCAST_INVALID, lcast_watch(client, patterns, 1, &of_sets[i], &stream));
        STATUS(LCAST_INVALID, lcast_get(client, patterns, 1, &of_watches[i], &stream));
        STATUS(LCAST_INVALID, lcast_set(client, "app.x", "1", &of_watches[i], &stream));
        CHECK(strstr(lcast_last_error(), "is an option of a watch alone") != NULL);
    }
    STATUS(LCAST_INVALID, lcast_get(client, patterns, 0, NULL, &stream));
    STATUS(LCAST_INVALID, lcast_watch(client, NULL, 0, NULL, &stream));
}

/* What no reply carries is refused where it is given, and so is a limit that is no number. */
static void values_too_large(void) {
    enum { SIZE = 3 * 1024 * 1024 };
    lcast_definition bytes = define("app.large", LCAST_BYTES);
    lcast_definition level = define("app.nan", LCAST_FLOAT);
    lcast_variable *variable;
    lcast_setting *setting;
    lcast_value *value;
    uint8_t *large = calloc(SIZE, 1);

    CHECK(large != NULL);
    OK(lcast_expose(agent, &bytes, &variable));
    OK(lcast_value_new_bytes(large, SIZE, &value));
    STATUS(LCAST_INVALID, lcast_publish(variable, value));
    CHECK(strstr(lcast_last_error(), "2088960 are the most") != NULL);
    OK(lcast_value_free(value));
    OK(lcast_variable_free(variable));
    free(large);
    level.has_min = 1, level.min = strtod("nan", NULL);
    STATUS(LCAST_INVALID, lcast_expose_setting(agent, &level, NULL, &setting));
    CHECK(strcmp(lcast_last_error(), "'min' is no number") == 0);
}

static void settings_that_are_none(void) {
    enum { MOST = 64 };
    static char names[MOST + 1][16];
    static lcast_assignment many[MOST + 1];
    lcast_assignment one = {.name = "app.x"};
    lcast_question_options options = {.size = sizeof options};
    lcast_stream *stream;
    lcast_event *report;
    lcast_value *value;

    OK(lcast_value_new_int(1, &value));
    STATUS(LCAST_INVALID, lcast_set_all(client, NULL, 1, NULL, &stream));
    STATUS(LCAST_INVALID, lcast_set_all(client, &one, SIZE_MAX, NULL, &stream));
    STATUS(LCAST_INVALID, lcast_set_all(client, &one, 1, NULL, NULL));
    STATUS(LCAST_INVALID, lcast_set_all(client, &one, 1, NULL, &stream));
    CHECK(strcmp(lcast_last_error(), "'app.x' has to have a text or a value") == 0);
    one.text = "1", one.value = value;
    STATUS(LCAST_INVALID, lcast_set_all(client, &one, 1, NULL, &stream));
    one.text = NULL, one.value = (const lcast_value *)(const void *)&one;
    STATUS(LCAST_INVALID, lcast_set_all(client, &one, 1, NULL, &stream));
    one.value = NULL, one.text = "\xff";
    STATUS(LCAST_INVALID, lcast_set_all(client, &one, 1, NULL, &stream));
    one.text = "1", one.name = "no name";
    STATUS(LCAST_INVALID, lcast_set_all(client, &one, 1, NULL, &stream));
    one.name = NULL;
    STATUS(LCAST_INVALID, lcast_set_all(client, &one, 1, NULL, &stream));

    for (int index = 0; index <= MOST; index++) {
        /* They fit into one packet where their names are short. */
        snprintf(names[index], sizeof names[index], "%c.%c", 'a' + index / 8, 'a' + index % 8);
        many[index] = (lcast_assignment){.name = names[index], .text = "1"};
    }
    OK(lcast_set_all(client, many, MOST + 1, NULL, &stream));
    STATUS(LCAST_INVALID, lcast_finish(stream, -1, &report));
    CHECK(strcmp(lcast_last_error(), "a set writes 1 to 64 settings, not 65") == 0);
    OK(lcast_stream_free(stream));
    OK(lcast_set_all(client, many, MOST, NULL, &stream));
    OK(lcast_finish(stream, -1, &report));
    OK(lcast_event_free(report));
    OK(lcast_stream_free(stream));
    OK(lcast_set_all(client, NULL, 0, NULL, &stream));
    STATUS(LCAST_INVALID, lcast_finish(stream, -1, &report));
    OK(lcast_stream_free(stream));
    many[1].name = many[0].name;
    OK(lcast_set_all(client, many, 2, NULL, &stream));
    STATUS(LCAST_INVALID, lcast_finish(stream, -1, &report));
    CHECK(strcmp(lcast_last_error(), "'a.a' is set twice") == 0);
    OK(lcast_stream_free(stream));
    /* Of one setting only can a version be demanded. */
    many[1].name = names[1];
    options.if_version = "3.7";
    OK(lcast_set_all(client, many, 2, &options, &stream));
    STATUS(LCAST_INVALID, lcast_finish(stream, -1, &report));
    OK(lcast_stream_free(stream));
    OK(lcast_value_free(value));
}

static void numbers_out_of_range(void) {
    const char *patterns[] = {"app.*"};
    lcast_question_options options;
    lcast_definition definition = define("app.none", 99);
    struct {
        lcast_question_options known;
        uint64_t later;
    } longer;
    lcast_variable *variable;
    lcast_setting *setting;
    lcast_stream *stream = ask(client, "app");
    lcast_event *event;
    lcast_value *value;
    int64_t i;

    STATUS(LCAST_INVALID, lcast_next_event(stream, -2, &event));
    STATUS(LCAST_INVALID, lcast_finish(stream, INT64_MIN, &event));
    STATUS(LCAST_INVALID, lcast_next_packed(stream, -2, 1, &value));
    STATUS(LCAST_INVALID, lcast_next_packed(stream, 0, 0, &value));
    STATUS(LCAST_INVALID, lcast_next_packed(stream, 0, 1, NULL));
    OK(lcast_stream_free(stream));
    STATUS(LCAST_INVALID, lcast_ping(client, "n", -1, &i));
    STATUS(LCAST_INVALID, lcast_expose(agent, &definition, &variable));
    definition.value_type = -1;
    STATUS(LCAST_INVALID, lcast_expose(agent, &definition, &variable));
    definition.value_type = LCAST_INT, definition.kind = 7;
    STATUS(LCAST_INVALID, lcast_expose(agent, &definition, &variable));
    definition.kind = 0, definition.has_min = 1, definition.min = NAN;
    STATUS(LCAST_INVALID, lcast_expose_setting(agent, &definition, NULL, &setting));
    STATUS(LCAST_INVALID, lcast_expose(agent, NULL, &variable));
    definition = define("app.load", LCAST_INT);
    STATUS(LCAST_PERMISSION, lcast_expose(client, &definition, &variable));
    CHECK(lcast_status_name(99) == NULL && lcast_status_name(-1) == NULL);

    memset(&longer, 0, sizeof longer);
    /* Any other size, like that of a pointer to it, would leave out which nodes are asked. */
    longer.known.only = "web1";
    for (longer.known.size = 0; longer.known.size < sizeof longer.known; longer.known.size++)
        STATUS(LCAST_INVALID, lcast_get(client, patterns, 1, &longer.known, &stream));
    longer.known.only = NULL;
    longer.known.size = SIZE_MAX;
    STATUS(LCAST_INVALID, lcast_get(client, patterns, 1, &longer.known, &stream));
    /* Of a later version: fine as long as nothing is asked for that this one does not know. */
    longer.known.size = sizeof longer;
    OK(lcast_get(client, patterns, 1, &longer.known, &stream));
    OK(lcast_stream_free(stream));
    longer.later = 1;
    STATUS(LCAST_INVALID, lcast_get(client, patterns, 1, &longer.known, &stream));

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.timeout_ms = -5;
    STATUS(LCAST_INVALID, lcast_get(client, patterns, 1, &options, &stream));
    options.timeout_ms = 0, options.delta = NAN;
    STATUS(LCAST_INVALID, lcast_watch(client, patterns, 1, &options, &stream));
    options.delta = -1;
    STATUS(LCAST_INVALID, lcast_watch(client, patterns, 1, &options, &stream));
    options.delta = 0, options.every_ms = -1;
    STATUS(LCAST_INVALID, lcast_watch(client, patterns, 1, &options, &stream));
    options.every_ms = 9;
    STATUS(LCAST_INVALID, lcast_watch(client, patterns, 1, &options, &stream));
    CHECK(strstr(lcast_last_error(), "10ms") != NULL);
    /* A question takes an hour at most: told where the report would be. */
    options.every_ms = 0, options.timeout_ms = INT64_MAX;
    OK(lcast_get(client, patterns, 1, &options, &stream));
    STATUS(LCAST_INVALID, lcast_next_event(stream, -1, &event));
    STATUS(LCAST_END, lcast_next_event(stream, -1, &event));
    OK(lcast_stream_free(stream));
}

static void buffers_too_small(void) {
    const char *text = "l\xc3\xb6nger";
    lcast_value *value;
    char buffer[16];
    size_t length, size;

    OK(lcast_value_new_text(text, strlen(text), &value));
    STATUS(LCAST_TOO_SMALL, lcast_value_print(value, NULL, 0, &length));
    CHECK(length == strlen(text));
    STATUS(LCAST_INVALID, lcast_value_print(value, NULL, 5, NULL));
    for (size = 1; size <= length; size++) {
        memset(buffer, 'x', sizeof buffer);
        STATUS(LCAST_TOO_SMALL, lcast_value_print(value, buffer, size, &length));
        /* No byte beyond it is written, and no character is cut in two. */
        CHECK(strlen(buffer) == (size == 3 ? 1 : size - 1) && buffer[size] == 'x');
    }
    OK(lcast_value_print(value, buffer, length + 1, NULL));
    CHECK(strcmp(buffer, text) == 0);
    OK(lcast_value_free(value));
}

static void indexes_and_lent_values(void) {
    lcast_stream *replies = ask(client, "app.*");
    lcast_event *event;
    lcast_value *list, *number;
    const lcast_value *part;
    int depth;

    OK(lcast_next_event(replies, -1, &event));
    CHECK(lcast_event_name(event, 1) == NULL && lcast_last_status() == LCAST_INVALID);
    CHECK(lcast_event_value(event, SIZE_MAX) == NULL);
    CHECK(lcast_event_removed(event, 0) == NULL && lcast_last_status() == LCAST_INVALID);
    CHECK(lcast_report_expected(event) == 0 && lcast_last_status() == LCAST_INVALID);
    part = lcast_event_value(event, 0);
    CHECK(part != NULL && part == lcast_event_value(event, 0));
    STATUS(LCAST_INVALID, lcast_value_free((lcast_value *)(uintptr_t)part));
    STATUS(LCAST_INVALID, lcast_value_push((lcast_value *)(uintptr_t)part, part));
    OK(lcast_event_free(event));
    CHECK(lcast_value_type(part) == LCAST_NULL && lcast_last_status() == LCAST_INVALID);
    OK(lcast_finish(replies, -1, &event));
    CHECK(lcast_report_count(event, 99) == 0 && lcast_last_status() == LCAST_INVALID);
    CHECK(lcast_report_node(event, -1, 0) == NULL && lcast_last_status() == LCAST_INVALID);
    OK(lcast_event_free(event));
    STATUS(LCAST_END, lcast_finish(replies, -1, &event));
    OK(lcast_stream_free(replies));

    OK(lcast_value_new_list(&list));
    OK(lcast_value_new_int(1, &number));
    STATUS(LCAST_INVALID, lcast_value_push(number, list));
    STATUS(LCAST_INVALID, lcast_value_put(list, "k", 1, number));
    for (depth = 1; depth < 8; depth++) OK(lcast_value_push(list, list));
    STATUS(LCAST_INVALID, lcast_value_push(list, list));
    OK(lcast_value_free(number));
    OK(lcast_value_free(list));
}

static void realms_that_are_none(const char *credential) {
    lcast_open_options options;
    lcast_node *node = (lcast_node *)1;
    char path[4096];
    FILE *file;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.realm = "no-such-realm";
    STATUS(LCAST_NO_REALM, lcast_open(&options, &node));
    CHECK(node == NULL);
    options.credential_file = credential;
    STATUS(LCAST_INVALID, lcast_open(&options, &node));
    options.realm = NULL;
    options.credential_file = "/no/such/file";
    STATUS(LCAST_CREDENTIAL, lcast_open(&options, &node));
    options.credential_file = NULL;
    options.credential = (const uint8_t *)"none";
    options.credential_length = 4;
    STATUS(LCAST_CREDENTIAL, lcast_open(&options, &node));
    /* An empty one is not the user's own. */
    options.credential_length = 0;
    STATUS(LCAST_CREDENTIAL, lcast_open(&options, &node));
    options.realm = "local";
    STATUS(LCAST_INVALID, lcast_open(&options, &node));
    options.realm = NULL, options.credential_length = 4;
    options.credential = NULL;
    STATUS(LCAST_INVALID, lcast_open(&options, &node));

    /* What others can read is no secret. */
    snprintf(path, sizeof path, "cp '%s' '%s.open' && chmod 644 '%s.open'", credential, credential,
             credential);
    CHECK(system(path) == 0);
    snprintf(path, sizeof path, "%s.open", credential);
    options.credential_length = 0;
    options.credential_file = path;
    STATUS(LCAST_PERMISSION, lcast_open(&options, &node));
    file = fopen(path, "w");
    CHECK(file != NULL);
    fclose(file);
    STATUS(LCAST_CREDENTIAL, lcast_open(&options, &node));
    options.credential_file = credential;
    options.state = "/dev/null/folder";
    STATUS(LCAST_START, lcast_open(&options, &node));
}

int main(int argc, char **argv) {
    lcast_definition definition = define("app.length", LCAST_INT);
    lcast_variable *variable;

    if (argc != 3) return 2;
    CHECK(lcast_last_status() == LCAST_OK && lcast_last_error()[0] == '\0');
    CHECK(strchr(lcast_version(), '.') != NULL);
    agent = open_file(argv[1]);
    client = open_file(argv[2]);
    OK(lcast_expose(agent, &definition, &variable));
    OK(lcast_publish_int(variable, 17));
    CHECK(answered(client, "app.length") == 1);

    handles_that_are_none();
    places_that_are_null();
    texts_that_are_none();
    settings_that_are_none();
    options_of_another_verb();
    values_too_large();
    numbers_out_of_range();
    buffers_too_small();
    indexes_and_lent_values();
    realms_that_are_none(argv[2]);

    /* All of that has broken nothing. */
    CHECK(answered(client, "app.length") == 1);
    OK(lcast_variable_free(variable));
    OK(lcast_close(agent));
    STATUS(LCAST_INVALID, lcast_close(agent));
    refuse_everywhere(agent);
    OK(lcast_close(client));
    CHECK(lcast_handle_count() == 0);
    puts("input: ok");
    return 0;
}
