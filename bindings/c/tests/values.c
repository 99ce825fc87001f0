/* values AGENT CLIENT: every kind of value there and back, sets, watches, presence.
 *
 * The client must be an operator.
 */
#include "check.h"

#include <float.h>
#include <math.h>

static lcast_node *agent, *client;

/* The only event of a question to one node before its report, and the stream. */
static lcast_event *reply_to(const char *name, lcast_stream **stream) {
    lcast_question_options options = patient();
    const char *patterns[1];
    lcast_event *event;

    options.on = lcast_node_name(agent);
    patterns[0] = name;
    OK(lcast_get(client, patterns, 1, &options, stream));
    OK(lcast_next_event(*stream, 30000, &event));
    CHECK(lcast_event_kind_of(event) == LCAST_EVENT_REPLY);
    CHECK(strcmp(lcast_event_node(event), lcast_node_name(agent)) == 0);
    CHECK(lcast_event_class(event) == LCAST_CLASS_ANSWERED && lcast_event_count(event) == 1);
    CHECK(lcast_event_time_ms(event, 0) > 0 && strchr(lcast_event_version(event, 0), '.') != NULL);
    return event;
}

/* Compares two values all the way down. */
static void compare(const lcast_value *left, const lcast_value *right) {
    lcast_type type = lcast_value_type(left);
    size_t i, a, b;
    int64_t x, y;
    double f, g;
    int p, q;

    CHECK(type == lcast_value_type(right));
    switch (type) {
    case LCAST_BOOL:
        OK(lcast_value_bool(left, &p));
        OK(lcast_value_bool(right, &q));
        CHECK(p == q);
        break;
    case LCAST_INT:
        OK(lcast_value_int(left, &x));
        OK(lcast_value_int(right, &y));
        CHECK(x == y);
        break;
    case LCAST_TIMESTAMP:
        OK(lcast_value_timestamp(left, &x));
        OK(lcast_value_timestamp(right, &y));
        CHECK(x == y);
        break;
    case LCAST_FLOAT:
        OK(lcast_value_float(left, &f));
        OK(lcast_value_float(right, &g));
        CHECK(isnan(f) ? isnan(g) : f == g && signbit(f) == signbit(g));
        break;
    case LCAST_TEXT:
        CHECK(memcmp(lcast_value_text(left, &a), lcast_value_text(right, &b), 0) == 0);
        CHECK(a == b && memcmp(lcast_value_text(left, NULL), lcast_value_text(right, NULL), a) == 0);
        break;
    case LCAST_BYTES:
        CHECK(lcast_value_bytes(left, &a) != NULL && lcast_value_bytes(right, &b) != NULL);
        CHECK(a == b && memcmp(lcast_value_bytes(left, NULL), lcast_value_bytes(right, NULL), a) == 0);
        break;
    case LCAST_LIST:
    case LCAST_MAP:
        CHECK(lcast_value_count(left) == lcast_value_count(right));
        for (i = 0; i < lcast_value_count(left); i++) {
            if (type == LCAST_MAP) {
                CHECK(strcmp(lcast_value_key(left, i, &a), lcast_value_key(right, i, &b)) == 0);
                CHECK(a == b);
            }
            compare(lcast_value_at(left, i), lcast_value_at(right, i));
        }
        break;
    default:
        break;
    }
}

/* Publishes a value and reads it back; frees it. */
static void there_and_back(const char *name, lcast_value *value) {
    lcast_definition definition = define(name, lcast_value_type(value));
    lcast_variable *variable;
    lcast_stream *stream;
    lcast_event *reply;

    definition.unit = "{thing}";
    OK(lcast_expose(agent, &definition, &variable));
    OK(lcast_publish(variable, value));
    reply = reply_to(name, &stream);
    CHECK(strcmp(lcast_event_name(reply, 0), name) == 0);
    CHECK(is_slow() || strcmp(lcast_event_unit(reply, 0), "{thing}") == 0);
    compare(value, lcast_event_value(reply, 0));
    OK(lcast_event_free(reply));
    OK(lcast_stream_free(stream));
    OK(lcast_withdraw(variable));
    OK(lcast_withdraw(variable));
    STATUS(LCAST_INVALID, lcast_publish(variable, value));
    OK(lcast_variable_free(variable));
    OK(lcast_value_free(value));
}

