# SPDX-License-Identifier: Apache-2.0
"""What users install: overlay wheel, in-place patching, source lane, sdist."""
