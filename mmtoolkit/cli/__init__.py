"""The command line: the options that jobs share, `--config` files, exit codes, one-line errors."""
