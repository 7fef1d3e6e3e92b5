/* static/types.c -- see types.h. The types are those of the IANA's registry. */
#include "static/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Without pointers, so that it lies in the file of the program, and costs no process a page of its own. */
typedef struct {
    char ending[12]; /* lower case */
    char type[32];
} row;

#define TEXT(type) "text/" type "; charset=utf-8"

static const row types[] = {
    {"html", TEXT("html")},
    {"css", TEXT("css")},
    {"js", TEXT("javascript")},
    {"png", "image/png"},
    {"svg", "image/svg+xml"},
    {"jpg", "image/jpeg"},
    {"woff2", "font/woff2"},
    {"webp", "image/webp"},
    {"json", "application/json"},
    {"ico", "image/vnd.microsoft.icon"},
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"apng", "image/apng"},
    {"atom", "application/atom+xml"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"csv", TEXT("csv")},
    {"epub", "application/epub+zip"},
    {"flac", "audio/flac"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"htm", TEXT("html")},
    {"ics", TEXT("calendar")},
    {"jpeg", "image/jpeg"},
    {"jsonld", "application/ld+json"},
    {"jxl", "image/jxl"},
    {"m4a", "audio/mp4"},
    {"map", "application/json"},
    {"markdown", TEXT("markdown")},
    {"md", TEXT("markdown")},
    {"mjs", TEXT("javascript")},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpeg", "video/mpeg"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"otf", "font/otf"},
    {"pdf", "application/pdf"},
    {"rss", "application/rss+xml"},
    {"rtf", "application/rtf"},
    {"tar", "application/x-tar"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"ttf", "font/ttf"},
    {"txt", TEXT("plain")},
    {"vtt", TEXT("vtt")},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"weba", "audio/webm"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"woff", "font/woff"},
    {"xhtml", "application/xhtml+xml"},
    {"xml", "application/xml"},
    {"xz", "application/x-xz"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
};

#define LONGEST 32 /* bytes of an ending with the NUL */

static size_t ending_of(const char *path, char *ending)
{
    const char *name = strrchr(path, '/');
    const char *dot = strrchr(name ? name : path, '.');
    size_t len = 0;
    if (!dot || strlen(dot + 1) >= LONGEST)
        return 0;
    for (const char *at = dot + 1; *at; at++)
        ending[len++] = *at >= 'A' && *at <= 'Z' ? (char)(*at | 0x20) : *at;
    ending[len] = '\0';
    return len;
}

static bool find_own(fw_slice own, const char *ending, size_t len, fw_slice *type)
{
    const char *at = own.at, *end = own.at + own.len;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end ? line_end : end;
        if ((size_t)(line_end - at) > len && at[len] == ' ' && memcmp(at, ending, len) == 0) {
            *type = (fw_slice){at + len + 1, (size_t)(line_end - at) - len - 1};
            return true;
        }
        at = line_end + 1;
    }
    return false;
}

fw_slice fw__media_type(const char *path, fw_slice own)
{
    static const char unknown[] = "application/octet-stream";
    char ending[LONGEST];
    size_t len = ending_of(path, ending);
    fw_slice type = {unknown, sizeof unknown - 1};
    if (len == 0 || (own.len && find_own(own, ending, len, &type)))
        return type;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].ending, ending) == 0)
            return (fw_slice){types[i].type, strlen(types[i].type)};
    return type;
}
