# shellcheck shell=sh
# Stops the schedule and a run that is under way, but not for an upgrade. A run ends cleanly: nothing half-written remains.
# $1 is the number of versions that remain.
if [ "$1" -eq 0 ] && command -v systemctl >/dev/null; then
    systemctl --quiet disable bt-rollcall.timer || :
    if [ -d /run/systemd/system ]; then
        systemctl stop bt-rollcall.timer bt-rollcall.service || :
    fi
fi
