/* The runner of the conformance scenario on the library for C.
 *
 *     runner-c answer CREDENTIAL STATE SCENARIO
 *     runner-c ask CREDENTIAL SCENARIO
 *     runner-c time CREDENTIAL
 *
 * What the lines mean is told in the README of the folder above.
 */

#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "form.h"
#include "timing.h"

/* Words of one kind that a step may have. */
#define WORDS_MAX 16

/* -- the answerer */

static lcast_definition definition_of(const struct line *line)
{
    lcast_definition definition = {.size = sizeof definition};
    static const char *const types[] = {
        "null", "bool", "int", "float", "text", "bytes", "timestamp", "list", "map"};
    for (size_t type = 0; type < sizeof types / sizeof *types; type++)
        if (strcmp(types[type], line->fields[2]) == 0)
            definition.value_type = (int32_t)type;
    definition.name = line->fields[1];
    definition.unit = line->fields[3];
    definition.description = line->fields[4];
    return definition;
}

static lcast_variable *expose(const lcast_node *node, const struct line *line)
{
    lcast_definition definition = definition_of(line);
    lcast_variable *variable;
    check(lcast_expose(node, &definition, &variable), line->fields[1]);
    if (line->fields[5][0] != 0) {
        lcast_value *value = parse(line->fields[5]);
        check(lcast_publish(variable, value), line->fields[1]);
        lcast_value_free(value);
    }
    return variable;
}

static void publish_key(const lcast_variable *variable, const struct line *line)
{
    lcast_value *key = parse(line->fields[1]);
    lcast_value *value = parse(line->fields[2]);
    size_t length;
    const char *text = lcast_value_text(key, &length);
    check(lcast_publish_key(variable, text, length, value), "a key");
    lcast_value_free(key);
    lcast_value_free(value);
}

static void expose_setting(const lcast_node *node, const struct line *line)
{
    lcast_definition definition = definition_of(line);
    const char *choices[WORDS_MAX];
    for (size_t index = 6; index < line->count; index++) {
        struct word word = word_of(line->fields[index]);
        if (strcmp(word.key, "min") == 0) {
            definition.has_min = 1;
            definition.min = strtod(word.text, NULL);
        } else if (strcmp(word.key, "max") == 0) {
            definition.has_max = 1;
            definition.max = strtod(word.text, NULL);
        } else if (strcmp(word.key, "length") == 0) {
            definition.length_max = (uint32_t)strtoul(word.text, NULL, 10);
        } else if (definition.choice_count < WORDS_MAX) {
            choices[definition.choice_count++] = word.text;
        }
    }
    definition.choices = choices;
    lcast_value *initial = parse(line->fields[5]);
    lcast_setting *setting;
    check(lcast_expose_setting(node, &definition, initial, &setting), line->fields[1]);
    lcast_value_free(initial);
    check(lcast_setting_free(setting), "a setting");
}

static int answer(const char *credential, const char *state, FILE *scenario)
{
    lcast_open_options options = {
        .size = sizeof options, .credential_file = credential, .state = state};
    lcast_node *node;
    lcast_variable *variable = NULL;
    char *text = NULL;
    size_t room = 0;
    check(lcast_open(&options, &node), credential);
    while (getline(&text, &room, scenario) != -1) {
        struct line line = split(text);
        if (strcmp(line.fields[0], "variable") == 0) {
            lcast_variable_free(variable);
            variable = expose(node, &line);
        } else if (strcmp(line.fields[0], "key") == 0) {
            publish_key(variable, &line);
        } else if (strcmp(line.fields[0], "setting") == 0) {
            expose_setting(node, &line);
        }
    }
    free(text);
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF) {
    }
    lcast_variable_free(variable);
    check(lcast_close(node), "closing the node");
    return 0;
}

/* -- the asker */

/* How much longer than its timeout a question may take on a machine with other work. */
enum { SLACK_MS = 500 };

/* The version that a variable had when it was seen last. */
struct held {
    struct held *next;
    char *name;
    char *version;
};

struct asker {
    lcast_node *node;
    lcast_stream *watch;
    lcast_event *account;
    struct held *held;
};

/* A step: its name, and its words sorted by what they are for. */
struct step {
    const char *name;
    struct word words[FIELDS_MAX];
    size_t count;
};

/* What is told to the library of a step; the texts that it points to. */
struct target {
    lcast_question_options options;
    const char *labels[WORDS_MAX];
    struct text on, except, only, expect;
};

