# SPDX-License-Identifier: Apache-2.0
"""What a machine and its vLLM are, what would be selected there, and what to fix."""
