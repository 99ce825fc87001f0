/* Librecast for C: ask, tell and watch a fleet over IPv6 multicast.
 *
 * Made by `cargo xtask generate` from crates/lcast-ffi/src/api; change that instead. Each group of
 * functions has a page in the manual: lcast_node(3), lcast_question(3), lcast_event(3),
 * lcast_report(3), lcast_value(3), lcast_variable(3), lcast_members(3), lcast_packed(3),
 * lcast_errors(3).
 *
 * Link with -llcast; `pkg-config --cflags --libs lcast` says how.
 *
 * What holds for all functions:
 * - Every handle may be used by several threads at once, and freed by one while others use it. What
 *   was got from it by pointer (texts, bytes) must not be read any more then.
 * - A handle that is null, was freed, is of another kind or is no handle at all is the error
 *   LCAST_INVALID. Freeing null is fine.
 * - Texts are UTF-8 with a zero byte behind them. What is no UTF-8 is LCAST_INVALID.
 * - A place for a result that is null is LCAST_INVALID, unless it is said that it may be. Where a
 *   handle was to be put, there is null after an error.
 * - No function calls the program back.
 */

#ifndef LCAST_H
#define LCAST_H

#include <stddef.h>
#include <stdint.h>

// What became of a call.
enum lcast_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It was done.
  LCAST_OK = 0,
  // The stream has ended; nothing went wrong.
  LCAST_END = 1,
  // Nothing came in time.
  LCAST_TIMEOUT = 2,
  // A signal came while waiting; call again to wait on.
  LCAST_INTERRUPTED = 3,
  // An argument is none: null, no UTF-8, out of range, no live handle, no pattern, no name.
  LCAST_INVALID = 4,
  // There is no such realm, or it is not clear which is meant.
  LCAST_NO_REALM = 5,
  // The credential is damaged, expired, or not there.
  LCAST_CREDENTIAL = 6,
  // The system does not let this user read or do that.
  LCAST_PERMISSION = 7,
  // The node cannot be started: the state, the sockets or a thread.
  LCAST_START = 8,
  // There is no network to send on.
  LCAST_NETWORK = 9,
  // As many as there may be: open questions, file descriptors, handles.
  LCAST_LIMIT = 10,
  // Another process has the state.
  LCAST_BUSY = 11,
  // The node has left, or what it stood on is gone.
  LCAST_ENDED = 12,
  // It was made by the process of which this one is a fork.
  LCAST_FORKED = 13,
  // The buffer is too small; the length that it needs was told.
  LCAST_TOO_SMALL = 14,
  // An error of the library itself.
  LCAST_INTERNAL = 15,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lcast_status lcast_status;
#else
typedef int32_t lcast_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What an event is about.
enum lcast_event_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Nothing that this version knows.
  LCAST_EVENT_NONE = 0,
  // What a node said to a question, or holds when a watch begins.
  LCAST_EVENT_REPLY = 1,
  // The account of who said what; see lcast_report_count.
  LCAST_EVENT_REPORT = 2,
  // A node is in the watch from here on: it joined, came back, or its predicate began to hold.
  LCAST_EVENT_ENTERED = 3,
  // Values of a node have changed.
  LCAST_EVENT_CHANGED = 4,
  // A node is no longer in the watch.
  LCAST_EVENT_LEFT = 5,
  // The program was too slow: events are lost.
  LCAST_EVENT_OVERFLOW = 6,
  // The presence of a node has changed.
  LCAST_EVENT_PRESENCE = 7,
  // Somebody wrote a setting of this node.
  LCAST_EVENT_SETTING = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lcast_event_kind lcast_event_kind;
#else
typedef int32_t lcast_event_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// The classes that expected nodes end in.
enum lcast_class
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // No class.
  LCAST_CLASS_NONE = 0,
  // Said what was asked.
  LCAST_CLASS_ANSWERED = 1,
  // Said that it has nothing to say.
  LCAST_CLASS_EMPTY = 2,
  // Tried and failed.
  LCAST_CLASS_ERROR = 3,
  // Would not.
  LCAST_CLASS_REFUSED = 4,
  // Said that it is at work, but not the answer before the deadline.
  LCAST_CLASS_LATE = 5,
  // Said nothing.
  LCAST_CLASS_MISSING = 6,
  // No class of its own: holds an older member list than the one in force here.
  LCAST_CLASS_BEHIND = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lcast_class lcast_class;
