"""The checks of `tftransfer inspect`, one file each; the registry finds them by looking."""