static char *copy(const char *text)
{
    char *copied = strdup(text);
    if (copied == NULL)
        die("memory", "there is none left");
    return copied;
}

/* Prints a line of fields, of which the last is NULL. */
static void say(const struct step *step, ...)
{
    va_list fields;
    va_start(fields, step);
    fputs(step->name, stdout);
    for (const char *field; (field = va_arg(fields, const char *)) != NULL;)
        printf("\t%s", field);
    va_end(fields);
    putchar('\n');
    fflush(stdout);
}

static char *escaped(const char *text)
{
    struct text out = {0};
    text_escape(&out, text, strlen(text));
    return out.bytes;
}

static const char *one(const struct step *step, const char *key)
{
    for (size_t index = 0; index < step->count; index++)
        if (strcmp(step->words[index].key, key) == 0)
            return step->words[index].text;
    return NULL;
}

static size_t all(const struct step *step, const char *key, const char **found)
{
    size_t count = 0;
    for (size_t index = 0; index < step->count && count < WORDS_MAX; index++)
        if (strcmp(step->words[index].key, key) == 0)
            found[count++] = step->words[index].text;
    return count;
}

/* The words of a key, joined by commas; NULL when there are none. */
static const char *joined(const struct step *step, const char *key, struct text *text)
{
    const char *found[WORDS_MAX];
    size_t count = all(step, key, found);
    for (size_t index = 0; index < count; index++) {
        if (index > 0)
            text_add(text, ",", 1);
        text_add(text, found[index], strlen(found[index]));
    }
    return text->bytes;
}

static void target_of(const struct step *step, struct target *target)
{
    *target = (struct target){.options = {.size = sizeof target->options}};
    lcast_question_options *options = &target->options;
    options->on = joined(step, "on", &target->on);
    options->except = joined(step, "not", &target->except);
    options->only = joined(step, "only", &target->only);
    options->expect = joined(step, "expect", &target->expect);
    if (one(step, "timeout") != NULL)
        options->timeout_ms = strtoll(one(step, "timeout"), NULL, 10);
    options->label_count = all(step, "label", target->labels);
    options->labels = target->labels;
    options->matching = one(step, "where");
    options->dry_run = one(step, "dry_run") != NULL;
    if (one(step, "every") != NULL)
        options->every_ms = strtoll(one(step, "every"), NULL, 10);
    if (one(step, "delta") != NULL)
        options->delta = strtod(one(step, "delta"), NULL);
}

static void target_free(struct target *target)
{
    free(target->on.bytes);
    free(target->except.bytes);
    free(target->only.bytes);
    free(target->expect.bytes);
}

static void failed(const struct step *step, lcast_status status)
{
    char *message = escaped(lcast_last_error());
    say(step, "failed", lcast_status_name(status), message, NULL);
    free(message);
}

static void hold(struct asker *asker, const char *name, const char *version)
{
    if (version[0] == 0)
        return;
    struct held *held = asker->held;
    while (held != NULL && strcmp(held->name, name) != 0)
        held = held->next;
    if (held == NULL) {
        held = malloc(sizeof *held);
        if (held == NULL)
            die("memory", "there is none left");
        *held = (struct held){.next = asker->held, .name = copy(name)};
        asker->held = held;
    }
    free(held->version);
    held->version = copy(version);
}

static const char *held_version(const struct asker *asker, const char *name)
{
    for (const struct held *held = asker->held; held != NULL; held = held->next)
        if (strcmp(held->name, name) == 0)
            return held->version;
    die(name, "no version is held");
    return NULL;
}

/* Prints the variables or the settings of an event. */
static void items(struct asker *asker, const struct step *step, const char *word,
                  const lcast_event *event)
{
    const char *node = lcast_event_node(event);
    for (size_t index = 0; index < lcast_event_count(event); index++) {
        const lcast_value *value = lcast_event_value(event, index);
        char *name = escaped(lcast_event_name(event, index));
        hold(asker, lcast_event_name(event, index), lcast_event_version(event, index));
        if (value != NULL) {
            struct text shown = {0};
            char *unit = escaped(lcast_event_unit(event, index));
            text_show(&shown, value);
            say(step, word, node, name, shown.bytes, unit, NULL);
            free(shown.bytes);
            free(unit);
        } else {
            char *detail = escaped(lcast_event_detail(event, index));
            say(step, "set", node, name, lcast_event_result(event, index), detail, NULL);
            free(detail);
        }
        free(name);
    }
}

