# SPDX-License-Identifier: Apache-2.0
"""The series in an installed vLLM: found, planned, written down, put in and out."""
