# Which Node runs Gleaner; sourced by the scripts beside it, from the repository's root.
node_wanted=22.19
node_private=24.21.0

# Is the system's Node at least $node_wanted? Leaves what it is in $node_found.
system_node_will_do() {
  node_found=$(node --version 2>/dev/null) || return 1
  node_found=${node_found#v}
  node_major=${node_found%%.*}
  node_minor=${node_found#*.}
  node_minor=${node_minor%%.*}
  [ "$node_major" -gt "${node_wanted%.*}" ] ||
    { [ "$node_major" -eq "${node_wanted%.*}" ] && [ "$node_minor" -ge "${node_wanted#*.}" ]; }
}

# Puts the private Node first for this process and its children. $1: the repository's root
use_private_node() {
  PATH="$1/.tools/bin:$PATH"
  export PATH
}