#else
typedef int32_t lcast_class;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// The types of values.
enum lcast_type
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Known to be without a value.
  LCAST_NULL = 0,
  // True or false.
  LCAST_BOOL = 1,
  // A signed 64-bit integer.
  LCAST_INT = 2,
  // An IEEE 754 double.
  LCAST_FLOAT = 3,
  // UTF-8 text.
  LCAST_TEXT = 4,
  // Bytes without a meaning of their own.
  LCAST_BYTES = 5,
  // A point in wall-clock time.
  LCAST_TIMESTAMP = 6,
  // Values in order.
  LCAST_LIST = 7,
  // Values by key.
  LCAST_MAP = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lcast_type lcast_type;
#else
typedef int32_t lcast_type;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// How the value of a variable behaves over time.
enum lcast_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Goes up and down.
  LCAST_GAUGE = 0,
  // Changes seldom: a name, a version.
  LCAST_INFO = 1,
  // Only grows while the node runs.
  LCAST_COUNTER = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum lcast_kind lcast_kind;
#else
typedef int32_t lcast_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// An event.
typedef struct lcast_event lcast_event;

// A list of members.
typedef struct lcast_members lcast_members;

// A node.
typedef struct lcast_node lcast_node;

// A setting that this process exposes.
typedef struct lcast_setting lcast_setting;

// A stream of events.
typedef struct lcast_stream lcast_stream;

// A value.
typedef struct lcast_value lcast_value;

// A variable that this process exposes.
typedef struct lcast_variable lcast_variable;

// How a node is to be opened. Set `size` to `sizeof(lcast_open_options)` and the rest to zero,
// then what differs from the default.
typedef struct lcast_open_options {
  // `sizeof(lcast_open_options)`.
  size_t size;
  // The realm of which the user or the system has a credential. Null: as the commands choose,
  // by `LIBRECAST_REALM`, the only one, the system's, or "local".
  const char *realm;
  // A credential file to use instead.
  const char *credential_file;
  // What such a file holds, to use instead; also when it is empty, unless null.
  const uint8_t *credential;
  // The length of `credential`.
  size_t credential_length;
  // Not zero: with the agent's credential of the realm, to expose variables. The credential in
  // a file or in memory says itself whose it is.
  int32_t agent;
  // A folder to keep settings and the member list in, locked by this node. Null: nothing is
  // kept.
  const char *state;
  // A folder to remember presence and schemas in for the next process, shared by many. Null:
  // with a realm, where the commands do; else nowhere.
  const char *memory;
  // Names of interfaces to use in place of the credential's.
  const char *const *interfaces;
  // How many `interfaces` there are.
  size_t interface_count;
  // A folder in which nodes of this host find each other without multicast. Null: the usual.
  const char *registry;
  // The version of the program, told to others. Null: this library's.
  const char *software;
} lcast_open_options;

// Which nodes are asked, and how. Set `size` to `sizeof(lcast_question_options)` and the rest to
// zero, then what differs from the default: all nodes. An option for a set or for a watch is
// invalid elsewhere.
typedef struct lcast_question_options {
  // `sizeof(lcast_question_options)`.
  size_t size;
  // Only nodes whose name matches one of these globs, like "web*,db1".
  const char *on;
  // Not the nodes whose name matches one of these globs.
  const char *except;
  // Only nodes with all of these certified labels, each like "role=web".
  const char *const *labels;
  // How many `labels` there are.
  size_t label_count;
  // Only nodes where this predicate is true, like "system.cpu.load_1m > 2.0".
  const char *matching;
  // Only nodes of these names, separated by commas; an empty text is nobody. What no node can be
  // called is invalid, also nothing, as behind a last comma.
  const char *only;
  // These names must answer, known to the realm or not; a text as that of `only`.
  const char *expect;
  // Bounds the whole question. 0: a second, three while answers still trickle in.
  int64_t timeout_ms;
  // For a set of one setting: only where it still has this version, like "3.7".
  const char *if_version;
  // For a watch: tell the values this often, changed or not, 10 at least. 0: when they change.
  int64_t every_ms;
  // For a watch: tell a number only when it is at least so far from what was told last. 0: each
  // change.
  double delta;
  // For a set, not zero: only say what would happen; nothing is written.
  int32_t dry_run;
} lcast_question_options;

