# SPDX-License-Identifier: Apache-2.0
"""The SM12x kernels that FlashInfer compiles, run on a Hopper GPU (SM90)."""