static void every_type_at_its_limits(void) {
    const int64_t ints[] = {0, 1, -1, INT64_MAX, INT64_MIN};
    const double floats[] = {0.0, -0.0, 1.5, DBL_MAX, -DBL_MAX, DBL_TRUE_MIN, INFINITY, -INFINITY, NAN};
    const char *texts[] = {"", "x", "gr\xc3\xbc\xc3\x9f dich \xf0\x9f\x8c\x8d", "a\0b"};
    const size_t lengths[] = {0, 1, 17, 3};
    lcast_value *value, *inner, *list;
    size_t i;

    for (i = 0; i < 2; i++) {
        OK(lcast_value_new_bool((int)i, &value));
        there_and_back("app.bool", value);
    }
    for (i = 0; i < sizeof ints / sizeof *ints; i++) {
        OK(lcast_value_new_int(ints[i], &value));
        there_and_back("app.int", value);
    }
    for (i = 0; i < sizeof floats / sizeof *floats; i++) {
        OK(lcast_value_new_float(floats[i], &value));
        there_and_back("app.float", value);
    }
    for (i = 0; i < sizeof texts / sizeof *texts; i++) {
        OK(lcast_value_new_text(texts[i], lengths[i], &value));
        there_and_back("app.text", value);
        OK(lcast_value_new_bytes((const uint8_t *)texts[i], lengths[i], &value));
        there_and_back("app.bytes", value);
    }
    OK(lcast_value_new_timestamp(1764357600123, &value));
    there_and_back("app.time", value);
    OK(lcast_value_new_timestamp(-1, &value));
    there_and_back("app.time", value);

    OK(lcast_value_new_map(&value));
    OK(lcast_value_new_list(&list));
    OK(lcast_value_new_int(42, &inner));
    OK(lcast_value_push(list, inner));
    OK(lcast_value_push(list, list));
    OK(lcast_value_put(value, "z\xc3\xa4hler", 8, list));
    OK(lcast_value_put(value, "a", 1, inner));
    OK(lcast_value_put(value, "a", 1, list));
    CHECK(lcast_value_count(value) == 2 && lcast_value_find(value, "b") == NULL);
    CHECK(lcast_value_type(lcast_value_find(value, "a")) == LCAST_LIST);
    OK(lcast_value_free(inner));
    OK(lcast_value_free(list));
    there_and_back("app.map", value);
}

static void values_for_people(void) {
    lcast_value *map, *inner;
    char text[128];

    OK(lcast_value_new_map(&map));
    OK(lcast_value_new_text("say \"hi\"\n", 9, &inner));
    OK(lcast_value_put(map, "k", 1, inner));
    OK(lcast_value_free(inner));
    OK(lcast_value_new_float(2, &inner));
    OK(lcast_value_put(map, "f", 1, inner));
    OK(lcast_value_free(inner));
    OK(lcast_value_new_bytes((const uint8_t *)"\x01\xff", 2, &inner));
    OK(lcast_value_put(map, "b", 1, inner));
    OK(lcast_value_free(inner));
    OK(lcast_value_print(map, text, sizeof text, NULL));
    CHECK(strcmp(text, "{\"b\": \"01ff\", \"f\": 2.0, \"k\": \"say \\\"hi\\\"\\u000a\"}") == 0);
    OK(lcast_value_free(map));
}