// A setting and what to write: one of `text` and `value`, the other is null.
typedef struct lcast_assignment {
  // The name of the setting.
  const char *name;
  // A text, read at each node by the setting's type.
  const char *text;
  // A value of the setting's type.
  const struct lcast_value *value;
} lcast_assignment;

// What a variable or a setting is. Set `size` to `sizeof(lcast_definition)` and the rest to zero,
// then what there is to say.
typedef struct lcast_definition {
  // `sizeof(lcast_definition)`.
  size_t size;
  // The name: 2 to 8 segments joined by dots, like "app.queue.length". "[*]" stands for a key,
  // like "app.disk[*].usage".
  const char *name;
  // The type of its values: an `lcast_type`.
  int32_t value_type;
  // How it behaves: an `lcast_kind`. Of no meaning for a setting.
  int32_t kind;
  // The unit as UCUM writes it, like "By" or "{job}". Null: none.
  const char *unit;
  // One line for people. Null: none.
  const char *description;
  // For a setting: not zero when `min` is the smallest number that it accepts.
  int32_t has_min;
  // For a setting: not zero when `max` is the largest number that it accepts.
  int32_t has_max;
  // The smallest number.
  double min;
  // The largest number.
  double max;
  // For a setting: the longest text or bytes that it accepts, in bytes. 0: any.
  uint32_t length_max;
  // For a setting: the only texts that it accepts. Null: any.
  const char *const *choices;
  // How many `choices` there are.
  size_t choice_count;
} lcast_definition;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of the library, like "0.1.0".
const char *lcast_version(void);

// What went wrong last in this thread, in words; empty when nothing did. The text is good until
// something else goes wrong in this thread.
const char *lcast_last_error(void);

// The status of what went wrong last in this thread; `LCAST_OK` when nothing did.
lcast_status lcast_last_status(void);

// The word for a status, like "no_realm": the same in every language. Null for a number that is
// none.
const char *lcast_status_name(int32_t status);

// How many handles are alive in this process: what was given out and not freed, and what lends
// from it. To find what was forgotten.
size_t lcast_handle_count(void);

// Opens a node: it takes part in the realm from here on. Null options are the default: to ask, in
// the realm that the commands would choose. Of the descriptors 0, 1 and 2 those that are closed
// are opened on /dev/null, and stay so: what the program prints goes into nothing of the node.
//
// `LCAST_NO_REALM`, `LCAST_CREDENTIAL`, `LCAST_PERMISSION`, `LCAST_BUSY` (the state folder is in
// use), `LCAST_START` and `LCAST_LIMIT` (no file descriptors left) say what is missing.
lcast_status lcast_open(const struct lcast_open_options *options, struct lcast_node **node);

// Says goodbye to the realm, ends the node and frees its handle; null is fine. What was made from
// it keeps its handles, and says `LCAST_ENDED` where it needs the node: what has arrived, and the
// last value of a setting, can still be read.
lcast_status lcast_close(struct lcast_node *node);

// The certified name of this node, good as long as its handle is.
const char *lcast_node_name(const struct lcast_node *node);

// The name of the realm, good as long as the handle is.
const char *lcast_node_realm(const struct lcast_node *node);

// The round trip to a node by unicast, in microseconds. `LCAST_TIMEOUT` when it does not answer
// in `timeout_ms`, or was never heard. A signal does not end the waiting: where it has to, ask
// with a short timeout, and again.
lcast_status lcast_ping(const struct lcast_node *node,
                        const char *name,
                        int64_t timeout_ms,
                        int64_t *round_trip_us);

// Asks for all variables that any of the `count` patterns matches, like "system.cpu.*"; no pattern
// at all and more than 64 are invalid. Null options: all nodes are asked.
lcast_status lcast_get(const struct lcast_node *node,
                       const char *const *patterns,
                       size_t count,
                       const struct lcast_question_options *options,
                       struct lcast_stream **replies);

