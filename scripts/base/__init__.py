# SPDX-License-Identifier: Apache-2.0
"""What every room stands on: errors, console, files, git, object ids."""
