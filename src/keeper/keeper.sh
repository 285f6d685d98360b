#!/bin/sh
# Looks after the agent of one directory: starts it, starts it again when it dies, and ends guests whose time is over where the
# agent does not, because it is away or hangs. Plain and small, so that it is there when nothing else is.
# $1 the agent's directory, $2 how long an agent that is told to stop may take, s, then the agent's command.
dir=$1 patience_cs=$(($2 * 100))
shift 2

# Between two starts of an agent that does not last: none at first, growing up to this; one that lasted so long had got going.
delay_s_max=10 steady_cs=3000
# An agent that leaves a guest to us and says nothing for so long hangs.
hung_cs=1000

read -r boot </proc/sys/kernel/random/boot_id
# The newest word of an agent: when it was written (uptime, ms), by which process, and a line for each guest.
seq=0 writer='' duties=''
# The agent that we look after: its pid, when it began (uptime, cs), and whether it is our child.
agent='' began=0 ours=''
delay_s=0 start_at=0 stopping_at='' late_since='' told='' deaf='' nap=''

say() { echo "keeper: $*" >&2; }

is_number() { case $1 in '' | *[!0-9]*) return 1 ;; esac; }

look_at_clock() {
  read -r up idle </proc/uptime
  now=${up%.*}${up#*.}
}

# Whether the process lives; tells since when (uptime, cs).
lives() {
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  # The name may hold spaces and parentheses; the fields follow the last one.
  set -- ${stat##*) }
  since=${20}
  [ "$1" != Z ] && [ "$1" != X ]
}

# The agent writes two files in turn, each in place: one of them is whole at any time, on a full disk too.
hear() {
  whole=''
  for slot in "$dir/keeper.0" "$dir/keeper.1"; do
    [ -r "$slot" ] || continue
    if hear_slot <"$slot"; then whole=1; else whole=${whole:-0}; fi
  done
  if [ "$whole" != 0 ]; then
    deaf=''
  elif [ -z "$deaf" ]; then
    deaf=1
    say "what the agent wrote in $dir/keeper.0 and .1 cannot be read; going on with what was known before"
  fi
}

# `agent SEQUENCE PID BOOT`, then for each guest `KILL_AT_CS RUNTIME GROUP`, then `end SEQUENCE`. Fails where it is not whole.
hear_slot() {
  read -r word slot_seq slot_pid slot_boot || return 1
  [ "$word" = agent ] && is_number "$slot_seq" && is_number "$slot_pid" || return 1
  slot_duties=''
  while read -r line; do
    if [ "$line" = "end $slot_seq" ]; then
      # Times of another boot mean nothing, and nothing of it runs any more.
      if [ "$slot_boot" = "$boot" ] && [ "$slot_seq" -gt "$seq" ]; then
        seq=$slot_seq writer=$slot_pid duties=$slot_duties
      fi
      return 0
    fi
    slot_duties="$slot_duties$line
"
  done
  return 1
}

members() { find "$1" -name cgroup.procs -exec cat {} + 2>/dev/null; }

# SIGKILL to all of a guest, frozen or not. Fails where nothing is left of it.
end_guest() {
  case $1 in
    cgroup-v2)
      [ -n "$(members "$2")" ] || return 1
      echo 1 >"$2/cgroup.kill"
      ;;
    cgroup-v1)
      [ -n "$(members "$2")" ] || return 1
      # A signal acts only after the thaw, and before it nothing may fork: freeze, signal, thaw.
      echo FROZEN >"$2/freezer.state"
      looks=0 state=''
      while [ "$state" != FROZEN ] && [ $looks -lt 100 ]; do
        read -r state <"$2/freezer.state"
        looks=$((looks + 1))
      done
      kill -KILL $(members "$2") 2>/dev/null
      find "$2" -name freezer.state | while read -r file; do echo THAWED >"$file"; done
      ;;
    process-tree)
      pids=$(printf '%s\n' /proc/[0-9]*/environ | xargs grep -Flxze "GLEANER_GROUP=$2" 2>/dev/null | cut -d / -f 3)
      # Zombies have no environment any more, and are not found.
      [ -n "$pids" ] || return 1
      kill -KILL $pids 2>/dev/null
      ;;
    *) return 1 ;;
  esac
  return 0
}