static void class_of(const struct step *step, const lcast_event *report, const char *word,
                     lcast_class class)
{
    for (size_t index = 0; index < lcast_report_count(report, class); index++) {
        const char *node = lcast_report_node(report, class, index);
        const char *reason = lcast_report_reason(report, class, index);
        char *message = escaped(lcast_report_message(report, class, index));
        if (class == LCAST_CLASS_EMPTY)
            say(step, word, node, reason, NULL);
        else if (class == LCAST_CLASS_ERROR || class == LCAST_CLASS_REFUSED)
            say(step, word, node, reason, message, NULL);
        else
            say(step, word, node, NULL);
        free(message);
    }
}

static void account(const struct step *step, const lcast_event *report)
{
    class_of(step, report, "empty", LCAST_CLASS_EMPTY);
    class_of(step, report, "error", LCAST_CLASS_ERROR);
    class_of(step, report, "refused", LCAST_CLASS_REFUSED);
    class_of(step, report, "late", LCAST_CLASS_LATE);
    class_of(step, report, "missing", LCAST_CLASS_MISSING);
    printf("%s\treport\texpected=%" PRIu32 " answered=%zu empty=%zu error=%zu refused=%zu late=%zu"
           " missing=%zu\n",
           step->name, lcast_report_expected(report),
           lcast_report_count(report, LCAST_CLASS_ANSWERED),
           lcast_report_count(report, LCAST_CLASS_EMPTY),
           lcast_report_count(report, LCAST_CLASS_ERROR),
           lcast_report_count(report, LCAST_CLASS_REFUSED),
           lcast_report_count(report, LCAST_CLASS_LATE),
           lcast_report_count(report, LCAST_CLASS_MISSING));
    fflush(stdout);
    if (one(step, "timeout") != NULL) {
        int64_t may_take = strtoll(one(step, "timeout"), NULL, 10) + SLACK_MS;
        say(step, "in_time", lcast_report_elapsed_us(report) <= 1000 * may_take ? "yes" : "no",
            NULL);
    }
}

/* Takes the events up to the report, which it gives; none where the question failed. Replies are
 * printed behind their end, as a failed question prints nothing else. */
static lcast_event *begin(struct asker *asker, const struct step *step, lcast_stream *stream)
{
    enum { REPLIES_MAX = 64 };
    lcast_event *replies[REPLIES_MAX];
    lcast_event *event = NULL;
    size_t count = 0;
    lcast_status status;
    while ((status = lcast_next_event(stream, -1, &event)) == LCAST_OK) {
        if (lcast_event_kind_of(event) == LCAST_EVENT_REPORT)
            break;
        if (count == REPLIES_MAX)
            die(step->name, "too many replies");
        replies[count++] = event;
    }
    if (status != LCAST_OK)
        failed(step, status);
    for (size_t index = 0; index < count; index++) {
        if (status == LCAST_OK)
            items(asker, step, "value", replies[index]);
        lcast_event_free(replies[index]);
    }
    return event;
}

static void play_question(struct asker *asker, const struct step *step, lcast_status status,
                          lcast_stream *stream)
{
    if (status != LCAST_OK) {
        failed(step, status);
        return;
    }
    lcast_event *report = begin(asker, step, stream);
    if (report != NULL)
        account(step, report);
    lcast_event_free(report);
    lcast_stream_free(stream);
}

static void play_get(struct asker *asker, const struct step *step)
{
    struct target target;
    const char *patterns[WORDS_MAX];
    lcast_stream *stream;
    size_t count = all(step, "pattern", patterns);
    target_of(step, &target);
    lcast_status status = lcast_get(asker->node, patterns, count, &target.options, &stream);
    play_question(asker, step, status, stream);
    target_free(&target);
}

static void play_set(struct asker *asker, const struct step *step)
{
    struct target target;
    lcast_stream *stream;
    lcast_status status;
    const char *name = one(step, "name"), *version = one(step, "if_version");
    target_of(step, &target);
    if (version != NULL)
        target.options.if_version =
            strcmp(version, "held") == 0 ? held_version(asker, name) : version;
    if (one(step, "text") != NULL) {
        status = lcast_set(asker->node, name, one(step, "text"), &target.options, &stream);
    } else {
        char *text = copy(one(step, "value"));
        lcast_value *value = parse(text);
        status = lcast_set_value(asker->node, name, value, &target.options, &stream);
        lcast_value_free(value);
        free(text);
    }
    play_question(asker, step, status, stream);
    target_free(&target);
}

