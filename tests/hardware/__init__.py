# SPDX-License-Identifier: Apache-2.0
"""What is run on real devices, and what came out."""
