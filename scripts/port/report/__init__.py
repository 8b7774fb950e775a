# SPDX-License-Identifier: Apache-2.0
"""What a port came to: states, summary, conflicts, and their texts."""
