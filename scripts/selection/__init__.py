# SPDX-License-Identifier: Apache-2.0
"""What vLLM selects for NVFP4 layers, with the series and without it."""
