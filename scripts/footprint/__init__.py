# SPDX-License-Identifier: Apache-2.0
"""What experts take of a GPU's memory, with the series and without."""
