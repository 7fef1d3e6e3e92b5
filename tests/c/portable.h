/* portable.h -- names for a second copy of the parser, compiled into a test on the 8-byte scans,
 * beside the one that the test is linked with. Include first. */
#ifndef PORTABLE_H
#define PORTABLE_H

#define FW_SCAN_PORTABLE 1

#define fw__byte_class portable_byte_class
#define fw__fields_like portable_fields_like
#define fw__read_fields portable_read_fields
#define fw__read_target portable_read_target
#define fw__refuse portable_refuse
#define fw__template_keep portable_template_keep
#define fw_decode_chunked portable_decode_chunked
#define fw_is_field_value portable_is_field_value
#define fw_is_token portable_is_token
#define fw_parse_head portable_parse_head
#define fw_parse_head_like portable_parse_head_like
#define fw_percent_decode portable_percent_decode
#define fw_slice_is portable_slice_is
#define fw_slice_equals portable_slice_equals
#define fw_valid_host portable_valid_host

#endif