/* What a value gave out is there as long as the value, whoever else has its parts. */
static void what_was_given_out_stays(void) {
    lcast_value *list, *map, *text;
    const char *key, *words;

    OK(lcast_value_new_list(&list));
    OK(lcast_value_new_map(&map));
    OK(lcast_value_new_text("words", 5, &text));
    OK(lcast_value_put(map, "key", 3, text));
    OK(lcast_value_push(list, map));
    OK(lcast_value_push(list, text));
    key = lcast_value_key(map, 0, NULL);
    words = lcast_value_text(text, NULL);
    OK(lcast_value_put(map, "other", 5, text));
    STATUS(LCAST_INVALID, lcast_value_push(text, map));
    OK(lcast_value_free(list));
    CHECK(strcmp(key, "key") == 0 && key == lcast_value_key(map, 0, NULL));
    CHECK(strcmp(words, "words") == 0 && words == lcast_value_text(text, NULL));
    OK(lcast_value_free(text));
    OK(lcast_value_free(map));
}

/* What is shared counts as often as it is there: else a few calls made a value without end. */
static void lists_of_lists_are_limited(void) {
    lcast_value *inner, *outer, *map, *null;
    lcast_status status;
    int count;

    OK(lcast_value_new_null(&null));
    OK(lcast_value_new_list(&inner));
    OK(lcast_value_new_list(&outer));
    OK(lcast_value_new_map(&map));
    for (count = 0; count < 1000; count++) OK(lcast_value_push(inner, null));
    for (count = 0; (status = lcast_value_push(outer, inner)) == LCAST_OK; count++) {
    }
    CHECK(status == LCAST_INVALID && count == 2086 && lcast_value_count(outer) == 2086);
    CHECK(strstr(lcast_last_error(), "2088960 are the most") != NULL);
    OK(lcast_value_put(map, "k", 1, outer));
    STATUS(LCAST_INVALID, lcast_value_put(map, "l", 1, outer));
    OK(lcast_value_put(map, "k", 1, inner));
    OK(lcast_value_put(map, "l", 1, inner));
    /* Also what takes the place of something else. */
    for (count = 2; count < 8; count++) OK(lcast_value_put(map, "k", 1, map));
    STATUS(LCAST_INVALID, lcast_value_put(map, "k", 1, map));
    CHECK(strstr(lcast_last_error(), "8 deep") != NULL);
    OK(lcast_value_free(inner));
    OK(lcast_value_free(outer));
    OK(lcast_value_free(map));
    OK(lcast_value_free(null));
}

static void wrong_types_are_refused(void) {
    lcast_definition definition = define("app.typed", LCAST_INT);
    lcast_variable *variable;
    lcast_value *value;
    int64_t i;
    double d;
    int b;

    OK(lcast_expose(agent, &definition, &variable));
    STATUS(LCAST_INVALID, lcast_publish_text(variable, "x"));
    STATUS(LCAST_INVALID, lcast_publish_float(variable, 1));
    STATUS(LCAST_INVALID, lcast_publish_bool(variable, 1));
    OK(lcast_withdraw(variable));
    OK(lcast_variable_free(variable));
    OK(lcast_value_new_int(3, &value));
    STATUS(LCAST_INVALID, lcast_value_bool(value, &b));
    STATUS(LCAST_INVALID, lcast_value_timestamp(value, &i));
    CHECK(lcast_value_text(value, NULL) == NULL && lcast_value_bytes(value, NULL) == NULL);
    CHECK(lcast_value_count(value) == 0 && lcast_value_at(value, 0) == NULL);
    OK(lcast_value_float(value, &d));
    CHECK(d == 3.0);
    OK(lcast_value_free(value));
}

