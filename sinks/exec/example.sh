#!/bin/sh
# A sink that appends batches to a file, in the protocol of gateway/childproc/README.md.
read -r hello
path=${hello#*'"path":"'}
path=${path%%'"'*}
echo '{"ready":1}'
while read -r line; do
	case $line in '{"batch":'*)
		number=${line#'{"batch":'}
		printf '%s\n' "$line" >>"$path" && echo '{"ack":'"${number%%,*}"'}' ||
			echo '{"nack":'"${number%%,*}"',"error":"cannot write","unavailable":true}'
	esac
done
