"""The command line: one thin file a command, over a plain function of the same name."""