static void keys(void) {
    lcast_definition definition = define("app.disk[*].usage", LCAST_FLOAT);
    lcast_variable *variable;
    lcast_stream *stream;
    lcast_event *reply;
    lcast_value *value;
    char key[256];
    double usage;

    OK(lcast_expose(agent, &definition, &variable));
    OK(lcast_value_new_float(0.5, &value));
    OK(lcast_publish_key(variable, "/v\xc3\xa4r \"x\"", 9, value));
    reply = reply_to("app.disk", &stream);
    CHECK(strcmp(lcast_event_name(reply, 0), "app.disk[\"/v\xc3\xa4r \\\"x\\\"\"].usage") == 0);
    OK(lcast_value_float(lcast_event_value(reply, 0), &usage));
    CHECK(usage == 0.5);
    OK(lcast_event_free(reply));
    OK(lcast_stream_free(stream));
    memset(key, 'k', sizeof key);
    OK(lcast_publish_key(variable, key, 255, value));
    STATUS(LCAST_INVALID, lcast_publish_key(variable, key, 256, value));
    CHECK(strstr(lcast_last_error(), "a key has 1 to 255 bytes, not 256") != NULL);
    STATUS(LCAST_INVALID, lcast_publish_key(variable, "", 0, value));
    CHECK(strstr(lcast_last_error(), "a key has 1 to 255 bytes, not 0") != NULL);
    OK(lcast_withdraw(variable));
    OK(lcast_variable_free(variable));
    OK(lcast_value_free(value));
}

/* Sets and gives what became of it. */
static void set(const char *name, const char *text, const char *version, const char *result) {
    lcast_question_options options = patient();
    lcast_stream *replies;
    lcast_event *reply;

    options.only = lcast_node_name(agent);
    options.if_version = version;
    OK(lcast_set(client, name, text, &options, &replies));
    OK(lcast_next_event(replies, 30000, &reply));
    CHECK(lcast_event_count(reply) == 1 && strcmp(lcast_event_name(reply, 0), name) == 0);
    if (strcmp(lcast_event_result(reply, 0), result) != 0)
        fprintf(stderr, "%s: %s\n", lcast_event_result(reply, 0), lcast_event_detail(reply, 0));
    CHECK(strcmp(lcast_event_result(reply, 0), result) == 0);
    CHECK(lcast_event_value(reply, 0) == NULL);
    OK(lcast_event_free(reply));
    OK(lcast_finish(replies, -1, &reply));
    CHECK(lcast_report_expected(reply) == 1 && lcast_report_sent(reply) && lcast_report_heard(reply));
    OK(lcast_event_free(reply));
    OK(lcast_stream_free(replies));
}

static void settings(void) {
    lcast_definition definition = define("app.workers", LCAST_INT);
    lcast_value *four, *value;
    lcast_setting *setting;
    lcast_stream *changes;
    lcast_event *change;
    int64_t workers;

    definition.has_min = definition.has_max = 1;
    definition.min = 1, definition.max = 64;
    OK(lcast_value_new_int(65, &four));
    STATUS(LCAST_INVALID, lcast_expose_setting(agent, &definition, four, &setting));
    OK(lcast_value_free(four));
    OK(lcast_value_new_int(4, &four));
    OK(lcast_expose_setting(agent, &definition, four, &setting));
    OK(lcast_setting_changes(setting, &changes));
    STATUS(LCAST_TIMEOUT, lcast_next_event(changes, 0, &change));
    OK(lcast_setting_value(setting, &value));
    compare(four, value);
    OK(lcast_value_free(value));
    OK(lcast_value_free(four));

    set("app.workers", "8", NULL, "applied");
    set("app.workers", "8", NULL, "unchanged");
    set("app.workers", "65", NULL, "invalid");
    set("app.workers", "9", "999.1", "conflict");
    OK(lcast_next_event(changes, 30000, &change));
    CHECK(lcast_event_kind_of(change) == LCAST_EVENT_SETTING);
    CHECK(strcmp(lcast_event_name(change, 0), "app.workers") == 0);
    OK(lcast_value_int(lcast_event_value(change, 0), &workers));
    CHECK(workers == 8);
    OK(lcast_event_free(change));
    OK(lcast_setting_free(setting));
    /* The stream is another handle, which goes on. */
    STATUS(LCAST_TIMEOUT, lcast_next_event(changes, 0, &change));
    OK(lcast_stream_free(changes));
}