# Ends the guests whose time is over, all of them with `$1` now; sets `next`, how long nothing else is due, cs.
look_after_guests() {
  next=100 late=''
  while read -r at runtime group; do
    is_number "$at" && [ -n "$group" ] || continue
    if [ "$at" -gt "$now" ] && [ -z "$1" ]; then
      [ $((at - now)) -ge $next ] || next=$((at - now))
      continue
    fi
    late=1
    end_guest "$runtime" "$group" || continue
    case $told in *"|$group|"*) continue ;; esac
    told="$told|$group|"
    say "ended the guest in $group: its time was over and its agent had not ended it"
  done <<DUTIES
$duties
DUTIES
  [ -n "$late" ] || told=''
}

start() {
  # A session of its own: Ctrl-C reaches us, and we tell the agent once.
  setsid "$@" </dev/null &
  agent=$! ours=1
  lives $agent
  began=$since
}

find_running() {
  is_number "$writer" && lives "$writer" || return 1
  # One that began after the word was written only has the number of the process that wrote it.
  [ "$since" -le $((seq / 10)) ] || return 1
  agent=$writer began=$since ours=''
  say "the agent runs already (pid $agent)"
  [ -z "$stopping_at" ] || kill -TERM "$agent" 2>/dev/null
}

agent_ended() {
  status=1
  if [ -n "$ours" ]; then
    wait "$agent"
    status=$?
  fi
  agent=''
  # It was told to leave, by us or by somebody else, and did so in order.
  [ "$status" != 0 ] || leave 0
  [ -z "$stopping_at" ] || return
  # None ever got going, and there is nobody to look after: whoever started us hears of it.
  [ -n "$writer" ] || [ -n "$duties" ] || leave "$status"
  [ $((now - began)) -lt $steady_cs ] || delay_s=0
  start_at=$((now + delay_s * 100))
  say "the agent ended (status $status); starting it again in $delay_s s"
  delay_s=$((delay_s * 2 + 1))
  [ $delay_s -le $delay_s_max ] || delay_s=$delay_s_max
}

look_after_agent() {
  if [ -n "$agent" ] && { ! lives "$agent" || [ "$since" != "$began" ]; }; then agent_ended; fi
  if [ -z "$agent" ] && ! find_running && [ -z "$stopping_at" ] && [ "$now" -ge "$start_at" ]; then start "$@"; fi
  if [ -z "$late" ] || [ "$seq" != "$late_seq" ]; then
    late_since=$now late_seq=$seq
  elif [ -n "$agent" ] && [ $((now - late_since)) -ge $hung_cs ]; then
    say "the agent hangs (pid $agent): it is killed and started anew"
    kill -KILL "$agent" 2>/dev/null
    late_since=$now
  fi
}

stop() {
  stopping_at=${stopping_at:-$now}
  [ -z "$agent" ] || kill -TERM "$agent" 2>/dev/null
}

# The agent vacates its guests and ends; where there is none, or it does not end, they go when their time is over.
finish_stop() {
  [ -n "$stopping_at" ] || return 0
  [ -n "$agent" ] || [ -n "$(remaining)" ] || leave 0
  [ $((now - stopping_at)) -ge $patience_cs ] || return 0
  say "the agent did not end in time: it is killed, and its guests with it"
  [ -z "$agent" ] || kill -KILL "$agent" 2>/dev/null
  look_after_guests all
  leave 1
}

leave() {
  # All is said; that its nap was ended, which the shell would say, is nobody's business.
  exec 2>/dev/null
  [ -z "$nap" ] || kill "$nap"
  exit "$1"
}

# Guests whose time is not over, or that are there all the same.
remaining() {
  while read -r at runtime group; do
    is_number "$at" || continue
    if [ "$at" -gt "$now" ] || end_guest "$runtime" "$group"; then echo "$group"; fi
  done <<DUTIES
$duties
DUTIES
}

late_seq=$seq
trap '' PIPE HUP
trap stop TERM INT
trap : CHLD
# The agent prints what it holds.
trap '[ -z "$agent" ] || kill -USR2 "$agent" 2>/dev/null' USR2

while :; do
  look_at_clock
  # Started by a supervisor that is gone, nobody else would ever stop us.
  if [ -n "$NODE_CHANNEL_FD" ] && [ -z "$stopping_at" ] && [ ! -d "/proc/$PPID" ]; then stop; fi
  hear
  look_after_guests ''
  look_after_agent "$@"
  finish_stop
  hundredths=$((next % 100))
  [ $hundredths -ge 10 ] || hundredths=0$hundredths
  sleep "$((next / 100)).$hundredths" &
  nap=$!
  wait "$nap"
  # The end of the agent woke us before.
  { kill "$nap" && wait "$nap"; } 2>/dev/null
done
