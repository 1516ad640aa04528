#!/bin/sh
# A transform that passes on events whose payload has a word, in the protocol of gateway/childproc/README.md.
# It takes one event at a time: max_batch: 1.
read -r hello
word=${hello#*'"word":"'}
word=${word%%'"'*}
echo '{"ready":1}'
while read -r line; do
	number=${line#'{"batch":'}
	number=${number%%,*}
	case $line in
	'{"batch":'*"$word"*) echo '{"ack":'"$number"',"events":[{"of":0}]}' ;;
	'{"batch":'*) echo '{"ack":'"$number"'}' ;;
	esac
done