// Writes one setting. The text is read at each node by the setting's type, as "librecast set
// NAME=TEXT" does; the replies say what became of it at each.
lcast_status lcast_set(const struct lcast_node *node,
                       const char *name,
                       const char *text,
                       const struct lcast_question_options *options,
                       struct lcast_stream **replies);

// The same with a value of the setting's type.
lcast_status lcast_set_value(const struct lcast_node *node,
                             const char *name,
                             const struct lcast_value *value,
                             const struct lcast_question_options *options,
                             struct lcast_stream **replies);

// Writes `count` settings, at each node all or none of them. A set of none, of more than 64 or of
// one setting twice is not asked, nor one of several with `if_version`: its stream says
// `LCAST_INVALID`.
lcast_status lcast_set_all(const struct lcast_node *node,
                           const struct lcast_assignment *assignments,
                           size_t count,
                           const struct lcast_question_options *options,
                           struct lcast_stream **replies);

// Watches all variables that any of the patterns matches: what they are at first, as replies, then
// the report, then what changes, on every node that the options pick, those that join later
// included.
lcast_status lcast_watch(const struct lcast_node *node,
                         const char *const *patterns,
                         size_t count,
                         const struct lcast_question_options *options,
                         struct lcast_stream **watch);

// Asks which variables there are. The item of a variable in a reply has its name, with `[*]` in
// place of keys, its unit, and as its value a map of what else it is: the texts "type", "kind" and
// "description", and the bool "settable"; of a setting also those that there are of "min" and
// "max" (floats), "length_max" (an int) and "choices" (a list of texts). Times and versions are
// not in it.
lcast_status lcast_variables(const struct lcast_node *node,
                             const struct lcast_question_options *options,
                             struct lcast_stream **replies);

// Follows whose presence changes from here on; `lcast_members_of` says what it is.
lcast_status lcast_presence(const struct lcast_node *node, struct lcast_stream **changes);

// The next event of a stream, to be freed by `lcast_event_free`. Waits `timeout_ms` at most: 0 not
// at all, -1 as long as it takes.
//
// `LCAST_TIMEOUT` when nothing came, `LCAST_END` at the end, `LCAST_INTERRUPTED` when a signal
// came. Why a stream ended before its time is told once, by its status, and then `LCAST_END`; of
// several threads that wait for it, each is told.
lcast_status lcast_next_event(const struct lcast_stream *stream,
                              int64_t timeout_ms,
                              struct lcast_event **event);

// Drops the replies, waits for the report and gives it: for a question that is asked for its
// account alone. The timeout is as of `lcast_next_event`; after `LCAST_TIMEOUT` or
// `LCAST_INTERRUPTED` it can be called again.
lcast_status lcast_finish(const struct lcast_stream *stream,
                          int64_t timeout_ms,
                          struct lcast_event **report);

// A descriptor for poll, epoll and the like: it can be read exactly while an event waits or the
// stream has ended. Do not read from it, write to it or close it; it is good until the stream is
// freed. -1 when there is none.
int lcast_stream_fd(const struct lcast_stream *stream);

// Gives up what the stream is about: what has arrived can still be read, then comes the end, of a
// question with its report.
lcast_status lcast_stream_cancel(const struct lcast_stream *stream);

// Gives up what the stream is about and frees its handle; null is fine. Threads that wait in it
// wake up with `LCAST_ENDED`.
lcast_status lcast_stream_free(struct lcast_stream *stream);

// What the event is about.
lcast_event_kind lcast_event_kind_of(const struct lcast_event *event);

// The certified name of the node that it is about; empty for a report, an overflow and a setting.
const char *lcast_event_node(const struct lcast_event *event);

// Of a reply: the class that the node ends in.
lcast_class lcast_event_class(const struct lcast_event *event);

// A word for why, like "no_match", "role" or "gone": of a reply without values, of a node that
// left a watch, of presence ("alive", "suspect", "gone", "left").
const char *lcast_event_reason(const struct lcast_event *event);

// One sentence of the node that failed or refused, for people. It comes from another node: mind
// control characters before you print it.
const char *lcast_event_message(const struct lcast_event *event);

// How many events before the next one are lost; of `LCAST_EVENT_OVERFLOW`.
uint64_t lcast_event_lost(const struct lcast_event *event);