/* Sets two settings and gives what became of the first; their values are held afterwards. */
static void set_both(lcast_assignment *both, int dry_run, const char *result,
                     lcast_setting *const *held, const int64_t *expected) {
    lcast_question_options options = patient();
    lcast_stream *replies;
    lcast_event *reply;

    options.only = lcast_node_name(agent);
    options.dry_run = dry_run;
    OK(lcast_set_all(client, both, 2, &options, &replies));
    OK(lcast_next_event(replies, 30000, &reply));
    CHECK(lcast_event_count(reply) == 2 && strcmp(lcast_event_name(reply, 1), both[1].name) == 0);
    CHECK(strcmp(lcast_event_result(reply, 0), result) == 0);
    OK(lcast_event_free(reply));
    OK(lcast_stream_free(replies));
    for (int index = 0; index < 2; index++) {
        lcast_value *value;
        int64_t number;
        OK(lcast_setting_value(held[index], &value));
        OK(lcast_value_int(value, &number));
        CHECK(number == expected[index]);
        OK(lcast_value_free(value));
    }
}

static void several_settings(void) {
    lcast_definition a = define("app.several.a", LCAST_INT), b = define("app.several.b", LCAST_INT);
    lcast_assignment both[] = {{.name = a.name, .text = "2"}, {.name = b.name, .text = "many"}};
    lcast_setting *settings[2];
    lcast_value *one, *three;

    OK(lcast_value_new_int(1, &one));
    OK(lcast_value_new_int(3, &three));
    OK(lcast_expose_setting(agent, &a, one, &settings[0]));
    OK(lcast_expose_setting(agent, &b, one, &settings[1]));
    set_both(both, 0, "unchanged", settings, (int64_t[]){1, 1});
    both[1].text = NULL, both[1].value = three;
    set_both(both, 1, "applied", settings, (int64_t[]){1, 1});
    set_both(both, 0, "applied", settings, (int64_t[]){2, 3});
    set_both(both, 1, "unchanged", settings, (int64_t[]){2, 3});
    OK(lcast_setting_free(settings[0]));
    OK(lcast_setting_free(settings[1]));
    OK(lcast_value_free(one));
    OK(lcast_value_free(three));
}

static int is_text(const lcast_value *map, const char *key, const char *text) {
    const char *found = lcast_value_text(lcast_value_find(map, key), NULL);
    return found != NULL && strcmp(found, text) == 0;
}

/* What the variables of a node are. */
static void descriptions(void) {
    lcast_definition level = define("app.level", LCAST_FLOAT);
    lcast_question_options options;
    lcast_setting *setting;
    lcast_stream *replies;
    lcast_event *event;
    lcast_value *one;
    size_t i, found = 0;

    level.unit = "1";
    level.description = "how much";
    level.has_max = 1;
    level.max = 1.5;
    OK(lcast_value_new_float(1.0, &one));
    OK(lcast_expose_setting(agent, &level, one, &setting));
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.on = "app1";
    options.timeout_ms = 20000;
    OK(lcast_variables(client, &options, &replies));
    while (lcast_next_event(replies, -1, &event) == LCAST_OK) {
        for (i = 0; i < lcast_event_count(event); i++) {
            const lcast_value *what = lcast_event_value(event, i);
            double max = 0.0;

            if (strcmp(lcast_event_name(event, i), "app.level") != 0) continue;
            found++;
            CHECK(strcmp(lcast_event_unit(event, i), "1") == 0);
            CHECK(is_text(what, "type", "float") && is_text(what, "kind", "setting"));
            CHECK(is_text(what, "description", "how much"));
            CHECK(lcast_value_find(what, "min") == NULL);
            OK(lcast_value_float(lcast_value_find(what, "max"), &max));
            CHECK(max == 1.5);
        }
        if (lcast_event_kind_of(event) == LCAST_EVENT_REPORT)
            CHECK(lcast_report_count(event, LCAST_CLASS_ANSWERED) == 1);
        OK(lcast_event_free(event));
    }
    CHECK(found == 1);
    OK(lcast_stream_free(replies));
    STATUS(LCAST_INVALID, lcast_variables(client, &options, NULL));
    options.matching = "1 +";
    STATUS(LCAST_INVALID, lcast_variables(client, &options, &replies));
    OK(lcast_setting_free(setting));
    OK(lcast_value_free(one));
}

