# What up.sh and down.sh share: which processes a fleet on this machine has, and where their state is.
# shellcheck shell=bash
# shellcheck disable=SC2034  # used by those that read this file

STATE=.flotilla/fleet
# Workers in the order in which they are ended: those that keep the books last.
WORKERS=(worker-file-processing worker-api-processing worker-default worker-callbacks worker-logging)

say() {
    echo "fleet: $*" >&2
}

# The process that was started for a role, if it still runs. A pid that belongs to another program by now does not count.
pid_of() { # role
    local pid
    [ -f "$STATE/$1.pid" ] || return 1
    pid=$(<"$STATE/$1.pid")
    case "$(ps -p "$pid" -o args= 2>/dev/null)" in
        */"$1" | */"$1 "*) echo "$pid" ;;
        *) return 1 ;;
    esac
}
