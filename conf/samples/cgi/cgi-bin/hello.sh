#!/bin/sh
# A CGI script in its simplest form: fields, an empty line, content.

echo 'Content-Type: text/plain'
echo
echo 'Hello from a shell script'
echo "SCRIPT_NAME=$SCRIPT_NAME"
echo "PATH_INFO=$PATH_INFO"
echo "QUERY_STRING=$QUERY_STRING"
echo "REMOTE_ADDR=$REMOTE_ADDR"
