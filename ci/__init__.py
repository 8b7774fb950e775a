# SPDX-License-Identifier: Apache-2.0
"""What machines run beside the tools: the bot that carries the series on."""
