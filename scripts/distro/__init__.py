# SPDX-License-Identifier: Apache-2.0
"""The series as distributions take it: Debian, RPM, Nix, Arch, conda."""