// How many items it has: variables with their values, or settings with what became of them.
size_t lcast_event_count(const struct lcast_event *event);

// The full name of an item, keys included.
const char *lcast_event_name(const struct lcast_event *event, size_t index);

// The unit of an item as UCUM writes it; empty where there is none.
const char *lcast_event_unit(const struct lcast_event *event, size_t index);

// The value of an item; it ends with the event. Null for what became of a setting.
const struct lcast_value *lcast_event_value(const struct lcast_event *event, size_t index);

// The version of an item, like "3.7": what `if_version` takes. Empty where it is not known.
const char *lcast_event_version(const struct lcast_event *event, size_t index);

// When the value was read, by the wall clock of its node: milliseconds since 1970.
int64_t lcast_event_time_ms(const struct lcast_event *event, size_t index);

// How old the value was when the node sent it, whatever the clocks say.
uint64_t lcast_event_age_ms(const struct lcast_event *event, size_t index);

// How many values the variable had in between that this watch did not see.
uint64_t lcast_event_skipped(const struct lcast_event *event, size_t index);

// What became of a setting: "applied", "unchanged", "invalid", "conflict", "no_such_variable" or
// "storage". Empty for a variable.
const char *lcast_event_result(const struct lcast_event *event, size_t index);

// One sentence of the node about what became of a setting; see lcast_event_message.
const char *lcast_event_detail(const struct lcast_event *event, size_t index);

// How many variables have no value any more.
size_t lcast_event_removed_count(const struct lcast_event *event);

// The name of a variable that has no value any more.
const char *lcast_event_removed(const struct lcast_event *event, size_t index);

// Frees an event and what belongs to it; null is fine.
lcast_status lcast_event_free(struct lcast_event *event);

// How many nodes were expected.
uint32_t lcast_report_expected(const struct lcast_event *report);

// How many of them presence held alive when the question ended, or spoke.
uint32_t lcast_report_alive(const struct lcast_event *report);

// Not zero when every expected node answered or had nothing to say.
int32_t lcast_report_is_complete(const struct lcast_event *report);

// How many times the question was sent to all.
uint32_t lcast_report_rounds(const struct lcast_event *report);

// From the first packet to the end, in microseconds.
int64_t lcast_report_elapsed_us(const struct lcast_event *report);

// Not zero when any packet of any other node was verified, whatever it said.
int32_t lcast_report_heard(const struct lcast_event *report);

// Not zero when at least one socket of the realm could send the question.
int32_t lcast_report_sent(const struct lcast_event *report);

// How many nodes ended in a class (an `lcast_class`). Those that answered are counted, not listed:
// their names are those of the replies.
size_t lcast_report_count(const struct lcast_event *report, int32_t class_);

// The name of a node of a class; they are in order of name.
const char *lcast_report_node(const struct lcast_event *report, int32_t class_, size_t index);

// A word for why it is in the class, like "no_match" or "role"; of a node that was not heard its
// presence: "alive", "suspect", "gone", "left" or "never".
const char *lcast_report_reason(const struct lcast_event *report, int32_t class_, size_t index);

// One sentence of a node that failed or refused; see lcast_event_message.
const char *lcast_report_message(const struct lcast_event *report, int32_t class_, size_t index);

// When anything of a late or missing node was last heard: milliseconds since 1970; -1 for never.
int64_t lcast_report_last_heard_ms(const struct lcast_event *report, int32_t class_, size_t index);

// Not zero when what was asked of a late or missing node may have been done all the same: a set
// whose answer was lost.
int32_t lcast_report_outcome_unknown(const struct lcast_event *report,
                                     int32_t class_,
                                     size_t index);

// The type of a value; `LCAST_NULL` for what is no value, which `lcast_last_error` tells.
lcast_type lcast_value_type(const struct lcast_value *value);

// Reads a bool, as 0 or 1.
lcast_status lcast_value_bool(const struct lcast_value *value, int *result);

// Reads an int.
lcast_status lcast_value_int(const struct lcast_value *value, int64_t *result);

// Reads a float, or an int as the nearest float.
lcast_status lcast_value_float(const struct lcast_value *value, double *result);

