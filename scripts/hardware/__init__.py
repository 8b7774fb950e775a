# SPDX-License-Identifier: Apache-2.0
"""What is run on a real device: any CUDA one, and an SM12x one where there is one."""