static void play_set_all(struct asker *asker, const struct step *step)
{
    struct target target;
    const char *names[WORDS_MAX], *texts[WORDS_MAX];
    lcast_assignment both[WORDS_MAX];
    lcast_stream *stream;
    size_t count = all(step, "name", names);
    if (all(step, "text", texts) != count)
        die(step->name, "each name has a text");
    for (size_t index = 0; index < count; index++)
        both[index] = (lcast_assignment){.name = names[index], .text = texts[index]};
    target_of(step, &target);
    lcast_status status = lcast_set_all(asker->node, both, count, &target.options, &stream);
    play_question(asker, step, status, stream);
    target_free(&target);
}

static void play_watch(struct asker *asker, const struct step *step)
{
    struct target target;
    const char *patterns[WORDS_MAX];
    size_t count = all(step, "pattern", patterns);
    target_of(step, &target);
    lcast_status status =
        lcast_watch(asker->node, patterns, count, &target.options, &asker->watch);
    if (status == LCAST_OK)
        asker->account = begin(asker, step, asker->watch);
    else
        failed(step, status);
    target_free(&target);
}

static void play_next(struct asker *asker, const struct step *step)
{
    lcast_event *event;
    check(lcast_next_event(asker->watch, -1, &event), "the watch");
    switch (lcast_event_kind_of(event)) {
    case LCAST_EVENT_CHANGED:
        items(asker, step, "changed", event);
        for (size_t index = 0; index < lcast_event_removed_count(event); index++) {
            char *name = escaped(lcast_event_removed(event, index));
            say(step, "removed", lcast_event_node(event), name, NULL);
            free(name);
        }
        break;
    case LCAST_EVENT_ENTERED:
        items(asker, step, "entered", event);
        break;
    case LCAST_EVENT_LEFT:
        say(step, "left", lcast_event_node(event), lcast_event_reason(event), NULL);
        break;
    default:
        die(step->name, "the watch told something else");
    }
    lcast_event_free(event);
}