// Reads a timestamp: milliseconds since 1970-01-01T00:00:00Z.
lcast_status lcast_value_timestamp(const struct lcast_value *value, int64_t *result);

// The text of a value, good as long as that; null when it is none. A zero byte stands behind it.
// There may be zero bytes in it: only `length`, unless null, tells where it ends then.
const char *lcast_value_text(const struct lcast_value *value, size_t *length);

// The bytes of a value, good as long as that; null when it is none.
const uint8_t *lcast_value_bytes(const struct lcast_value *value, size_t *length);

// How many entries a list or a map has.
size_t lcast_value_count(const struct lcast_value *value);

// An entry of a list, or of a map in order of key; it ends with what `value` ends with.
const struct lcast_value *lcast_value_at(const struct lcast_value *value, size_t index);

// The key of an entry of a map, good as long as the map, also where that is added to. Of zero
// bytes in it: see lcast_value_text.
const char *lcast_value_key(const struct lcast_value *value, size_t index, size_t *length);

// The entry of a map with this key; null when there is none, which is no error.
const struct lcast_value *lcast_value_find(const struct lcast_value *value, const char *key);

// Writes a value for people into a buffer of `size` bytes, with a zero byte behind it: a text as
// it is, bytes as hexadecimal digits, all else as JSON has it. `length`, unless null, is how long
// it is without the zero byte. `LCAST_TOO_SMALL` when the buffer has no room for all of it; it
// holds as much as fits then. The buffer may be null when its size is 0.
lcast_status lcast_value_print(const struct lcast_value *value,
                               char *buffer,
                               size_t size,
                               size_t *length);

// Makes a null.
lcast_status lcast_value_new_null(struct lcast_value **value);

// Makes a bool: false of zero, else true.
lcast_status lcast_value_new_bool(int content, struct lcast_value **value);

// Makes an int.
lcast_status lcast_value_new_int(int64_t content, struct lcast_value **value);

// Makes a float.
lcast_status lcast_value_new_float(double content, struct lcast_value **value);

// Makes a text of `length` bytes of UTF-8, in which there may be zero bytes.
lcast_status lcast_value_new_text(const char *content, size_t length, struct lcast_value **value);

// Makes a value of bytes.
lcast_status lcast_value_new_bytes(const uint8_t *content,
                                   size_t length,
                                   struct lcast_value **value);

// Makes a timestamp: milliseconds since 1970-01-01T00:00:00Z.
lcast_status lcast_value_new_timestamp(int64_t millis, struct lcast_value **value);

// Makes an empty list, to be filled by `lcast_value_push`.
lcast_status lcast_value_new_list(struct lcast_value **value);

// Makes an empty map, to be filled by `lcast_value_put`.
lcast_status lcast_value_new_map(struct lcast_value **value);

// Adds a copy of `item` to a list that the program made. `LCAST_INVALID` where it becomes more
// than a reply carries, or is nested too deep.
lcast_status lcast_value_push(struct lcast_value *list, const struct lcast_value *item);

// Puts a copy of `item` into a map that the program made. The key has `length` bytes of UTF-8;
// what was there under this key goes. `LCAST_INVALID` as of `lcast_value_push`.
lcast_status lcast_value_put(struct lcast_value *map,
                             const char *key,
                             size_t length,
                             const struct lcast_value *item);

// Frees a value that the program made or was given; null is fine. Those of an event, and parts of
// others, are refused: they end with what they were got from.
lcast_status lcast_value_free(struct lcast_value *value);

// Exposes a variable: from here on the realm can read it. The node needs an agent's credential,
// else it is `LCAST_PERMISSION`. The handle is freed by `lcast_variable_free`.
lcast_status lcast_expose(const struct lcast_node *node,
                          const struct lcast_definition *definition,
                          struct lcast_variable **variable);

// Gives a variable a value. One of another type, or of more than some 2 MiB, which no reply
// carries, is `LCAST_INVALID`.
lcast_status lcast_publish(const struct lcast_variable *variable, const struct lcast_value *value);

// Gives a variable an int.
lcast_status lcast_publish_int(const struct lcast_variable *variable, int64_t value);

// Gives a variable a float.
lcast_status lcast_publish_float(const struct lcast_variable *variable, double value);