static void watches(void) {
    lcast_definition definition = define("app.length", LCAST_INT);
    const char *patterns[] = {"app.length"};
    lcast_question_options options;
    lcast_variable *variable;
    lcast_stream *watch;
    lcast_event *event;
    int64_t seen = 0;
    int reports = 0;

    OK(lcast_expose(agent, &definition, &variable));
    OK(lcast_publish_int(variable, 1));
    options = patient();
    OK(lcast_watch(client, patterns, 1, &options, &watch));
    while (seen < 3 || reports < 1) {
        OK(lcast_next_event(watch, 30000, &event));
        if (lcast_event_kind_of(event) == LCAST_EVENT_REPORT) reports++;
        if (lcast_event_kind_of(event) == LCAST_EVENT_REPLY && lcast_event_count(event) == 1)
            OK(lcast_publish_int(variable, 2));
        if (lcast_event_count(event) == 1)
            OK(lcast_value_int(lcast_event_value(event, 0), &seen));
        if (seen == 2) OK(lcast_publish_int(variable, 3));
        OK(lcast_event_free(event));
    }
    OK(lcast_withdraw(variable));
    do {
        OK(lcast_next_event(watch, 30000, &event));
        seen = (int64_t)lcast_event_removed_count(event);
        if (seen) CHECK(strcmp(lcast_event_removed(event, 0), "app.length") == 0);
        OK(lcast_event_free(event));
    } while (!seen);
    OK(lcast_stream_free(watch));
    OK(lcast_variable_free(variable));
}

static void who_is_there(const char *agent_file) {
    lcast_stream *changes;
    lcast_members *members;
    lcast_event *event;
    size_t i, found = 0;
    int64_t trip;
    int left = 0;

    CHECK(answered(client, "app") == 1); /* The setting is still exposed. */
    OK(lcast_members_of(client, &members));
    for (i = 0; i < lcast_members_count(members); i++) {
        if (strcmp(lcast_members_name(members, i), lcast_node_name(agent)) != 0) continue;
        found++;
        CHECK(strcmp(lcast_members_kind(members, i), "agent") == 0);
        CHECK(strcmp(lcast_members_state(members, i), "alive") == 0);
        CHECK(lcast_members_last_heard_ms(members, i) > 0 && lcast_members_via(members, i)[0]);
        CHECK(!lcast_members_is_duplicate(members, i) && lcast_members_software(members, i)[0]);
        CHECK(lcast_members_label_count(members, i) == 0);
        CHECK(lcast_members_label_key(members, i, 0) == NULL);
    }
    CHECK(found == 1 && lcast_members_name(members, i) == NULL);
    OK(lcast_members_free(members));
    OK(lcast_ping(client, lcast_node_name(agent), 30000, &trip));
    CHECK(trip > 0);
    STATUS(LCAST_TIMEOUT, lcast_ping(client, "nobody", 1, &trip));

    OK(lcast_presence(client, &changes));
    OK(lcast_close(agent));
    while (!left) {
        OK(lcast_next_event(changes, 30000, &event));
        CHECK(lcast_event_kind_of(event) == LCAST_EVENT_PRESENCE);
        left = strcmp(lcast_event_reason(event), "left") == 0;
        OK(lcast_event_free(event));
    }
    OK(lcast_stream_free(changes));
    agent = open_file(agent_file);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    agent = open_file(argv[1]);
    client = open_file(argv[2]);
    every_type_at_its_limits();
    values_for_people();
    what_was_given_out_stays();
    lists_of_lists_are_limited();
    wrong_types_are_refused();
    keys();
    settings();
    several_settings();
    descriptions();
    watches();
    who_is_there(argv[1]);
    OK(lcast_close(agent));
    OK(lcast_close(client));
    CHECK(lcast_handle_count() == 0);
    puts("values: ok");
    return 0;
}
