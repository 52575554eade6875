# shellcheck shell=sh
# Creates the account and its folders. The timer is not enabled: a configuration that nobody completed must not contact
# a host. An upgrade changes neither the timer nor a run that is under way.
systemd-sysusers bt-rollcall.conf
systemd-tmpfiles --create bt-rollcall.conf
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
fi
# $1 is the number of versions that are installed now.
if [ "$1" -eq 1 ]; then
    echo "bt-rollcall: complete /etc/bt-rollcall/config.toml, then: systemctl enable --now bt-rollcall.timer"
fi