static void play_unwatch(struct asker *asker, const struct step *step)
{
    account(step, asker->account);
    lcast_event_free(asker->account);
    check(lcast_stream_free(asker->watch), "ending the watch");
    asker->account = NULL;
    asker->watch = NULL;
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void play_nodes(struct asker *asker, const struct step *step)
{
    lcast_members *members;
    check(lcast_members_of(asker->node, &members), "members");
    for (size_t index = 0; index < lcast_members_count(members); index++) {
        struct text roles = {0}, joined_labels = {0};
        char *labels[WORDS_MAX];
        size_t count = lcast_members_label_count(members, index);
        if (strcmp(lcast_members_name(members, index), one(step, "name")) != 0)
            continue;
        for (size_t label = 0; label < count && label < WORDS_MAX; label++) {
            const char *key = lcast_members_label_key(members, index, label);
            const char *value = lcast_members_label_value(members, index, label);
            struct text pair = {0};
            text_escape(&pair, key, strlen(key));
            text_add(&pair, "=", 1);
            text_escape(&pair, value, strlen(value));
            labels[label] = pair.bytes;
        }
        qsort(labels, count, sizeof *labels, by_text);
        text_add(&joined_labels, "", 0);
        for (size_t label = 0; label < count; label++) {
            text_add(&joined_labels, ",", label > 0);
            text_add(&joined_labels, labels[label], strlen(labels[label]));
            free(labels[label]);
        }
        text_add(&roles, "", 0);
        for (size_t role = 0; role < lcast_members_role_count(members, index); role++) {
            const char *word = lcast_members_role(members, index, role);
            text_add(&roles, ",", role > 0);
            text_add(&roles, word, strlen(word));
        }
        say(step, "node", lcast_members_name(members, index), lcast_members_kind(members, index),
            lcast_members_state(members, index), joined_labels.bytes, roles.bytes, NULL);
        free(joined_labels.bytes);
        free(roles.bytes);
    }
    lcast_members_free(members);
}

/* The events up to the report: the variables of each node whose names begin as the step says. */
static void play_variables(struct asker *asker, const struct step *step)
{
    struct target target;
    lcast_stream *stream;
    lcast_event *event = NULL;
    const char *prefix = one(step, "prefix");
    target_of(step, &target);
    check(lcast_variables(asker->node, &target.options, &stream), "variables");
    while (lcast_next_event(stream, -1, &event) == LCAST_OK) {
        for (size_t index = 0; index < lcast_event_count(event); index++) {
            struct text what = {0};
            char *name = escaped(lcast_event_name(event, index));
            char *unit = escaped(lcast_event_unit(event, index));
            text_show(&what, lcast_event_value(event, index));
            if (strncmp(lcast_event_name(event, index), prefix, strlen(prefix)) == 0)
                say(step, "variable", lcast_event_node(event), name, what.bytes, unit, NULL);
            free(what.bytes);
            free(name);
            free(unit);
        }
        if (lcast_event_kind_of(event) == LCAST_EVENT_REPORT)
            account(step, event);
        lcast_event_free(event);
    }
    lcast_stream_free(stream);
    target_free(&target);
}

static void play_ping(struct asker *asker, const struct step *step)
{
    int64_t round_trip_us, timeout_ms = strtoll(one(step, "timeout"), NULL, 10);
    lcast_status status = lcast_ping(asker->node, one(step, "name"), timeout_ms, &round_trip_us);
    if (status == LCAST_OK || status == LCAST_TIMEOUT)
        say(step, status == LCAST_OK ? "pong" : "silent", one(step, "name"), NULL);
    else
        failed(step, status);
}

/* Follows a node until it has been in each of the states, one after the other. */
static void play_presence(struct asker *asker, const struct step *step)
{
    const char *states[WORDS_MAX];
    size_t count = all(step, "state", states), met = 0;
    lcast_stream *changes;
    check(lcast_presence(asker->node, &changes), "presence");
    while (met < count) {
        lcast_event *event;
        check(lcast_next_event(changes, -1, &event), "a change of presence");
        if (strcmp(lcast_event_node(event), one(step, "name")) == 0 &&
            strcmp(lcast_event_reason(event), states[met]) == 0) {
            say(step, "presence", lcast_event_node(event), states[met], NULL);
            met++;
        }
        lcast_event_free(event);
    }
    lcast_stream_free(changes);
}

static void play(struct asker *asker, const char *verb, const struct step *step)
{
    static const struct {
        const char *verb;
        void (*play)(struct asker *asker, const struct step *step);
    } verbs[] = {
        {"get", play_get},         {"set", play_set},   {"set_all", play_set_all},
        {"watch", play_watch},     {"next", play_next}, {"nodes", play_nodes},
        {"unwatch", play_unwatch}, {"variables", play_variables},
        {"ping", play_ping},       {"presence", play_presence},
    };
    for (size_t index = 0; index < sizeof verbs / sizeof *verbs; index++) {
        if (strcmp(verbs[index].verb, verb) == 0) {
            verbs[index].play(asker, step);
            return;
        }
    }
    die(verb, "no verb");
}

/* Opens the node; whether that went well. */
static int open_node(struct asker *asker, const struct step *step, const char *credential)
{
    lcast_open_options options = {.size = sizeof options, .credential_file = credential};
    lcast_status status = lcast_open(&options, &asker->node);
    if (status != LCAST_OK) {
        failed(step, status);
        return 0;
    }
    say(step, "open", NULL);
    return 1;
}

static int ask(const char *credential, FILE *scenario)
{
    struct asker asker = {0};
    char *text = NULL;
    size_t room = 0;
    while (getline(&text, &room, scenario) != -1) {
        struct line line = split(text);
        if (strcmp(line.fields[0], "step") != 0)
            continue;
        struct step step = {.name = line.fields[1]};
        for (size_t index = 3; index < line.count; index++)
            step.words[step.count++] = word_of(line.fields[index]);
        if (strcmp(line.fields[2], "open") != 0)
            play(&asker, line.fields[2], &step);
        else if (!open_node(&asker, &step, credential))
            break;
    }
    free(text);
    while (asker.held != NULL) {
        struct held *held = asker.held;
        asker.held = held->next;
        free(held->name);
        free(held->version);
        free(held);
    }
    check(lcast_close(asker.node), "closing the node");
    if (lcast_handle_count() != 0)
        die("handles", "some were forgotten");
    return 0;
}

int main(int count, char **words)
{
    int is_answer = count == 5 && strcmp(words[1], "answer") == 0;
    int is_ask = count == 4 && strcmp(words[1], "ask") == 0;
    if (count == 3 && strcmp(words[1], "time") == 0)
        return measure(words[2]);
    if (!is_answer && !is_ask)
        die("usage", "answer CREDENTIAL STATE SCENARIO, ask CREDENTIAL SCENARIO, time CREDENTIAL");
    FILE *scenario = fopen(words[count - 1], "r");
    if (scenario == NULL)
        die(words[count - 1], "cannot be read");
    int code = is_answer ? answer(words[2], words[3], scenario) : ask(words[2], scenario);
    fclose(scenario);
    return code;
}
