#!/bin/sh
# A source that emits a number each second, and resumes with the next one, in the protocol of gateway/childproc/README.md.
read -r hello
number=0
case $hello in *'"state":'*)
	number=${hello#*'"state":'}
	number=${number%%[!0-9]*}
esac
echo '{"ready":1}'
first=$number
while :; do
	number=$((number + 1))
	echo '{"emit":'$((number - first))',"events":[{"id":"'"$number"'","data":{"number":'"$number"'}}],"state":'"$number"'}' || exit
	sleep "${PAUSE:-1}"
done
