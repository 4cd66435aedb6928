/* What a format's name promises, as the inside of a string. */
#include "engine/grammar/json_schema.h"

#include <string.h>

#define D "[0-9]"
#define HEX "[0-9A-Fa-f]"

/* A date is one that there is: months have their lengths, and 29 February its years. Leap seconds, which
 * few programs read, are not written. */
#define YEAR "([1-9] " D "{3} | \"0\" [1-9] " D "{2} | \"00\" [1-9] " D " | \"000\" [1-9])"
#define LEAP "(" D D " (\"0\" [48] | [2468] [048] | [13579] [26]) | (\"0\" [48] | [2468] [048] | [13579] [26]) \"00\")"
#define LONG "(\"0\" [13578] | \"1\" [02]) \"-\" (\"0\" [1-9] | [12] " D " | \"3\" [01])"
#define SHORT "(\"0\" [469] | \"11\") \"-\" (\"0\" [1-9] | [12] " D " | \"30\")"
#define FEBRUARY "\"02-\" (\"0\" [1-9] | \"1\" " D " | \"2\" [0-8])"
#define DATE "(" YEAR " \"-\" (" LONG " | " SHORT " | " FEBRUARY ") | " LEAP " \"-02-29\")"
#define HOUR "([01] " D " | \"2\" [0-3])"
#define TIME HOUR " (\":\" [0-5] " D "){2} (\".\" " D "{1,9})? (\"Z\" | [-+] " HOUR " \":\" [0-5] " D ")"

/* RFC 3339, appendix A: units in order, none left out between two. */
#define N D "{1,9} "
#define SECONDS N "\"S\""
#define MINUTES N "\"M\" (" SECONDS ")?"
#define CLOCK "\"T\" (" N "\"H\" (" MINUTES ")? | " MINUTES " | " SECONDS ")"
#define MONTHS N "\"M\" (" N "\"D\")?"
#define DURATION "\"P\" ((" N "\"Y\" (" MONTHS ")? | " MONTHS " | " N "\"D\") (" CLOCK ")? | " CLOCK " | " N "\"W\")"

#define BYTE "(" D " | [1-9] " D " | \"1\" " D D " | \"2\" [0-4] " D " | \"25\" [0-5])"
#define IPV4 BYTE " \".\" " BYTE " \".\" " BYTE " \".\" " BYTE
#define GROUP HEX "{1,4}"
#define BEFORE(n) "(" GROUP " \":\"){1," n "} "
#define AFTER(n) "(\":\" " GROUP "){1," n "}"
#define IPV6 "((" GROUP " \":\"){7} " GROUP " | " BEFORE("7") "\":\" | " BEFORE("6") "\":\" " GROUP " | "              \
             BEFORE("5") AFTER("2") " | " BEFORE("4") AFTER("3") " | " BEFORE("3") AFTER("4") " | "                  \
             BEFORE("2") AFTER("5") " | " GROUP " \":\" " AFTER("6") " | \":\" (" AFTER("7") " | \":\"))"

/* Labels of 1 to 40 letters, digits and hyphens, at most six; the last begins with a letter, so that no
 * address of numbers is taken for a name. */
#define LABEL "[0-9A-Za-z] ([0-9A-Za-z-]{0,38} [0-9A-Za-z])?"
#define NAMED "[A-Za-z] ([0-9A-Za-z-]{0,38} [0-9A-Za-z])?"
#define HOST "(" LABEL " \".\"){0,5} " NAMED
#define EMAIL "[0-9A-Za-z_+-]{1,20} (\".\" [0-9A-Za-z_+-]{1,20}){0,2} \"@\" (" LABEL " \".\"){1,3} [A-Za-z]{2,24}"
#define URI_UNIT "([0-9A-Za-z._~!$&'()*+,;=:@/-] | \"%\" " HEX "{2})"
#define PORT "[1-9] " D "{0,3}"
#define URI "\"http\" \"s\"? \"://\" " HOST " (\":\" " PORT ")? (\"/\" " URI_UNIT "{0,500})? ([?#] " URI_UNIT "{0,80})?"

/* The extents are those of the grammars, or wider. */
static const struct {
    const char *name, *grammar;
    fm_schema_extent extent;
} formats[] = {
    {"date", DATE, {10, 10}},
    {"time", TIME, {9, 24}},
    {"date-time", DATE " \"T\" " TIME, {20, 35}},
    {"duration", DURATION, {3, 62}},
    {"uuid", HEX "{8} \"-\" " HEX "{4} \"-\" " HEX "{4} \"-\" " HEX "{4} \"-\" " HEX "{12}", {36, 36}},
    {"email", EMAIL, {6, 210}},
    {"hostname", HOST, {1, 245}},
    {"ipv4", IPV4, {7, 15}},
    {"ipv6", IPV6, {2, 39}},
    {"uri", URI, {8, 2000}},
};

fm_status fm_schema_put_format(fm_schema_writer *w, const fm_schema_part *p, fm_buffer *out,
                               fm_schema_extent *extent) {
    const char *name = fm_json_string(fm_json_get(p->schema, "format"), NULL);
    if (!name) return fm_schema_wrong(w, p, "format", "must be a string");
    for (size_t i = 0; i < FM_COUNT(formats); i++)
        if (strcmp(formats[i].name, name) == 0) {
            fm_buffer_text(out, formats[i].grammar);
            *extent = formats[i].extent;
            return FM_OK;
        }
    return fm_schema_refuse(w, p, "format",
                            "is none of date, time, date-time, duration, uuid, email, hostname, ipv4, ipv6 and "
                            "uri; remove it, or use pattern");
}

/* Formats of OpenAPI and of generators of schemas for C-like types. */
bool fm_schema_format_bounds(const char *format, int64_t *least, int64_t *most) {
    static const struct {
        const char *name;
        int64_t least, most;
    } widths[] = {
        {"int8", INT8_MIN, INT8_MAX}, {"int16", INT16_MIN, INT16_MAX}, {"int32", INT32_MIN, INT32_MAX},
        {"uint8", 0, UINT8_MAX}, {"uint16", 0, UINT16_MAX}, {"uint32", 0, UINT32_MAX},
        {"uint64", 0, INT64_MAX}, {"uint", 0, INT64_MAX},
    };
    for (size_t i = 0; i < FM_COUNT(widths); i++) {
        if (strcmp(widths[i].name, format) != 0) continue;
        *least = widths[i].least;
        *most = widths[i].most;
        return true;
    }
    return false;
}
