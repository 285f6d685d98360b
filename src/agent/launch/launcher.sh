#!/bin/sh
# Stays as the parent of one guest and keeps its exit status, so that an agent that was restarted still learns it.
# $1 file for the exit status, $2 file for this shell's pid and the guest's, $3 working directory, then the guest's command.
exit_file=$1 pid_file=$2 dir=$3
shift 3
# A signal that the guest sends to its own process group must not end this shell; the guest itself gets the defaults back.
trap : HUP INT QUIT TERM
# The agent says go once this process is in its group. It died before: nothing is started.
read -r go || exit 1
(
  exec </dev/null
  read -r pid rest </proc/self/stat
  echo "$$ $pid" >"$pid_file"
  cd "$dir" && exec "$@"
)
status=$?
# By this shell alone, as its last act: once the line is there, whoever else is in the group was left behind by the guest.
echo "$status" >"$exit_file"
