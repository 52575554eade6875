"""Fills the spool of a configuration with hostile events, for the checks that deliver them."""

import os
import subprocess

TEST = "syslog::tests::hostile::fill_the_spool_with_hostile_events"


def fill(config, events):
    """Queues this number of events for each destination of the configuration."""
    command = ["cargo", "test", "--quiet", "--locked", "--lib", "-p", "bt-rollcall", "--", "--ignored", "--exact", TEST]
    environment = os.environ | {"EVENTS_CONFIG": str(config), "EVENTS_COUNT": str(events)}
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