// Gives a variable a bool: false of zero, else true.
lcast_status lcast_publish_bool(const struct lcast_variable *variable, int32_t value);

// Gives a variable a text.
lcast_status lcast_publish_text(const struct lcast_variable *variable, const char *value);

// Gives one instance of a map variable a value: of "app.disk[*].usage" that with the key "/var".
// The key has `length` bytes of UTF-8.
lcast_status lcast_publish_key(const struct lcast_variable *variable,
                               const char *key,
                               size_t length,
                               const struct lcast_value *value);

// Removes a variable from the realm's sight; that it was not there is no error. The handle is
// still to be freed.
lcast_status lcast_withdraw(const struct lcast_variable *variable);

// Frees the handle of a variable, which stays exposed; null is fine.
lcast_status lcast_variable_free(struct lcast_variable *variable);

// Exposes a setting: a variable that operators of the realm may write. A null `initial` is the
// default of a setting that has no value until somebody sets it. What was kept in the state folder
// comes before the default.
lcast_status lcast_expose_setting(const struct lcast_node *node,
                                  const struct lcast_definition *definition,
                                  const struct lcast_value *initial,
                                  struct lcast_setting **setting);

// The present value of a setting, to be freed by `lcast_value_free`.
lcast_status lcast_setting_value(const struct lcast_setting *setting, struct lcast_value **value);

// The values that somebody writes: a stream of events of the kind `LCAST_EVENT_SETTING`, each with
// one item, which begins with the newest that was written since the exposing. Of values that come
// faster than they are read only the newest is sure to be among them.
lcast_status lcast_setting_changes(const struct lcast_setting *setting,
                                   struct lcast_stream **changes);

// Frees the handle of a setting, which stays exposed; null is fine.
lcast_status lcast_setting_free(struct lcast_setting *setting);

// All members of the realm, to be freed by `lcast_members_free`.
lcast_status lcast_members_of(const struct lcast_node *node, struct lcast_members **members);

// How many members there are.
size_t lcast_members_count(const struct lcast_members *members);

// The certified name of a member.
const char *lcast_members_name(const struct lcast_members *members, size_t index);

// What it is: "agent" or "client".
const char *lcast_members_kind(const struct lcast_members *members, size_t index);

// Its presence: "alive", "suspect", "gone", "left" or "never".
const char *lcast_members_state(const struct lcast_members *members, size_t index);

// How that is known: "multicast", "unicast", "told", "remembered", or empty.
const char *lcast_members_via(const struct lcast_members *members, size_t index);

// The version of its software; empty when it has not said.
const char *lcast_members_software(const struct lcast_members *members, size_t index);

// When it was last heard: milliseconds since 1970; -1 for never.
int64_t lcast_members_last_heard_ms(const struct lcast_members *members, size_t index);

// Not zero when two processes of it are alive at once: a copied credential.
int32_t lcast_members_is_duplicate(const struct lcast_members *members, size_t index);

// How many certified labels it has.
size_t lcast_members_label_count(const struct lcast_members *members, size_t index);

// The key of a label.
const char *lcast_members_label_key(const struct lcast_members *members,
                                    size_t index,
                                    size_t label);

// The value of a label.
const char *lcast_members_label_value(const struct lcast_members *members,
                                      size_t index,
                                      size_t label);

// How many certified roles it has.
size_t lcast_members_role_count(const struct lcast_members *members, size_t index);

// A role, like "operator".
const char *lcast_members_role(const struct lcast_members *members, size_t index, size_t role);

// Frees a list of members; null is fine.
lcast_status lcast_members_free(struct lcast_members *members);

// The next events of a stream, `most` at most and those that are there, as bytes to be freed by
// `lcast_value_free`; see lcast_packed(3) for what is in them. Waits for the first of them, and
// says how that ended, as `lcast_next_event` does.
lcast_status lcast_next_packed(const struct lcast_stream *stream,
                               int64_t timeout_ms,
                               size_t most,
                               struct lcast_value **events);

// The same bytes for one value, whose type and content they are; to be freed by
// `lcast_value_free`.
lcast_status lcast_value_pack(const struct lcast_value *value, struct lcast_value **packed);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LCAST_H */
