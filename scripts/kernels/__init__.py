# SPDX-License-Identifier: Apache-2.0
"""The kernel proof: what the series selects does compile for sm_120a and sm_121a."""
